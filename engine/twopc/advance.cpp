#include "engine/twopc/advance.h"

#include "engine/actions/actions.h"

namespace entente::engine::twopc {
namespace {

using P = BranchPhase;

// Nobody but this branch has anything to commit, or ever will: its participant may decide.
bool IsAlone(const Draft& draft, BranchRef ref) {
  if (draft.step(ref.step).size != 1) {
    return false;
  }
  const dsl::Plan& plan = draft.plan();
  for (size_t other = 0; other < plan.steps.size(); ++other) {
    const StepFacts& step = draft.step(other);
    const bool waits = std::holds_alternative<dsl::WaitWork>(plan.steps[other].work);
    const bool nothing_to_commit =
        step.skipped || (step.expanded && (waits ? step.phases.of(P::kDone)
                                                 : step.phases.of(P::kReadOnly)) == step.size);
    if (other != ref.step && !nothing_to_commit) {
      return false;
    }
  }
  return true;
}

void Begin(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  if (!draft.plan_step(ref).one_phase || !IsAlone(draft, ref)) {
    StartForward(turn, ref, 0);
    return;
  }
  draft.Record(OperationStarted{draft.branch(ref).id, Role::kFinish, 0, std::nullopt,
                                /*one_phase=*/true});
  EmitCall(turn, ref);
}

constexpr DriveRules kRules{&Begin, nullptr};

// The client has done its work; now its participants are asked whether it may be made final.
bool PrepareEnlisted(Turn& turn) {
  const Draft& draft = turn.draft;
  bool all_voted = true;
  for (size_t step = 0; step < draft.plan().steps.size() && IsDriving(turn); ++step) {
    if (draft.step(step).phases.of(P::kEnlisted) > 0) {
      Begin(turn, {step, 0});
    }
    all_voted = all_voted && IsDone(draft.step(step));
  }
  return all_voted && IsDriving(turn);
}

// The participant decided. Whatever else is due, a cancel must not come in between.
bool IsCommittedInOnePhase(const Draft& draft) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    if (draft.step(step).phases.of(P::kFinished) > 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

void Advance(Turn& turn) {
  if (IsDriving(turn) && IsCommittedInOnePhase(turn.draft)) {
    turn.draft.Record(CommitDecided{});
  }
  bool voted = DriveSteps(turn, kRules);
  if (voted && turn.draft.plan().client_driven) {
    voted = PrepareEnlisted(turn);
  }
  if (voted && !turn.draft.paused()) {
    turn.draft.Record(CommitDecided{});
  }
  if (turn.draft.status() == TxnStatus::kCommitting) {
    FinishAll(turn);
  } else if (turn.draft.status() == TxnStatus::kAborting) {
    UndoAll(turn);
  }
}

void VotedYes(Turn& turn, BranchRef ref) {
  if (TakeDone(turn, ref, DoneOf(turn.event).read_only)) {
    RequireFinish(turn, ref);
  }
}

std::string_view OnePhaseInDoubt(const Draft& draft) {
  static constexpr std::string_view kInDoubt = "transaction.commit_in_doubt";
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const PhaseCounts& phases = draft.step(step).phases;
    if (phases.of(P::kFinish, P::kFinishPending, P::kFinishStuck) > 0) {
      return kInDoubt;
    }
    // A step that is committed in one phase has one branch.
    if (phases.of(P::kFinishBackoff) > 0 && draft.branch({step, 0}).may_have_happened) {
      return kInDoubt;
    }
  }
  return {};
}

void OnePhaseRefused(Turn& turn, BranchRef ref) {
  if (turn.draft.branch(ref).may_have_happened) {
    // It may be the echo of an earlier attempt that did commit: no reason to believe it.
    SettleRefused(turn, ref);
    return;
  }
  EndForward(turn, ref, {FailureOf(turn.event), false, AbortCause::kRefused, false});
}

void OnePhaseNotSent(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const uint32_t attempts = RetryOf(turn.draft, ref).attempts;
  const bool may_go_on = HeldBackBy(turn.event) != nullptr || IsTurnedAway(turn.event) ||
                         branch.budget_used < attempts;
  if (branch.may_have_happened || (may_go_on && !turn.draft.deadline_missed())) {
    SettleNotSent(turn, ref);
    return;
  }
  EndForward(turn, ref, {FailureOf(turn.event), MayStand(branch), AbortCause::kGaveUp, false});
}

void OnePhaseDiffers(Turn& turn, BranchRef ref) {
  const auto& reply = std::get<ReplyHeuristic>(std::get<BranchReplied>(turn.event).reply);
  if (reply.outcome != HeuristicOutcome::kRolledBack) {
    HeuristicDiffers(turn, ref);
    return;
  }
  // Its own word, whatever became of earlier attempts; and the decision was its own.
  turn.draft.Record(
      HeuristicReported{turn.draft.branch(ref).id, reply.outcome, FailureOf(turn.event)});
  EndForward(turn, ref, {FailureOf(turn.event), false, AbortCause::kRefused, false});
}

}  // namespace entente::engine::twopc
