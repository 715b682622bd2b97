#include "tests/engine/participants.h"

#include <stdexcept>

#include "engine/state_lookup.h"

namespace entente::engine::test {

Participants::Task Participants::TaskOf(const World::CallKey& key, const Effect& effect) {
  const auto* call = std::get_if<CallBranch>(&effect);
  return {
      {std::get<0>(key), std::get<2>(key)}, std::get<1>(key), call != nullptr && call->one_phase};
}

Participants::Task Participants::TaskOf(const BranchState& branch) {
  return {{branch.id.str(), branch.alternative}, RoleOf(branch.phase), branch.one_phase};
}

void Participants::Apply(const Task& task) {
  const auto held = holds_.find(task.name);
  switch (task.role) {
    case Role::kForward:
      if (held == holds_.end() || held->second == Hold::kWorked) {
        holds_[task.name] = mode_ == dsl::Mode::kSaga ? Hold::kFinal : Hold::kReserved;
      }
      break;
    case Role::kUndo:
      if (held != holds_.end() && held->second == Hold::kFinal && mode_ != dsl::Mode::kSaga) {
        throw std::runtime_error("undone after it was made final: " + task.name.first);
      }
      holds_.erase(task.name);
      break;
    case Role::kFinish:
      if (!task.one_phase && (held == holds_.end() || held->second == Hold::kWorked)) {
        throw std::runtime_error("made final though nothing is held: " + task.name.first);
      }
      holds_[task.name] = Hold::kFinal;
      break;
  }
}

bool Participants::IsApplied(const Task& task) const {
  const auto held = holds_.find(task.name);
  switch (task.role) {
    case Role::kForward: return held != holds_.end() && held->second != Hold::kWorked;
    case Role::kUndo: return held == holds_.end();
    case Role::kFinish: return held != holds_.end() && held->second == Hold::kFinal;
  }
  return false;
}

Reply Participants::Carry(const World::CallKey& key, const Effect& effect, bool healthy) {
  const Task task = TaskOf(key, effect);
  if (const auto* child = std::get_if<StartChild>(&effect)) {
    return CarryChild(task, *child, healthy);
  }
  if (!healthy && !dice_.Chance(60)) {
    return AnswerBadly(task);
  }
  const bool repeated = IsApplied(task);
  Apply(task);
  if (!healthy && !dice_.Chance(70)) {
    return ReplyUnknown{{"timeout", ""}, std::nullopt};
  }
  return AnswerDone(task, repeated);
}

Reply Participants::AnswerDone(const Task& task, bool repeated) {
  const bool decides = task.role == Role::kForward || task.one_phase;
  if (decides && repeated && dice_.Chance(30)) {
    // A repeat may be told apart by a service that does not know its own answer any more.
    return ReplyRefused{{"http.409", "duplicate"}};
  }
  if (task.role != Role::kForward && dice_.Chance(5)) {
    return ReplyHeuristic{
        task.role == Role::kUndo ? HeuristicOutcome::kRolledBack : HeuristicOutcome::kCommitted,
        {"participant.heuristic", "done already"}};
  }
  ReplyDone done;
  done.output = Json{{"n", 1}};
  if (mode_ == dsl::Mode::kTwoPhaseCommit && task.role == Role::kForward && !repeated &&
      dice_.Chance(20)) {
    done.read_only = true;
    holds_.erase(task.name);
  }
  return done;
}

Reply Participants::AnswerBadly(const Task& task) {
  const bool decides = task.role == Role::kForward || task.one_phase;
  const bool applied = IsApplied(task);
  switch (dice_.Below(4)) {
    case 0: return ReplyNotSent{{"connect.refused", ""}, std::nullopt};
    case 1: return ReplyUnknown{{"http.503", ""}, std::chrono::seconds(1)};
    case 2:
      if (applied && decides) {
        return ReplyPending{"/poll", std::nullopt};
      }
      if (decides) {
        holds_.erase(task.name);  // A no gives back what a client did before.
      }
      return ReplyRefused{{dice_.Chance(50) ? "http.409" : "OTHER", ""},
                          /*again=*/task.role == Role::kForward && dice_.Chance(20)};
    default:
      Apply(task);  // It works on it by itself from now on.
      return ReplyPending{dice_.Chance(50) ? "/poll" : "", std::nullopt};
  }
}

Reply Participants::CarryChild(const Task& task, const StartChild& child, bool healthy) {
  if (!healthy && dice_.Chance(20)) {
    return ReplyUnknown{{"store.unavailable", ""}, std::nullopt};
  }
  if (child.undoes) {
    Apply(task);
    return ReplyDone{};
  }
  const auto outcome = children_.emplace(child.child, healthy || dice_.Chance(70)).first;
  if (!outcome->second) {
    return ReplyRefused{{"child.aborted", ""}};
  }
  Apply(task);
  return ReplyDone{Json{{"n", 1}}};
}

void Participants::Work(const BranchState& branch) {
  if (mode_ == dsl::Mode::kTwoPhaseCommit) {
    holds_.emplace(Name{branch.id.str(), 0}, Hold::kWorked);
  } else {
    Apply({{branch.id.str(), 0}, Role::kForward});
  }
}

void Participants::Crash(const World& world) {
  for (const auto& [key, effect] : world.calls()) {
    if (std::holds_alternative<CallBranch>(effect) && dice_.Chance(50)) {
      Apply(TaskOf(key, effect));
    }
  }
}

void Participants::Vouch(const BranchState& branch) {
  Apply(TaskOf(branch));
}

Reply Participants::Poll(const BranchState& branch) {
  if (IsApplied(TaskOf(branch))) {
    return ReplyDone{Json{{"n", 1}}};
  }
  return ReplyRefused{{"http.410", ""}};
}

}  // namespace entente::engine::test
