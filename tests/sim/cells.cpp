#include "tests/sim/cells.h"

namespace entente::sim {
namespace {

void Add(CellCounter::Reached& to, bool legal, bool reached, const std::string& name) {
  if (!legal) {
    return;
  }
  ++to.legal;
  to.reached += reached ? 1 : 0;
  if (!reached) {
    to.missed += "  " + name + "\n";
  }
}

}  // namespace

CellCounter::Reached CellCounter::Of(dsl::Mode mode) const {
  const engine::ModeTable& table = engine::TableOf(mode);
  Reached all;
  for (size_t r = 0; r < engine::kTxnRows; ++r) {
    for (size_t e = 0; e < engine::kTxnEvents; ++e) {
      const auto row = static_cast<engine::TxnRow>(r);
      const auto event = static_cast<engine::TxnEvent>(e);
      Add(all, table.at(row, event).kind == engine::CellKind::kAct,
          txn_.contains({mode, row, event}),
          std::string(TxnRowName(row)) + " x " + std::string(TxnEventName(event)));
    }
  }
  for (const auto course :
       {engine::Course::kDriving, engine::Course::kFinishing, engine::Course::kUndoing}) {
    for (size_t p = 1; p <= engine::kBranchPhases; ++p) {
      for (size_t e = 0; e < engine::kBranchEvents; ++e) {
        const auto phase = static_cast<engine::BranchPhase>(p);
        const auto event = static_cast<engine::BranchEvent>(e);
        Add(all, table.at(course, phase, event).kind == engine::CellKind::kAct,
            branch_.contains({mode, course, phase, event}),
            std::string(CourseName(course)) + ", " + std::string(BranchPhaseName(phase)) + " x " +
                std::string(BranchEventName(event)));
      }
    }
  }
  return all;
}

CellCounter::Reached CellCounter::OfFamilies() const {
  Reached all;
  for (size_t c = 0; c < engine::kChildStandings; ++c) {
    for (size_t p = 0; p < engine::kParentStandings; ++p) {
      const auto child = static_cast<engine::ChildStanding>(c);
      const auto parent = static_cast<engine::ParentStanding>(p);
      Add(all, /*legal=*/true, family_.contains({child, parent}),
          "child " + std::string(ChildStandingName(child)) + " x parent " +
              std::string(ParentStandingName(parent)));
    }
  }
  return all;
}

}  // namespace entente::sim
