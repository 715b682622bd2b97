#include <algorithm>
#include <cmath>
#include <utility>

#include "base/limits.h"
#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

void Choose(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  auto taken = EvaluateChoice(draft, ref);
  if (!taken.ok()) {
    EndByExpression(turn, ref, taken.status());
    return;
  }
  const BranchId id = draft.branch(ref).id;
  draft.Record(WaitStarted{id, std::nullopt, std::string()});
  draft.Record(OperationSucceeded{id, std::move(taken).value()});
}

void Refuse(Turn& turn, BranchRef ref) {
  auto failure = RenderRefusal(turn.draft, ref);
  if (!failure.ok()) {
    EndByExpression(turn, ref, failure.status());
    return;
  }
  EndForward(turn, ref, {std::move(failure).value(), false, AbortCause::kRefused, false});
}

// What was asked for was done, and must not stand: it is undone with its answer at hand, as it
// would be if a later step had been refused. No alternative is tried, for the effect of this one
// is still there.
void RefuseKept(Turn& turn, BranchRef ref, AbortCause cause, Failure failure) {
  Draft& draft = turn.draft;
  const bool active = draft.status() == TxnStatus::kActive && !IsLost(draft, ref);
  if (IsTolerant(draft, ref)) {
    EndForward(turn, ref, {std::move(failure), true, cause, false});
    return;
  }
  const bool committing = draft.status() == TxnStatus::kCommitting && !IsLost(draft, ref);
  if (committing || (active && IsNoWayBack(draft, ref))) {
    RaiseIncident(turn, ref, std::move(failure));
    return;
  }
  if (KeepDone(turn, ref, /*read_only=*/false) && active) {
    DecideAbort(turn, {draft.deadline_missed() ? AbortCause::kDeadline : cause,
                       draft.branch(ref).id, std::move(failure), std::nullopt});
  }
}

// As far as the longest pause between polls goes, or the first one if that is longer.
Duration PauseOf(const dsl::RepeatRule& rule, uint32_t rounds) {
  const double longest = static_cast<double>(std::max(rule.every, limits::kMaxPollPause).count());
  const double pause =
      static_cast<double>(rule.every.count()) * std::pow(rule.backoff, static_cast<double>(rounds));
  return Duration(std::llround(std::min(pause, longest)));
}

}  // namespace

void BeginDecision(Turn& turn, BranchRef ref) {
  const auto& work = std::get<dsl::DecideWork>(turn.draft.plan_step(ref).work);
  if (std::holds_alternative<dsl::Choice>(work)) {
    Choose(turn, ref);
  } else {
    Refuse(turn, ref);
  }
}

bool RefusedByAnswer(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::RefuseRule* rule = RefuseRuleOf(turn.draft, ref);
  if (rule == nullptr || RoleOf(branch.phase) != Role::kForward) {
    return false;
  }
  auto refused = EvaluateRefuseWhen(turn.draft, ref, DoneOf(turn.event).output);
  if (refused.ok() && !*refused) {
    return false;
  }
  if (IsStuck(branch.phase)) {
    return true;  // The incident stands; asked again, the participant says the same.
  }
  if (!refused.ok()) {
    // What the answer means is not known, but that there is one: something was done.
    RefuseKept(turn, ref, AbortCause::kExpression, FailureFrom(refused.status()));
  } else if (rule->effect_kept) {
    RefuseKept(turn, ref, AbortCause::kRefused, **std::move(refused));
  } else {
    // After an unknown attempt it may be the echo of a call that worked, as any refusal.
    const bool may = MayStand(branch) || IsOfEarlierCall(turn, ref);
    EndForward(turn, ref,
               {**std::move(refused), may, may ? AbortCause::kGaveUp : AbortCause::kRefused, true});
  }
  return true;
}

bool AskAgain(Turn& turn, BranchRef ref) {
  const Draft& draft = turn.draft;
  const BranchFacts& branch = draft.branch(ref);
  const dsl::RepeatRule* rule = RepeatRuleOf(draft, ref);
  if (rule == nullptr || RoleOf(branch.phase) != Role::kForward || !IsGoingOn(draft, ref)) {
    return false;
  }
  const auto over = EvaluateUntil(draft, ref, DoneOf(turn.event).output);
  if (over.ok() && *over) {
    return false;
  }
  if (branch.phase != BranchPhase::kForward && branch.phase != BranchPhase::kForwardPending) {
    return true;  // A late answer: it is asked again anyway, or an operator is.
  }
  if (!over.ok()) {
    EndForward(turn, ref, {FailureFrom(over.status()), true, AbortCause::kExpression, false});
    return true;
  }
  const Instant next = draft.now() + PauseOf(*rule, branch.rounds_used);
  if (branch.rounds_used + 1 < rule->times && !IsPast(branch.forward_deadline, next)) {
    RetryLater(turn, ref, AttemptOutcome::kNotYet,
               {"repeat.not_yet", "the answer is not yet what 'until' waits for"}, next);
    return true;
  }
  EndForward(turn, ref,
             {{"repeat.never", "after " + std::to_string(branch.rounds_used + 1) +
                                   " answers none was what 'until' waits for"},
              true,
              AbortCause::kGaveUp,
              true});
  return true;
}

}  // namespace entente::engine
