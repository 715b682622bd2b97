#include <utility>

#include "engine/saga/actions.h"

namespace entente::engine::saga {
namespace {

// An undo is never given up: after its budget it becomes an incident.
void FailUndo(Turn& turn, BranchRef ref, AttemptOutcome outcome) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::RetryPolicy& policy = turn.draft.plan_step(ref).settle_retry;
  Failure failure = FailureOf(turn.event);
  if (branch.budget_used >= policy.attempts || IsChildMixed(failure)) {
    if (outcome == AttemptOutcome::kRefused) {
      RaiseIncidentOfRefusal(turn, ref, std::move(failure));
    } else {
      RaiseIncident(turn, ref, std::move(failure));
    }
    return;
  }
  const Instant retry_at = RetryAt(turn, ref, policy);
  turn.draft.Record(AttemptFailed{branch.id, outcome, std::move(failure), retry_at});
  turn.draft.Arm(ref, retry_at);
}

void Settle(Turn& turn, BranchRef ref, Failure failure, bool may_have_happened) {
  EndForward(turn, ref, {std::move(failure), may_have_happened, AbortCause::kGaveUp, false});
}

const Failure kStopped{"transaction.aborting",
                       "the transaction was aborted before the participant had answered"};

}  // namespace

void StartUndo(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::UndoTemplate& undo = *std::get<dsl::CallWork>(turn.draft.plan_step(ref).work).undo;
  if (branch.phase == BranchPhase::kGaveUp &&
      undo.when_unknown == dsl::UndoTemplate::WhenUnknown::kIncident) {
    RaiseIncident(turn, ref,
                  {"undo.outcome_unknown",
                   "it is not known whether '" + branch.id.str() +
                       "' happened, and its compensation needs to know: find out, undo it by hand "
                       "if it did, then skip the branch"});
    return;
  }
  turn.draft.Record(OperationStarted{branch.id, Role::kUndo, branch.alternative, std::nullopt});
  EmitCall(turn, ref);
}

void UndoRefused(Turn& turn, BranchRef ref) {
  FailUndo(turn, ref, AttemptOutcome::kRefused);
}

void UndoUnknown(Turn& turn, BranchRef ref) {
  FailUndo(turn, ref, AttemptOutcome::kUnknown);
}

void UndoNotSent(Turn& turn, BranchRef ref) {
  FailUndo(turn, ref, AttemptOutcome::kNotSent);
}

void UndoPending(Turn& turn, BranchRef ref) {
  MakePending(turn, ref, std::nullopt);
}

void UndoRetryDue(Turn& turn, BranchRef ref) {
  StartAttempt(turn, ref);
}

void UndoPollDue(Turn& turn, BranchRef ref) {
  PollNow(turn, ref);
}

void UndoPollAgain(Turn& turn, BranchRef ref) {
  PollAgain(turn, ref);
}

void UndoInterrupted(Turn& turn, BranchRef ref) {
  if (!IsChildOperation(turn.draft, ref, Role::kUndo)) {
    CallAgain(turn, ref);
  }
}

void StopForward(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  if (draft.RetractCall(ref)) {
    // Another branch failed in the very decision that was about to make this call.
    Settle(turn, ref, kStopped, draft.branch(ref).may_have_happened);
  } else if (IsChildOperation(draft, ref, Role::kForward)) {
    draft.Emit(CancelChild{ChildOf(draft, ref, Role::kForward)});
  }
}

void SettleUnknown(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    AskChildAgain(turn, ref);
    return;
  }
  Settle(turn, ref, FailureOf(turn.event), true);
}

void SettleNotSent(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    AskChildAgain(turn, ref);
    return;
  }
  Settle(turn, ref, FailureOf(turn.event), turn.draft.branch(ref).may_have_happened);
}

void StopChildAgain(Turn& turn, BranchRef ref) {
  StartAttempt(turn, ref);
  if (turn.draft.branch(ref).phase == BranchPhase::kForward) {
    turn.draft.Emit(CancelChild{ChildOf(turn.draft, ref, Role::kForward)});
  }
}

void SettleBackoff(Turn& turn, BranchRef ref) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    return;  // It may exist. When its timer is due it is asked for, and to stop.
  }
  const BranchFacts& branch = turn.draft.branch(ref);
  Settle(turn, ref, branch.failure.value_or(kStopped), branch.may_have_happened);
}

// The participant has the call and its key, so it can tell the undo which work to stop or reverse;
// waiting for an answer that may take days would only keep everybody else from being undone.
void SettlePending(Turn& turn, BranchRef ref) {
  Settle(turn, ref, kStopped, true);
}

void SettleInterrupted(Turn& turn, BranchRef ref) {
  if (!IsChildOperation(turn.draft, ref, Role::kForward)) {
    Settle(turn, ref, kStopped, true);
  }
}

}  // namespace entente::engine::saga
