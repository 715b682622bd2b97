#include <algorithm>
#include <vector>

#include "engine/block.h"
#include "engine/core/render.h"
#include "engine/engine.h"
#include "engine/state_lookup.h"

namespace entente::engine {
namespace {

using P = BranchPhase;
using Violation = std::optional<std::string>;

bool IsUndoing(BranchPhase phase) {
  return RoleOf(phase) == Role::kUndo;
}

bool IsSettledForward(const StepState& step) {
  return step.skipped || (step.expanded && ForwardDone(step) + step.tolerated == step.size);
}

// G3: nothing is made final before that was decided, and nothing after an abort was.
Violation CheckFinish(const dsl::Step& plan, const TxnState& state, const BranchState& branch,
                      const std::string& name) {
  if (RoleOf(branch.phase) != Role::kFinish) {
    return std::nullopt;
  }
  if (!HasFinish(plan, branch)) {
    return name + "it has no finish operation";
  }
  if (branch.one_phase ? state.abort.has_value() : !state.commit_decided) {
    return name + "it is made final though no commit was decided";
  }
  return std::nullopt;
}

// Another way to do the step follows once what was given up is undone.
bool LeadsOn(const dsl::Step& plan, const BranchState& branch) {
  const auto* work = std::get_if<dsl::CallWork>(&plan.work);
  return work != nullptr && work->NextOnceUndone(branch.alternative).has_value();
}

// What must hold of one branch by itself. `lost`: as its step's.
Violation CheckBranch(const dsl::Step& plan, const TxnState& state, const BranchState& branch,
                      bool lost) {
  const std::string name = "branch '" + branch.id.str() + "' in phase " +
                           std::string(BranchPhaseName(branch.phase)) + ": ";
  if (branch.stuck_since.has_value() != IsStuck(branch.phase)) {
    return name + "stuck_since must be there exactly while it is stuck";
  }
  if (IsBackoff(branch.phase) && !branch.wake_at) {
    return name + "a retry that is never due would be lost";
  }
  if (branch.wake_at && !IsBackoff(branch.phase) && !IsPending(branch.phase) &&
      branch.phase != P::kWaiting && !HoldsReservation(branch)) {
    return name + "a timer without a reason";
  }
  if (IsCalling(branch.phase) && (branch.attempt == 0 || branch.budget_used == 0)) {
    return name + "a call without an attempt";
  }
  if (IsPending(branch.phase) && !branch.poll_url.empty() && !branch.wake_at) {
    return name + "a pending operation that is polled needs a timer";
  }
  if (IsUndoing(branch.phase) && !HasUndo(plan, branch)) {
    return name + "it has no undo";
  }
  const bool undoing_status = state.status == TxnStatus::kAborting ||
                              state.status == TxnStatus::kAborted ||
                              state.status == TxnStatus::kMixed;
  if (IsUndoing(branch.phase) && !undoing_status && !lost &&
      !(branch.undone_for_another && LeadsOn(plan, branch))) {
    return name + "it is undone though no abort was decided";
  }
  if (branch.tolerated && !plan.optional) {
    return name + "it failed and was passed over, but the step is not optional";
  }
  if (branch.phase == P::kGaveUp && !branch.tolerated && !undoing_status && !lost &&
      !LeadsOn(plan, branch)) {
    return name + "given up without an abort: its effect could be lost";
  }
  if (branch.phase == P::kEnlisted && !state.client_driven) {
    return name + "only a client enlists";
  }
  if (branch.phase == P::kReadOnly && state.mode != Mode::kTwoPhaseCommit) {
    return name + "only a vote is read-only";
  }
  return CheckFinish(plan, state, branch, name);
}

// Of steps in one block: each branch of `step` was begun when that of `before` was done.
bool AreLanesSettled(const StepState& before, const StepState& step) {
  for (size_t i = 0; i < step.branches.size(); ++i) {
    const BranchState* first = i < before.branches.size() ? &before.branches[i] : nullptr;
    const bool settled = first != nullptr && (first->phase == P::kDone ||
                                              first->phase == P::kSkipped || first->tolerated);
    if (step.branches[i].phase != P::kBlocked && !settled) {
      return false;
    }
  }
  return true;
}

// Of those that race for the step one is done, and the others have lost; or all were skipped.
bool HasOneWinner(const dsl::Plan& plan, const TxnState& state, size_t goal) {
  size_t done = 0;
  size_t skipped = 0;
  for (const size_t racer : plan.steps[goal].after) {
    const StepState& step = state.steps[racer];
    done += !step.skipped && step.phases.of(P::kDone) > 0 ? 1 : 0;
    skipped += step.skipped ? 1 : 0;
  }
  return skipped + done == plan.steps[goal].after.size() && done <= 1;
}

Violation CheckStep(const dsl::Plan& plan, const TxnState& state, size_t index) {
  const StepState& step = state.steps[index];
  const std::string name = "step '" + plan.steps[index].id + "': ";
  if (step.branches.size() != step.size || (step.lost() && !plan.steps[index].race)) {
    return name + "its branches do not fit its state";
  }
  PhaseCounts counted;
  uint32_t tolerated = 0;
  for (const BranchState& branch : step.branches) {
    counted.Add(branch.phase, 1);
    tolerated += branch.tolerated ? 1 : 0;
    if (Violation violation = CheckBranch(plan.steps[index], state, branch, step.lost())) {
      return violation;
    }
  }
  if (!(counted == step.phases) || tolerated != step.tolerated) {
    return name + "the counts of its phases are wrong";
  }
  if (!step.expanded && !step.skipped) {
    return std::nullopt;
  }
  const bool forward_only = state.status == TxnStatus::kActive ||
                            state.status == TxnStatus::kCommitting ||
                            state.status == TxnStatus::kCommitted;
  const dsl::Stage stage = plan.steps[index].stage;
  if ((stage == dsl::Stage::kCommitted && !state.commit_decided) ||
      (stage == dsl::Stage::kAborted && !state.abort)) {
    return name + "begun before the outcome that it follows was decided";
  }
  if (plan.steps[index].after_any) {
    return forward_only && !HasOneWinner(plan, state, index)
               ? Violation(name + "begun before its race was over")
               : std::nullopt;
  }
  for (const size_t before : plan.steps[index].after) {
    const bool settled = InOneBlock(plan, before, index)
                             ? AreLanesSettled(state.steps[before], step)
                             : IsSettledForward(state.steps[before]);
    if (forward_only && !state.client_driven && !settled) {
      return name + "begun before '" + plan.steps[before].id + "' was done";
    }
  }
  return std::nullopt;
}

bool IsToTakeBack(const dsl::Step& plan, const BranchState& branch) {
  const bool happened =
      branch.phase == P::kDone || branch.phase == P::kGaveUp || branch.phase == P::kEnlisted;
  const bool under_way = IsCalling(branch.phase) || IsBackoff(branch.phase) ||
                         IsPending(branch.phase) || IsStuck(branch.phase);
  return under_way || (happened && HasUndo(plan, branch));
}

// Where a branch of a block is undone, what directly follows in its lane was undone before.
bool AreLanesUndoneInOrder(const dsl::Plan& plan, const TxnState& state, size_t step) {
  for (const size_t next : plan.steps[step].before) {
    if (!InOneBlock(plan, next, step) || next >= state.steps.size()) {
      continue;
    }
    const std::vector<BranchState>& lanes = state.steps[step].branches;
    const std::vector<BranchState>& following = state.steps[next].branches;
    for (size_t i = 0; i < lanes.size() && i < following.size(); ++i) {
      if (IsUndoing(lanes[i].phase) && IsToTakeBack(plan.steps[next], following[i])) {
        return false;
      }
    }
  }
  return true;
}

// How many branches of the step may hold something that an abort has to take back, or take back.
uint32_t Standing(const dsl::Plan& plan, const TxnState& state, size_t step) {
  const PhaseCounts& phases = state.steps[step].phases;
  uint32_t not_undone = 0;
  for (const BranchState& branch : state.steps[step].branches) {
    const bool happened =
        branch.phase == P::kDone || branch.phase == P::kGaveUp || branch.phase == P::kEnlisted;
    not_undone += happened && HasUndo(plan.steps[step], branch) ? 1 : 0;
  }
  return phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending, P::kForwardStuck) +
         phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending, P::kUndoStuck) +
         phases.of(P::kFinish, P::kFinishBackoff, P::kFinishPending, P::kFinished,
                   P::kFinishStuck) +
         not_undone;
}

