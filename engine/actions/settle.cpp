#include <utility>

#include "base/limits.h"
#include "engine/actions/actions.h"
#include "engine/family/family.h"

namespace entente::engine {
namespace {

// Never given up: after its budget it becomes an incident.
void FailSettling(Turn& turn, BranchRef ref, AttemptOutcome outcome) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::RetryPolicy& policy = RetryOf(turn.draft, ref);
  Failure failure = FailureOf(turn.event);
  if (WaitAtGate(turn, ref)) {
    return;
  }
  if (branch.budget_used >= policy.attempts || IsChildMixed(turn.draft, ref, failure) ||
      IsChildLost(turn.draft, ref, failure)) {
    if (outcome == AttemptOutcome::kRefused) {
      RaiseIncidentOfRefusal(turn, ref, std::move(failure));
    } else {
      RaiseIncident(turn, ref, std::move(failure));
    }
    return;
  }
  RetryLater(turn, ref, outcome, std::move(failure), RetryAt(turn, ref, policy));
}

const Failure kNeverCompleted{"operation.never_completed",
                              "the participant accepted the call and has not completed it since: "
                              "find out what became of it, then retry or skip the branch"};

void ReportHeuristic(Turn& turn, BranchRef ref) {
  const auto& reply = std::get<ReplyHeuristic>(std::get<BranchReplied>(turn.event).reply);
  turn.draft.Record(
      HeuristicReported{turn.draft.branch(ref).id, reply.outcome, FailureOf(turn.event)});
}

}  // namespace

void StartUndo(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::UndoTemplate& undo = *WayOf(turn.draft.plan_step(ref), branch)->undo;
  if (branch.phase == BranchPhase::kGaveUp &&
      undo.when_unknown == dsl::UndoTemplate::WhenUnknown::kIncident) {
    RaiseIncident(turn, ref,
                  {"undo.outcome_unknown",
                   "it is not known whether '" + branch.id.str() +
                       "' happened, and its compensation needs to know: find out, undo it by hand "
                       "if it did, then skip the branch"});
    return;
  }
  if (branch.by_operator && HoldsChild(turn.draft.plan_step(ref), branch)) {
    // A child that was aborted has nothing to undo, and would say so of work that stands.
    RaiseIncident(turn, ref, DoneByOperator(branch.id));
    return;
  }
  turn.draft.Record(
      OperationStarted{branch.id, Role::kUndo, branch.alternative, std::nullopt, false});
  EmitCall(turn, ref);
}

void StartFinish(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  turn.draft.Record(
      OperationStarted{branch.id, Role::kFinish, branch.alternative, std::nullopt, false});
  EmitCall(turn, ref);
}

void SettleRefused(Turn& turn, BranchRef ref) {
  FailSettling(turn, ref, AttemptOutcome::kRefused);
}

void SettleUnknown(Turn& turn, BranchRef ref) {
  FailSettling(turn, ref, AttemptOutcome::kUnknown);
}

void SettleNotSent(Turn& turn, BranchRef ref) {
  FailSettling(turn, ref, AttemptOutcome::kNotSent);
}

void SettlePending(Turn& turn, BranchRef ref) {
  MakePending(turn, ref, turn.draft.now() + limits::kMaxSettlePending);
}

void SettleRetryDue(Turn& turn, BranchRef ref) {
  StartAttempt(turn, ref);
}

void SettlePollDue(Turn& turn, BranchRef ref) {
  if (IsPast(turn.draft.branch(ref).deadline, turn.draft.now())) {
    RaiseIncident(turn, ref, kNeverCompleted);
  } else {
    PollNow(turn, ref);
  }
}

void SettlePollAgain(Turn& turn, BranchRef ref) {
  if (IsPast(turn.draft.branch(ref).deadline, turn.draft.now())) {
    RaiseIncident(turn, ref, kNeverCompleted);
  } else {
    PollAgain(turn, ref);
  }
}

void SettleInterrupted(Turn& turn, BranchRef ref) {
  if (!IsChildOperation(turn.draft, ref, Role::kUndo)) {
    CallAgain(turn, ref);
  }
}

void HeuristicAgrees(Turn& turn, BranchRef ref) {
  ReportHeuristic(turn, ref);
  Succeed(turn, ref);
}

void HeuristicDiffers(Turn& turn, BranchRef ref) {
  ReportHeuristic(turn, ref);
  RaiseIncident(turn, ref, FailureOf(turn.event));
}

}  // namespace entente::engine
