// Prints the transition tables of all modes, a cell on each line, for models/tables.py:
//   MODE driving|finishing|undoing PHASE EVENT act ACTION
//   MODE transaction STATUS EVENT ignore
//   ... reject CODE
#include <cstdio>
#include <string>
#include <string_view>

#include "dsl/plan.h"
#include "engine/core/table.h"
#include "engine/state.h"

namespace {

namespace engine = entente::engine;

template <class Action>
void Print(std::string_view place, const engine::Cell<Action>& cell) {
  static constexpr std::string_view kKinds[] = {"act", "ignore", "reject"};
  const std::string line = std::string(place) + " " +
                           std::string(kKinds[static_cast<size_t>(cell.kind)]) + " " +
                           std::string(cell.name);
  std::puts(line.c_str());
}

std::string Place(std::string_view mode, std::string_view course, std::string_view row,
                  std::string_view event) {
  std::string place;
  for (const std::string_view word : {mode, course, row, event}) {
    place.append(place.empty() ? "" : " ").append(word);
  }
  return place;
}

void PrintTransaction(const engine::ModeTable& table) {
  for (size_t r = 0; r < engine::kTxnRows; ++r) {
    for (size_t e = 0; e < engine::kTxnEvents; ++e) {
      const auto row = static_cast<engine::TxnRow>(r);
      const auto event = static_cast<engine::TxnEvent>(e);
      Print(Place(entente::dsl::ModeName(table.mode), "transaction", TxnRowName(row),
                  TxnEventName(event)),
            table.at(row, event));
    }
  }
}

void PrintBranches(const engine::ModeTable& table, engine::Course course) {
  for (size_t p = 1; p <= engine::kBranchPhases; ++p) {
    for (size_t e = 0; e < engine::kBranchEvents; ++e) {
      const auto phase = static_cast<engine::BranchPhase>(p);
      const auto event = static_cast<engine::BranchEvent>(e);
      Print(Place(entente::dsl::ModeName(table.mode), CourseName(course), BranchPhaseName(phase),
                  BranchEventName(event)),
            table.at(course, phase, event));
    }
  }
}

}  // namespace

int main() {
  using entente::dsl::Mode;
  for (const Mode mode : {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit}) {
    const engine::ModeTable& table = engine::TableOf(mode);
    PrintTransaction(table);
    for (size_t course = 0; course < engine::kCourses; ++course) {
      PrintBranches(table, static_cast<engine::Course>(course));
    }
  }
  return 0;
}