// I1, I4: nothing that may have happened is left behind.
Violation CheckNothingStands(const dsl::Plan& plan, const TxnState& state) {
  for (size_t step = 0; step < state.steps.size(); ++step) {
    const bool to_be_undone = state.status == TxnStatus::kAborted ||
                              (state.status == TxnStatus::kCommitted && state.steps[step].lost());
    if (to_be_undone && Standing(plan, state, step) > 0) {
      return "the transaction has ended without step '" + plan.steps[step].id +
             "', though an effect of it may stand";
    }
  }
  return std::nullopt;
}

// I8: whatever is being undone, nothing that was built upon it still stands or runs. What a TCC or
// two-phase commit takes back was never visible to anybody, so its order does not matter.
Violation CheckUndoOrder(const dsl::Plan& plan, const TxnState& state) {
  if (state.mode != Mode::kSaga) {
    return std::nullopt;
  }
  std::vector<bool> clear(plan.steps.size(), true);
  std::vector<bool> unlocked(plan.steps.size(), true);
  for (size_t step = plan.steps.size(); step-- > 0;) {
    const std::vector<size_t>& before = plan.steps[step].before;
    const bool successors_clear =
        std::all_of(before.begin(), before.end(), [&clear](size_t next) { return clear[next]; });
    const bool lost = step < state.steps.size() && state.steps[step].lost();
    unlocked[step] = lost || std::all_of(before.begin(), before.end(), [&](size_t next) {
                       return clear[next] || (unlocked[next] && InOneBlock(plan, next, step));
                     });
    if (step >= state.steps.size()) {
      clear[step] = successors_clear;
      continue;
    }
    const PhaseCounts& phases = state.steps[step].phases;
    const uint32_t undoing =
        phases.of(P::kUndo, P::kUndoBackoff, P::kUndoPending, P::kUndone, P::kUndoStuck);
    if (undoing > 0 && (!unlocked[step] || !AreLanesUndoneInOrder(plan, state, step))) {
      return "step '" + plan.steps[step].id + "' is undone before what was built upon it";
    }
    clear[step] = successors_clear && Standing(plan, state, step) == 0;
  }
  return std::nullopt;
}

