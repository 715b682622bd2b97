// What a run is judged by, and the checks. None of them runs any code of the engine: they read the
// plans as the simulation wrote them, what was seen from outside, and the journal's records as
// data.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/record.h"
#include "tests/sim/history.h"
#include "tests/sim/services.h"
#include "tests/sim/spec.h"

namespace entente::sim {

// One transaction, when all is over.
struct TxnEvidence {
  std::string gid;
  const PlanSpec* plan = nullptr;  // Null: a client drove it.
  Protocol protocol = Protocol::kSaga;
  std::vector<StepSpec> branches;  // That a client enlisted.
  size_t items = 0;
  std::string status;  // As the list says.
  std::vector<engine::Record> journal;
  const ClientFacts* client = nullptr;

  [[nodiscard]] bool committed() const { return status == "COMMITTED"; }
  [[nodiscard]] bool aborted() const { return status == "ABORTED"; }
  // When its first record of that kind was made.
  template <class Body>
  [[nodiscard]] std::optional<Instant> When() const {
    for (const engine::Record& record : journal) {
      if (std::holds_alternative<Body>(record.body)) {
        return record.at;
      }
    }
    return std::nullopt;
  }
  // How an optional branch failed, if it did.
  enum class Passed : uint8_t { kNot, kRefused, kGivenUp };
  [[nodiscard]] Passed PassedOver(const std::string& branch) const {
    for (const engine::Record& record : journal) {
      const auto* refused = std::get_if<engine::OperationRefused>(&record.body);
      if (refused != nullptr && refused->tolerated && refused->branch.str() == branch) {
        return Passed::kRefused;
      }
      const auto* gave_up = std::get_if<engine::OperationGaveUp>(&record.body);
      if (gave_up != nullptr && gave_up->tolerated && gave_up->branch.str() == branch) {
        return Passed::kGivenUp;
      }
    }
    return Passed::kNot;
  }
  // It raced with others, and is not the one that was done first.
  [[nodiscard]] bool HasLost(const std::string& branch) const {
    const StepSpec* step = plan == nullptr ? nullptr : StepOf(*plan, branch);
    const StepSpec* goal = step == nullptr ? nullptr : GoalOf(*plan, *step);
    return goal != nullptr && WinnerFor(*goal).branch != branch;
  }
  // When another one was first; nothing: it was itself, or nobody was.
  [[nodiscard]] std::optional<Instant> LostAt(const std::string& branch) const {
    const StepSpec* step = plan == nullptr ? nullptr : StepOf(*plan, branch);
    const StepSpec* goal = step == nullptr ? nullptr : GoalOf(*plan, *step);
    const Winner winner = goal == nullptr ? Winner{} : WinnerFor(*goal);
    return winner.branch == branch ? std::nullopt : winner.at;
  }
  struct Winner {
    std::string branch;  // Empty: none.
    std::optional<Instant> at = {};
  };
  // The first step of those that race for it which was done, or vouched for.
  [[nodiscard]] Winner WinnerFor(const StepSpec& goal) const {
    std::set<std::string> undoing;
    for (const engine::Record& record : journal) {
      std::string done;
      if (const auto* began = std::get_if<engine::OperationStarted>(&record.body)) {
        undoing.erase(began->branch.str());
        if (began->role != dsl::Role::kForward) {
          undoing.insert(began->branch.str());
        }
      } else if (const auto* raised = std::get_if<engine::IncidentRaised>(&record.body);
                 raised != nullptr && (raised->failure.code == "undo.outcome_unknown" ||
                                       raised->failure.code == "undo.done_by_operator")) {
        undoing.insert(raised->branch.str());
      } else if (const auto* succeeded = std::get_if<engine::OperationSucceeded>(&record.body)) {
        done = succeeded->branch.str();
      } else if (const auto* skipped = std::get_if<engine::OperatorSkipped>(&record.body)) {
        done = skipped->branch.str();
      }
      const StepSpec* step = done.empty() ? nullptr : StepOf(*plan, done);
      if (step != nullptr && GoalOf(*plan, *step) == &goal && !undoing.contains(done)) {
        return {done, record.at};
      }
    }
    return {};
  }
  [[nodiscard]] bool IsSkipped(const std::string& branch) const {
    return client->skipped.contains(branch);
  }
};

struct Evidence {
  const History& history;
  const Services& services;
  std::map<std::string, TxnEvidence> txns;  // By gid.
  std::vector<std::string> submitted;       // Every gid that a client used.
};
using Violations = std::vector<std::string>;

// I1, I4, I5: what stands at the participants is what the outcomes say.
void CheckEffects(const Evidence& evidence, Violations& violations);
// I8, and that nothing goes out before its time: the order of calls.
void CheckOrder(const Evidence& evidence, Violations& violations);
// I7, budgets, keys, pauses: each call by itself.
void CheckCalls(const Evidence& evidence, Violations& violations);
// I2, I3, I9: what was said to clients and operators, deadlines, reservations, signals, children.
void CheckPromises(const Evidence& evidence, Violations& violations);

}  // namespace entente::sim
