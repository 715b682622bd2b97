#include <utility>

#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

void EndStopped(Turn& turn, BranchRef ref, Failure failure, bool may_have_happened) {
  EndForward(turn, ref, {std::move(failure), may_have_happened, AbortCause::kGaveUp, false});
}

Failure WhyStopped(const Draft& draft, BranchRef ref) {
  return IsLost(draft, ref) ? Failure{"race.lost", "another step was done first"}
                            : Failure{"transaction.aborting",
                                      "the transaction was aborted before the participant had "
                                      "answered"};
}

}  // namespace

void DecideAbort(Turn& turn, AbortDecided decided) {
  Draft& draft = turn.draft;
  draft.Record(std::move(decided));
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    using P = BranchPhase;
    const StepFacts& facts = draft.step(step);
    // What lost its race was stopped then.
    if (facts.lost() || facts.phases.of(P::kForward, P::kForwardBackoff, P::kForwardPending,
                                        P::kForwardStuck, P::kFinishBackoff) == 0) {
      continue;
    }
    const size_t size = facts.size;
    for (size_t i = 0; i < size; ++i) {
      Dispatch(turn, {step, i}, BranchEvent::kAbortDecided);
    }
  }
}

void Cancel(Turn& turn) {
  Draft& draft = turn.draft;
  if (const std::string_view doubt = turn.table.in_doubt(draft); !doubt.empty()) {
    draft.Reject(Refusal(doubt, draft.gid()));
    return;
  }
  const auto& request = std::get<AbortRequested>(turn.event);
  if (draft.held() && !request.by_parent) {
    // Its parent goes on with what it did.
    draft.Reject(Refusal("transaction.held", draft.gid()));
    return;
  }
  const Actor& actor = request.actor;
  const std::string by = actor.name.empty() ? "" : " by " + actor.name;
  const std::string why = actor.reason.empty() ? "" : ": " + actor.reason;
  DecideAbort(turn, {AbortCause::kCancelled, std::nullopt,
                     Failure{"transaction.cancelled", "cancelled" + by + why}, actor});
}

// It aborts already. The answer waits until that is durable.
void CancelAgain(Turn& turn) {
  turn.draft.Force();
}

void LetGoOfHeld(Turn& turn) {
  if (turn.draft.held()) {
    turn.draft.Record(CommitDecided{});
  }
}

void DeadlineDue(Turn& turn) {
  if (turn.draft.held()) {
    return;
  }
  // Once a call that decides may have happened, only its outcome tells whether there is a way back;
  // a refusal of it then aborts.
  if (!turn.table.in_doubt(turn.draft).empty()) {
    MissDeadline(turn);
    return;
  }
  DecideAbort(turn, {AbortCause::kDeadline, std::nullopt,
                     Failure{"transaction.deadline", "the transaction's deadline has passed"},
                     std::nullopt});
}

void MissDeadline(Turn& turn) {
  // What is held, or was, was done in time.
  if (!turn.draft.deadline_missed() && !turn.draft.held()) {
    turn.draft.Record(DeadlineMissed{});
  }
}

void StopForward(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  if (draft.RetractCall(ref)) {
    // Another branch failed in the very decision that was about to make this call.
    EndStopped(turn, ref, WhyStopped(draft, ref), MayStand(draft.branch(ref)));
  } else if (IsChildOperation(draft, ref, Role::kForward)) {
    draft.Emit(CancelChild{ChildOf(draft, ref, Role::kForward)});
  }
}

void StoppedUnknown(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    AskChildAgain(turn, ref);
    return;
  }
  EndStopped(turn, ref, FailureOf(turn.event), true);
}

void StoppedNotSent(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    AskChildAgain(turn, ref);
    return;
  }
  EndStopped(turn, ref, FailureOf(turn.event), MayStand(turn.draft.branch(ref)));
}

void StopChildAgain(Turn& turn, BranchRef ref) {
  StartAttempt(turn, ref);
  if (turn.draft.branch(ref).phase == BranchPhase::kForward) {
    turn.draft.Emit(CancelChild{ChildOf(turn.draft, ref, Role::kForward)});
  }
}

void StopBackoff(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    return;  // It may exist. When its timer is due it is asked for, and to stop.
  }
  const BranchFacts& branch = turn.draft.branch(ref);
  EndStopped(turn, ref, branch.failure.value_or(WhyStopped(turn.draft, ref)), MayStand(branch));
}

// The participant has the call and its key, so it can tell the undo which work to stop or reverse;
// waiting for an answer that may take days would only keep everybody else from being undone.
void StopPending(Turn& turn, BranchRef ref) {
  EndStopped(turn, ref, WhyStopped(turn.draft, ref), true);
}

// What was left to an operator is now decided: it is undone like what was given up.
// What somebody forced elsewhere stays for him to look at.
void StopStuck(Turn& turn, BranchRef ref) {
  const Failure failure = turn.draft.branch(ref).failure.value_or(WhyStopped(turn.draft, ref));
  if (turn.draft.plan_step(ref).asks_operator && !IsChildMixed(turn.draft, ref, failure)) {
    EndStopped(turn, ref, failure, true);
  }
}

// The process that made the call is gone, the call may not be: until its time is over it could
// still act, and its own undo must not overtake it. When it left is not known, for its
// participant's gate may have held it back; at the latest just before the process ended, and that
// was before now.
void StoppedInterrupted(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    return;
  }
  const Instant over = turn.draft.now() + CallTimeout(turn.draft, ref, Role::kForward);
  RetryLater(turn, ref, AttemptOutcome::kUnknown, WhyStopped(turn.draft, ref), over);
}

void StoppedOver(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    StopChildAgain(turn, ref);
    return;
  }
  const BranchFacts& branch = turn.draft.branch(ref);
  EndStopped(turn, ref, branch.failure.value_or(WhyStopped(turn.draft, ref)), MayStand(branch));
}

}  // namespace entente::engine