// Every branch of a step did what the outcome COMMITTED says of it.
bool IsFinal(const dsl::Plan& plan, const TxnState& state, size_t step) {
  if (plan.steps[step].stage == dsl::Stage::kAborted) {
    return true;  // Of the other outcome.
  }
  if (state.mode == Mode::kSaga && state.client_driven) {
    return true;  // The client did it.
  }
  if (step >= state.steps.size()) {
    return false;
  }
  if (state.steps[step].skipped) {
    return true;
  }
  const std::vector<BranchState>& branches = state.steps[step].branches;
  return state.steps[step].expanded &&
         std::all_of(branches.begin(), branches.end(), [&](const BranchState& branch) {
           const bool ended = branch.phase == P::kFinished || branch.phase == P::kReadOnly ||
                              branch.phase == P::kSkipped;
           const bool done = branch.phase == P::kDone || branch.phase == P::kEnlisted;
           return ended || branch.tolerated || (done && !HasFinish(plan.steps[step], branch));
         });
}

// What a mode that decides once may hold after the decision to commit.
Violation CheckCommitting(const dsl::Plan& plan, const TxnState& state) {
  if (state.mode == Mode::kSaga || state.status != TxnStatus::kCommitting) {
    return std::nullopt;
  }
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    const bool ready = step < state.steps.size() &&
                       (IsSettledForward(state.steps[step]) ||
                        (state.mode == Mode::kTcc && state.steps[step].phases.of(P::kEnlisted) +
                                                             ForwardDone(state.steps[step]) ==
                                                         state.steps[step].size));
    if (!ready) {
      return "COMMITTING though step '" + plan.steps[step].id + "' is not ready for it";
    }
  }
  return std::nullopt;
}

// All that was wanted is done, and what lost its race is undone.
bool OnlyLosersAreLeft(const dsl::Plan& plan, const TxnState& state) {
  bool raced = false;
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    const bool known = step < state.steps.size();
    if (plan.steps[step].stage == dsl::Stage::kMain &&
        !(known && IsSettledForward(state.steps[step]))) {
      return false;
    }
    raced = raced || (known && state.steps[step].lost());
  }
  return raced;
}

// Of several pivots, each on another way of a choice, those that are not taken are skipped.
Violation CheckPivots(const dsl::Plan& plan, const TxnState& state) {
  const bool aborts = state.status == TxnStatus::kAborting || state.status == TxnStatus::kAborted;
  bool passed = false;
  bool all_settled = true;
  for (size_t step = 0; step < plan.steps.size(); ++step) {
    if (!plan.steps[step].pivot) {
      continue;
    }
    const bool reached = step < state.steps.size();
    const bool settled = reached && IsSettledForward(state.steps[step]);
    all_settled = all_settled && settled;
    passed = passed || (settled && !(state.steps[step].skipped && plan.steps[step].way));
    const auto* work = std::get_if<dsl::CallWork>(&plan.steps[step].work);
    if (aborts && reached && work != nullptr && !work->CanBeUndone() &&
        state.steps[step].phases.of(P::kForward, P::kDone, P::kGaveUp) > 0) {
      return "the transaction aborts though its pivot may have happened and can not be undone";
    }
  }
  if (state.status == TxnStatus::kActive && passed) {
    return "the pivot is done though the commit is not decided";
  }
  const bool forward_only = std::any_of(plan.steps.begin(), plan.steps.end(), [](const auto& step) {
    return step.pivot || step.after_pivot;
  });
  if (state.status == TxnStatus::kCommitting && !state.held &&
      !(forward_only && (passed || all_settled)) && !OnlyLosersAreLeft(plan, state)) {
    return "COMMITTING though no pivot is done";
  }
  return std::nullopt;
}

