#include "explore/findings.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/state_lookup.h"
#include "explore/scenario.h"

namespace entente::explore {
namespace {

using engine::BranchPhase;
using engine::BranchState;
using engine::Mode;
using engine::Role;
using engine::TxnStatus;

bool Acts(const Held& held) {
  return held.made == nullptr || held.made->acts;
}

// The path and query without the query.
std::string_view PathOf(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// One names the other, or something within it.
bool IsWithin(std::string_view a, std::string_view b) {
  return a == b || (a.starts_with(b) && a[b.size()] == '/') ||
         (b.starts_with(a) && b[a.size()] == '/');
}

const dsl::CallWork* CallsOf(const dsl::Step& step) {
  return std::get_if<dsl::CallWork>(&step.work);
}

}  // namespace

void Inspector::Add(size_t node, std::string code, const BranchId& branch, std::string message) {
  const std::string step(engine::ParseBranchName(branch).step);
  const bool known = std::any_of(found_.begin(), found_.end(), [&](const Found& one) {
    return one.finding.code == code && one.finding.step == step;
  });
  if (!known) {
    found_.push_back({{std::move(code), step, std::move(message), {}}, node});
  }
}

bool Inspector::MayStay(const BranchId& branch) const {
  return options_.may_stay.contains(std::string(engine::ParseBranchName(branch).step));
}

// The author wants a person to decide there.
bool Inspector::AsksForPerson(const Node& node, const BranchId& branch) const {
  const BranchState* state = engine::FindBranch(node.state, branch);
  return rules_.StepOf(branch).asks_operator && state != nullptr &&
         state->phase == BranchPhase::kForwardStuck && node.state.status == TxnStatus::kActive;
}

void Inspector::OnTurn(size_t number, const Turn& turn) {
  if (!turn.status.ok()) {
    Add(number, "engine.broken", {},
        "the engine refused what it must take: " + turn.status.message());
    return;
  }
  if (options_.check_invariants) {
    if (const auto violation = engine::CheckInvariants(rules_.plan(), turn.node.state)) {
      Add(number, "engine.broken", {}, *violation);
    }
  }
  if (turn.participant && !turn.promises.empty()) {
    const std::string& name = rules_.plan().participants[*turn.participant].name;
    promises_[name].insert(turn.promises.begin(), turn.promises.end());
  }
  for (const engine::Record& record : turn.records) {
    if (const auto* raised = std::get_if<engine::IncidentRaised>(&record.body);
        raised != nullptr && !turn.excused && !AsksForPerson(turn.node, raised->branch)) {
      Add(number, "person.needed", raised->branch,
          "'" + raised->branch.str() +
              "' waits for a person although every service did its part: " + raised->failure.code +
              (raised->failure.message.empty() || raised->failure.message == "explored"
                   ? ""
                   : ", " + raised->failure.message));
    } else if (const auto* aborted = std::get_if<engine::AbortDecided>(&record.body);
               aborted != nullptr && aborted->cause == engine::AbortCause::kExpression) {
      first_failure_ = failed_expressions_++ == 0
                           ? (aborted->branch ? "'" + aborted->branch->str() + "': " : "") +
                                 aborted->failure.message
                           : first_failure_;
    } else if (const auto* expanded = std::get_if<engine::StepExpanded>(&record.body)) {
      reached_.insert(expanded->id);
    }
  }
  CheckCalls(number, turn.node);
}

void Inspector::OnEnd(size_t number, const Node& node) {
  End end{number, "WAITING", DescribeEffects(node)};
  if (node.state.finished()) {
    end.outcome = engine::TxnStatusName(node.state.status);
    node.state.status == TxnStatus::kCommitted ? CheckCommitted(number, node)
                                               : CheckAborted(number, node);
  } else if (node.state.has_incident()) {
    end.outcome = "INCIDENT";
  } else {
    CheckWaiting(number, node);
  }
  ends_.push_back(std::move(end));
}

void Inspector::CheckStanding(size_t number, const Node& node, const Held& held) {
  const std::string name = "'" + NameOf(held.branch, held.alternative) + "'";
  if (held.overtaken) {
    Add(number, "undo.overtaken", held.branch,
        name + " is carried out after its undo, and stands although the transaction is " +
            std::string(engine::TxnStatusName(node.state.status)) +
            ": its participant has to remember an undo and refuse the action that comes after it "
            "(docs/participants.md, promise 3)");
    return;
  }
  const dsl::Step& step = rules_.StepOf(held.branch);
  const dsl::CallWork* work = CallsOf(step);
  const bool has_undo = work != nullptr && work->way(held.alternative).undo.has_value();
  std::string advice;
  const bool led_on = work != nullptr && work->NextOnceUndone(held.alternative).has_value();
  if (!has_undo && led_on && node.state.status == TxnStatus::kCommitted) {
    advice =
        "it was given up and another way followed, with nothing undone before: write what undoes "
        "it";
  } else if (!has_undo) {
    advice = step.race && node.state.status == TxnStatus::kCommitted
                 ? "another step was first in its race: write what undoes it (--may-stay " +
                       step.id + " if it is meant to stay)"
             : node.state.status == TxnStatus::kCommitted
                 ? "what is answered so may have happened: leave that status unknown"
                 : "write what undoes it, do it after what can still be refused, or mark the step "
                   "'pivot' if nothing can be refused after it (--may-stay " +
                       step.id + " if it is meant to stay)";
  } else {
    advice =
        "it has an undo that does not run or does nothing here: a status that proves nothing "
        "must not be taken for an answer (failOn, succeedOn), and a GET undoes nothing";
  }
  Add(number, "effect.stands", held.branch,
      name + " stands although the transaction is " +
          std::string(engine::TxnStatusName(node.state.status)) +
          " without it, and nothing undoes it: " + advice);
}

void Inspector::CheckAborted(size_t number, const Node& node) {
  for (const Held& held : node.world) {
    const bool stands = held.effect == Effect::kStands || held.effect == Effect::kFinal;
    const bool belongs = rules_.StepOf(held.branch).stage == dsl::Stage::kMain;
    if (stands && belongs && Acts(held) && !MayStay(held.branch)) {
      CheckStanding(number, node, held);
    }
  }
}

void Inspector::CheckCommitted(size_t number, const Node& node) {
  for (const Held& held : node.world) {
    const BranchState* branch = engine::FindBranch(node.state, held.branch);
    const dsl::Step& step = rules_.StepOf(held.branch);
    // What follows the outcome is no part of it, and what failed and is optional may stand; but not
    // what another was faster than.
    if (branch == nullptr || !Acts(held) || step.stage != dsl::Stage::kMain ||
        (branch->tolerated && !step.race)) {
      continue;
    }
    const bool counts =
        !engine::IsCalledOff(node.state, held.branch) && branch->alternative == held.alternative &&
        (branch->phase == BranchPhase::kDone || branch->phase == BranchPhase::kFinished);
    const std::string name = "'" + NameOf(held.branch, held.alternative) + "'";
    if (!counts && held.effect == Effect::kStands && !MayStay(held.branch)) {
      CheckStanding(number, node, held);
    } else if (counts && held.effect == Effect::kNone) {
      Add(number, "effect.missing", held.branch,
          name +
              " counts as done although nothing was: succeedOn takes a status for done that "
              "proves nothing");
    } else if (counts && held.effect == Effect::kStands && node.state.mode != Mode::kSaga &&
               !MayStay(held.branch)) {
      Add(number, "effect.unconfirmed", held.branch,
          name +
              " is held although the transaction is COMMITTED, and nothing makes it final: "
              "write its " +
              std::string(dsl::OperationName(node.state.mode, Role::kFinish)));
    }
  }
}

void Inspector::CheckWaiting(size_t number, const Node& node) {
  const std::vector<std::string> effects = DescribeEffects(node);
  if (effects.empty()) {
    return;
  }
  for (const engine::StepState& step : node.state.steps) {
    for (const BranchState& branch : step.branches) {
      if (branch.phase == BranchPhase::kWaiting) {
        Add(number, "waits.forever", branch.id,
            "'" + branch.id.str() + "' waits for the signal '" + branch.signal +
                "' without an end, while '" + effects.front() +
                "' is held: give the wait a 'timeout' or the definition a 'deadline'");
      }
    }
  }
}

void Inspector::CheckCalls(size_t number, const Node& node) {
  for (const engine::Effect& effect : rules_.CallsOf(node)) {
    const std::optional<RequestFacts> facts = ReadRequest(effect);
    const auto* call = std::get_if<engine::CallBranch>(&effect);
    if (call == nullptr || !facts->acts) {
      continue;
    }
    if (call->command.role == Role::kForward) {
      CheckForward(number, node, call->command, *facts);
    } else if (call->command.role == Role::kUndo) {
      CheckUndo(number, node, call->command, *facts);
    }
  }
}

void Inspector::CheckForward(size_t number, const Node& node, const engine::CommandId& command,
                             const RequestFacts& facts) {
  const std::string name = "'" + NameOf(command.branch, command.alternative) + "'";
  const auto own = engine::ParseBranchName(command.branch);
  for (const Held& other : node.world) {
    if (other.made == nullptr || other.made->participant != facts.participant) {
      continue;
    }
    if (other.branch == command.branch && other.alternative != command.alternative &&
        other.made->acts && other.made->names_key && !facts.names_key) {
      Add(number, "call.names_nothing", command.branch,
          name +
              " does not name its key, as the step's other ways do: when its answer is lost and "
              "it is sent again it may happen twice, and the undo does not find it. Write ${key} "
              "into its path or body");
    }
    const auto theirs = engine::ParseBranchName(other.branch);
    if (own.index && theirs.step == own.step && theirs.index != own.index && facts.rest &&
        facts.method == "PUT" && other.made->method == "PUT" &&
        other.made->target == facts.target) {
      Add(number, "call.names_same", command.branch,
          name + " puts to " + facts.target + " as '" + other.branch.str() +
              "' does: one overwrites the other, and an undo of one takes both away. Write ${key} "
              "or ${index} into the path");
    }
  }
}

void Inspector::CheckUndo(size_t number, const Node& node, const engine::CommandId& command,
                          const RequestFacts& facts) {
  const Held* held = FindHeld(node, command.branch, command.alternative);
  if (held == nullptr || held->made == nullptr || !held->made->acts) {
    return;
  }
  const RequestFacts& made = *held->made;
  const std::string name = "'" + NameOf(command.branch, command.alternative) + "'";
  const std::string operation(dsl::OperationName(node.state.mode, Role::kUndo));
  const bool reads =
      UndoReadsIdentity(rules_.plan(), rules_.StepOf(command.branch), command.alternative);
  const bool same_place = made.rest && facts.rest && made.participant == facts.participant &&
                          IsWithin(PathOf(made.target), PathOf(facts.target));
  if (made.names_key && !reads && !same_place) {
    Add(number, "undo.names_other", command.branch,
        "the " + operation + " of " + name +
            " does not name what its call named by the key: it undoes something else, or nothing. "
            "Write ${key} into it");
    return;
  }
  if (made.rest && facts.rest && made.participant == facts.participant && made.method == "PUT" &&
      facts.method == "DELETE" && made.names_key && facts.names_key && !same_place) {
    Add(number, "undo.names_other", command.branch,
        "the " + operation + " of " + name + " deletes " + facts.target + ", but its call put " +
            made.target);
  }
}

}  // namespace entente::explore