Violation CheckDecision(const dsl::Plan& plan, const TxnState& state) {
  const bool aborts = state.status == TxnStatus::kAborting || state.status == TxnStatus::kAborted;
  if (aborts != state.abort.has_value() && state.status != TxnStatus::kMixed) {
    return "an abort must have a cause, and only an abort has one";
  }
  if (state.finished() != state.ended_at.has_value()) {
    return "ended_at must be there exactly when the transaction has ended";
  }
  if (state.forced.has_value() != (state.status == TxnStatus::kMixed)) {
    return "only MIXED is forced";
  }
  if (state.held && !(state.parent && state.parent->holds)) {
    return "held though no parent holds it";
  }
  const bool may_commit = !state.parent || !state.parent->holds || state.commit_decided;
  if (state.status == TxnStatus::kCommitted && !may_commit) {
    return "COMMITTED before its parent let go of it";
  }
  if (state.commit_decided && state.abort) {
    return "both a commit and an abort were decided";
  }
  if (state.status == TxnStatus::kCommitted) {
    for (size_t step = 0; step < plan.steps.size(); ++step) {
      if (!IsFinal(plan, state, step)) {
        return "COMMITTED though step '" + plan.steps[step].id + "' is not done";
      }
    }
    if (state.mode != Mode::kSaga && !state.commit_decided) {
      return "COMMITTED though no commit was decided";
    }
  }
  return state.mode == Mode::kSaga ? CheckPivots(plan, state) : std::nullopt;
}

// I9: somebody will do something about it: a reply, a timer, a completion, a signal or an operator.
Violation CheckProgress(const dsl::Plan& plan, const TxnState& state) {
  // What is held waits for its parent.
  if (state.finished() || state.paused || state.has_incident() || state.awaits_parent() ||
      !Outstanding(plan, state).empty()) {
    return std::nullopt;
  }
  for (const StepState& step : state.steps) {
    const bool expects =
        step.phases.of(P::kForwardPending, P::kUndoPending, P::kFinishPending) > 0 ||
        (state.status != TxnStatus::kAborting && step.phases.of(P::kWaiting) > 0);
    if (expects) {
      return std::nullopt;
    }
  }
  return "the transaction is open but waits for nothing";
}

// What is counted as it comes and goes is what is there.
Violation CheckSize(const TxnState& state) {
  size_t bytes = state.input.bytes() + state.output.bytes();
  for (const auto& [name, payloads] : state.signals) {
    for (const JsonText& payload : payloads) {
      bytes += payload.bytes();
    }
  }
  for (const StepState& step : state.steps) {
    bytes += step.source.size();
    for (const BranchState& branch : step.branches) {
      bytes += branch.item.bytes() + branch.output.bytes() + branch.answer.bytes();
      bytes += branch.edit ? branch.edit->bytes() : 0;
    }
  }
  return bytes == state.payload_bytes
             ? std::nullopt
             : Violation("the payloads have " + std::to_string(bytes) + " bytes, not " +
                         std::to_string(state.payload_bytes));
}

}  // namespace

std::optional<std::string> CheckInvariants(const dsl::Plan& plan, const TxnState& state) {
  if (state.revision == Sequence()) {
    return std::nullopt;
  }
  if (state.steps.size() > plan.steps.size()) {
    return "the state has more steps than the plan";
  }
  for (size_t step = 0; step < state.steps.size(); ++step) {
    if (Violation violation = CheckStep(plan, state, step)) {
      return violation;
    }
  }
  if (Violation violation = CheckSize(state)) {
    return violation;
  }
  if (Violation violation = CheckDecision(plan, state)) {
    return violation;
  }
  if (Violation violation = CheckCommitting(plan, state)) {
    return violation;
  }
  if (Violation violation = CheckNothingStands(plan, state)) {
    return violation;
  }
  if (Violation violation = CheckUndoOrder(plan, state)) {
    return violation;
  }
  return CheckProgress(plan, state);
}

}  // namespace entente::engine
