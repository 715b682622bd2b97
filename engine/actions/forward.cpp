#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "engine/actions/actions.h"
#include "engine/family/family.h"

namespace entente::engine {
namespace {

// How long the calls of one way to do a step may be repeated, if that is bounded.
std::optional<Duration> TimeOf(const dsl::Step& step, uint32_t way) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  const auto* forward = work == nullptr ? nullptr : &work->way(way).forward;
  const auto* call =
      forward == nullptr || !*forward ? nullptr : std::get_if<dsl::CallTemplate>(&**forward);
  return call != nullptr && call->repeat ? call->repeat->within : std::nullopt;
}

// Until when the step as a whole has time, which bounds its alternatives too. How long the calls of
// the way before could be repeated was its own affair.
Result<std::optional<Instant>> StepDeadline(const Draft& draft, BranchRef ref,
                                            uint32_t alternative) {
  const BranchFacts& branch = draft.branch(ref);
  const bool of_way = branch.forward_deadline && TimeOf(draft.plan_step(ref), branch.alternative);
  if (alternative > 0 && !of_way) {
    return branch.forward_deadline;
  }
  ENTENTE_ASSIGN_OR_RETURN(const auto time, EvaluateStepDeadline(draft, ref));
  if (alternative == 0) {
    return time ? std::optional(draft.now() + *time) : branch.forward_deadline;
  }
  return time && branch.started_at ? std::optional(*branch.started_at + *time) : std::nullopt;
}

// What a participant asks for is honoured, but not without a bound.
std::optional<Duration> WishOf(const Event& event) {
  const auto* replied = std::get_if<BranchReplied>(&event);
  if (replied == nullptr) {
    return std::nullopt;
  }
  std::optional<Duration> wish;
  if (const auto* unknown = std::get_if<ReplyUnknown>(&replied->reply)) {
    wish = unknown->retry_after;
  } else if (const auto* refused = std::get_if<ReplyRefused>(&replied->reply)) {
    wish = refused->retry_after;
  } else if (const auto* not_sent = std::get_if<ReplyNotSent>(&replied->reply)) {
    wish = not_sent->retry_after;
  } else if (const auto* pending = std::get_if<ReplyPending>(&replied->reply)) {
    wish = pending->poll_after;
  }
  if (!wish) {
    return std::nullopt;
  }
  return std::clamp(*wish, Duration::zero(), limits::kMaxRetryAfter);
}

const ReplyNotSent* NotMadeBy(const Event& event) {
  const auto* replied = std::get_if<BranchReplied>(&event);
  const auto* not_sent = replied == nullptr ? nullptr : std::get_if<ReplyNotSent>(&replied->reply);
  return not_sent != nullptr && not_sent->blocked ? not_sent : nullptr;
}

// The alternative that follows what ended so: one that is there for the refusal, or of what may
// have happened one that comes once it is undone.
std::optional<size_t> NextWay(const Draft& draft, BranchRef ref, const ForwardEnd& end) {
  const auto* work = std::get_if<dsl::CallWork>(&draft.plan_step(ref).work);
  if (work == nullptr || work->alternatives.empty()) {
    return std::nullopt;
  }
  if (end.may_have_happened && draft.status() != TxnStatus::kActive) {
    return std::nullopt;  // Nothing is undone any more for another to follow.
  }
  const uint32_t number = draft.branch(ref).alternative;
  return end.may_have_happened ? work->NextOnceUndone(number)
                               : work->NextAfter(number, end.failure.code, end.given_up);
}

// Whether the step, and the transaction, have time for another way.
bool HasTimeForAnother(const Draft& draft, BranchRef ref) {
  const auto until = StepDeadline(draft, ref, draft.branch(ref).alternative + 1);
  // A deadline that can not be computed is what the other call ends with.
  return !(until.ok() && IsPast(*until, draft.now())) &&
         !(draft.status() == TxnStatus::kActive && draft.deadline_missed());
}

// The call was refused for a while: it had no effect, and is to be made again.
bool IsRefusedForNow(const Event& event) {
  const auto* replied = std::get_if<BranchReplied>(&event);
  const auto* refused = replied == nullptr ? nullptr : std::get_if<ReplyRefused>(&replied->reply);
  return refused != nullptr && refused->again;
}

// A participant that can not tell who calls has not looked at what it was asked for: that is no
// refusal, which would abort everything that is under way for a key that was not handed on. The
// call waits, with the reason to be seen, for the participant to be mended, its step's deadline or
// an operator. Past the point of no return its budget counts, and ends in an incident.
bool WaitUntilTrusted(Turn& turn, BranchRef ref) {
  if (!IsTurnedAway(turn.event) || turn.draft.status() != TxnStatus::kActive) {
    return false;
  }
  const Instant retry_at = turn.draft.now() + WishOf(turn.event).value_or(Duration::zero());
  if (IsPast(turn.draft.branch(ref).forward_deadline, retry_at)) {
    return false;
  }
  RetryLater(turn, ref, AttemptOutcome::kHeldBack, FailureOf(turn.event), retry_at);
  return true;
}

// Why a step ends whose time is over while it waits for its next attempt: not what the latest one
// ended with, which alone would have been no reason to give it up.
Failure PastDeadline(const Failure& latest) {
  Failure failure{"step.deadline", "the step's deadline passed before another attempt"};
  if (!latest.code.empty()) {
    failure.message += ToUtf8("; the latest: " + latest.code + ": " + latest.message,
                              limits::kMaxErrorTextBytes - failure.message.size());
  }
  return failure;
}

// An attempt ended without a definite answer: another one, or the end.
void FailAttempt(Turn& turn, BranchRef ref, AttemptOutcome outcome) {
  if (IsChildOperation(turn.draft, ref, Role::kForward)) {
    AskChildAgain(turn, ref);
    return;
  }
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::RetryPolicy& policy = RetryOf(turn.draft, ref);
  Failure failure = FailureOf(turn.event);
  const bool too_late = turn.draft.status() == TxnStatus::kActive && turn.draft.deadline_missed() &&
                        outcome == AttemptOutcome::kNotSent && !MayStand(branch);
  if (!too_late && !IsPast(branch.forward_deadline, turn.draft.now()) &&
      (WaitAtGate(turn, ref) || WaitUntilTrusted(turn, ref))) {
    return;
  }
  if (!too_late && branch.budget_used < policy.attempts) {
    const Instant retry_at = RetryAt(turn, ref, policy);
    if (!IsPast(branch.forward_deadline, retry_at)) {
      RetryLater(turn, ref, outcome, std::move(failure), retry_at);
      return;
    }
  }
  if (HeldBackBy(turn.event) != nullptr && IsPast(branch.forward_deadline, turn.draft.now())) {
    failure = PastDeadline(failure);
  }
  // Even if this very attempt was not sent, an earlier one may have been.
  const bool may = MayStand(branch) || outcome == AttemptOutcome::kUnknown;
  EndForward(
      turn, ref,
      {std::move(failure), may, may ? AbortCause::kGaveUp : AbortCause::kRefused, true, true});
}

// Past the point of no return what happened is kept although its answer is not: that the rest goes
// on matters more. Before it, the branch is undone like one whose answer was lost, since an undo
// may want to read what can not be kept.
bool CanStillBeUndone(const Draft& draft, BranchRef ref) {
  const BranchPhase phase = draft.branch(ref).phase;
  const bool called = phase == BranchPhase::kForward || phase == BranchPhase::kForwardBackoff ||
                      phase == BranchPhase::kForwardPending;
  if (IsLost(draft, ref)) {
    return called;
  }
  return called && draft.status() != TxnStatus::kCommitting && !IsNoWayBack(draft, ref) &&
         !IsAfterwards(draft, ref);
}

// The least pause after so many polls that brought nothing. Each is a record, so they must not come
// as fast as a participant may wish for as long as its work may take. What is done is found out at
// most a quarter later than it took, and for work of an hour and more by little more than the 256th
// part, as limits.h says.
Duration LeastPollPause(uint32_t polls) {
  Duration pause = limits::kMinPollInterval;
  for (uint32_t i = 0; i < polls && pause < limits::kMaxPollPause; ++i) {
    pause += pause < limits::kLongPollPause ? pause / 4 : pause / 256;
  }
  return std::min(pause, limits::kMaxPollPause);
}

Duration PollDelay(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const auto wish = WishOf(turn.event);
  const Duration delay = wish ? *wish
                              : dsl::RetryDelay(turn.draft.plan_step(ref).retry, branch.polls + 2,
                                                turn.draft.NextEntropy());
  return std::max(delay, LeastPollPause(branch.polls));
}

Instant NextPoll(Turn& turn, BranchRef ref, const std::optional<Instant>& deadline) {
  const Instant next = turn.draft.now() + PollDelay(turn, ref);
  return deadline ? std::min(next, *deadline) : next;
}

}  // namespace

bool IsPast(const std::optional<Instant>& deadline, Instant now) {
  return deadline && now >= *deadline;
}

bool IsNoWayBack(const Draft& draft, BranchRef ref) {
  return draft.plan_step(ref).pivot && !HasUndo(draft.plan_step(ref), draft.branch(ref));
}

bool IsOfEarlierCall(const Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const bool under_way =
      branch.phase == BranchPhase::kForward || branch.phase == BranchPhase::kForwardPending;
  const auto* received = std::get_if<CompletionReceived>(&turn.event);
  return received != nullptr && under_way && received->run < branch.refusals + branch.rounds;
}

bool MayStand(const BranchFacts& branch) {
  return branch.may_have_happened || branch.enlisted;
}

Failure TooLarge(size_t bytes) {
  return {"transaction.too_large", "another " + std::to_string(bytes) +
                                       " bytes would take the payloads that the transaction "
                                       "holds past the limit of " +
                                       std::to_string(limits::kMaxTransactionBytes) +
                                       " bytes: answer with less, or split the transaction"};
}

const ReplyDone& DoneOf(const Event& event) {
  static const ReplyDone kNothing;
  const ReplyDone* done = nullptr;
  if (const auto* replied = std::get_if<BranchReplied>(&event)) {
    done = std::get_if<ReplyDone>(&replied->reply);
  } else if (const auto* received = std::get_if<CompletionReceived>(&event)) {
    done = std::get_if<ReplyDone>(&received->outcome);
  }
  return done != nullptr ? *done : kNothing;
}

bool IsChildMixed(const Draft& draft, BranchRef ref, const Failure& failure) {
  return SaysMixed(failure) && IsChildOperation(draft, ref, RoleOf(draft.branch(ref).phase));
}

bool IsChildLost(const Draft& draft, BranchRef ref, const Failure& failure) {
  return SaysNotUndoable(failure) && IsChildOperation(draft, ref, RoleOf(draft.branch(ref).phase));
}

Failure FailureOf(const Event& event) {
  struct Finder {
    Failure operator()(const ReplyDone&) const { return {}; }
    Failure operator()(const ReplyRefused& reply) const { return reply.failure; }
    Failure operator()(const ReplyUnknown& reply) const { return reply.failure; }
    Failure operator()(const ReplyNotSent& reply) const { return reply.failure; }
    Failure operator()(const ReplyPending&) const { return {}; }
    Failure operator()(const ReplyHeuristic& reply) const { return reply.failure; }
  };
  Failure failure;
  if (const auto* replied = std::get_if<BranchReplied>(&event)) {
    failure = std::visit(Finder{}, replied->reply);
  } else if (const auto* received = std::get_if<CompletionReceived>(&event)) {
    failure = std::visit(Finder{}, received->outcome);
  }
  if (failure.message.size() > limits::kMaxErrorTextBytes) {
    failure.message = ToUtf8(failure.message, limits::kMaxErrorTextBytes);
  }
  return failure;
}

Instant RetryAt(Turn& turn, BranchRef ref, const dsl::RetryPolicy& policy) {
  const uint32_t next = turn.draft.branch(ref).budget_used + 1;
  const Duration delay = dsl::RetryDelay(policy, next, turn.draft.NextEntropy());
  return turn.draft.now() + std::max(delay, WishOf(turn.event).value_or(Duration::zero()));
}

void RaiseIncident(Turn& turn, BranchRef ref, Failure failure) {
  turn.draft.Record(IncidentRaised{turn.draft.branch(ref).id, std::move(failure)});
}

void RaiseIncidentOfRefusal(Turn& turn, BranchRef ref, Failure failure) {
  const BranchFacts& branch = turn.draft.branch(ref);
  if (IsCalling(branch.phase) && IsChildOperation(turn.draft, ref, RoleOf(branch.phase))) {
    turn.draft.Record(
        AttemptFailed{branch.id, AttemptOutcome::kRefused, failure, turn.draft.now()});
  }
  RaiseIncident(turn, ref, std::move(failure));
}

void RetryLater(Turn& turn, BranchRef ref, AttemptOutcome outcome, Failure failure,
                Instant retry_at) {
  turn.draft.Record(
      AttemptFailed{turn.draft.branch(ref).id, outcome, std::move(failure), retry_at});
  turn.draft.Arm(ref, retry_at);
}

void AskChildAgain(Turn& turn, BranchRef ref) {
  // Not counted as unknown, and never given up: the child is found or made under the same name.
  const Instant retry_at = RetryAt(turn, ref, RetryOf(turn.draft, ref));
  RetryLater(turn, ref, AttemptOutcome::kNotSent, FailureOf(turn.event), retry_at);
}

bool IsAfterwards(const Draft& draft, BranchRef ref) {
  return draft.plan_step(ref).stage != dsl::Stage::kMain;
}

bool IsLost(const Draft& draft, BranchRef ref) {
  return draft.step(ref.step).lost();
}

bool IsGoingOn(const Draft& draft, BranchRef ref) {
  if (IsLost(draft, ref)) {
    return false;
  }
  const TxnStatus status = draft.status();
  return status == TxnStatus::kActive || status == TxnStatus::kCommitting ||
         IsAfterwards(draft, ref);
}

bool IsTolerant(const Draft& draft, BranchRef ref) {
  const dsl::Step& plan = draft.plan_step(ref);
  if (!plan.optional || !IsGoingOn(draft, ref)) {
    return false;
  }
  if (plan.race) {
    return CanAnotherWin(draft, ref.step);
  }
  // Where so many must succeed, one more may fail only if enough others are left.
  const size_t needed = plan.for_each ? plan.for_each->at_least.value_or(0) : 0;
  const StepFacts& step = draft.step(ref.step);
  return needed == 0 || step.size - std::min<size_t>(step.size, step.tolerated) > needed;
}

void EndForward(Turn& turn, BranchRef ref, ForwardEnd end) {
  Draft& draft = turn.draft;
  const BranchId id = draft.branch(ref).id;
  const bool active = draft.status() == TxnStatus::kActive && !IsLost(draft, ref);
  const bool driving = IsGoingOn(draft, ref);
  const bool tolerant = IsTolerant(draft, ref);
  const bool another =
      end.alternatives && driving && NextWay(draft, ref, end) && HasTimeForAnother(draft, ref);
  // Advance begins it, now or when the transaction is resumed; of what may have happened it first
  // begins the undo. Were both ways to be called, both could have worked.
  if (another && end.may_have_happened) {
    draft.Record(OperationGaveUp{id, std::move(end.failure)});
    return;
  }
  if (another) {
    draft.Record(OperationRefused{id, std::move(end.failure), false, end.given_up});
    return;
  }
  const bool no_way_back = IsNoWayBack(draft, ref) && end.may_have_happened;
  if (tolerant && end.may_have_happened) {
    draft.Record(OperationGaveUp{id, std::move(end.failure), true});
    return;
  }
  if (tolerant) {
    draft.Record(OperationRefused{id, std::move(end.failure), true});
    return;
  }
  // Somebody may know better than to undo everything, unless it is too late for that.
  const bool asks = draft.plan_step(ref).asks_operator && !draft.deadline_missed();
  if ((driving && !active) || (active && (no_way_back || asks))) {
    if (end.cause == AbortCause::kRefused) {
      RaiseIncidentOfRefusal(turn, ref, std::move(end.failure));
    } else {
      RaiseIncident(turn, ref, std::move(end.failure));
    }
    return;
  }
  if (end.may_have_happened) {
    draft.Record(OperationGaveUp{id, end.failure});
  } else {
    draft.Record(OperationRefused{id, end.failure});
  }
  if (active) {
    const AbortCause cause = draft.deadline_missed() ? AbortCause::kDeadline : end.cause;
    DecideAbort(turn, {cause, id, std::move(end.failure), std::nullopt});
  }
}

void EndByExpression(Turn& turn, BranchRef ref, const Status& status) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const bool in_doubt = branch.one_phase && branch.may_have_happened;
  if ((RoleOf(branch.phase) != Role::kForward && !branch.one_phase) || in_doubt) {
    RaiseIncident(turn, ref, FailureFrom(status));
    return;
  }
  EndForward(turn, ref, {FailureFrom(status), MayStand(branch), AbortCause::kExpression, false});
}

void EmitCall(Turn& turn, BranchRef ref) {
  auto effect = RenderCall(turn.draft, ref);
  if (!effect.ok()) {
    EndByExpression(turn, ref, effect.status());
    return;
  }
  turn.draft.Emit(std::move(effect).value());
}

void StartForward(Turn& turn, BranchRef ref, uint32_t alternative) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const dsl::Step& step = turn.draft.plan_step(ref);
  const auto of_step = StepDeadline(turn.draft, ref, alternative);
  std::optional<Instant> deadline = of_step.ok() ? *of_step : std::nullopt;
  if (const auto within = TimeOf(step, alternative)) {
    const Instant last = turn.draft.now() + *within;
    deadline = deadline ? std::min(*deadline, last) : last;
  }
  turn.draft.Record(OperationStarted{branch.id, Role::kForward, alternative, deadline, false});
  if (!of_step.ok()) {
    EndByExpression(turn, ref, of_step.status());
    return;
  }
  EmitCall(turn, ref);
}

void StartAlternative(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  const BranchFacts& branch = draft.branch(ref);
  const Failure failure = branch.failure.value_or(Failure{});
  const bool may = branch.phase != BranchPhase::kRefused;
  if (IsContrary(branch)) {
    // What an operator took for undone may stand, and another way would come beside it.
    DecideAbort(turn, {AbortCause::kGaveUp, branch.id, failure, std::nullopt});
    return;
  }
  if (HasTimeForAnother(draft, ref)) {
    const auto next = NextWay(
        draft, ref, {.failure = failure, .may_have_happened = may, .given_up = branch.given_up});
    ENTENTE_CHECK(next.has_value());  // Else its refusal would have been its end.
    StartForward(turn, ref, static_cast<uint32_t>(*next));
    return;
  }
  // It ended in time, but the undo took, or the transaction was paused, until it was too late for
  // another.
  const bool deadline_missed = draft.status() == TxnStatus::kActive && draft.deadline_missed();
  if (IsTolerant(draft, ref) && branch.phase == BranchPhase::kGaveUp) {
    draft.Record(OperationGaveUp{branch.id, failure, true});
  } else if (IsTolerant(draft, ref)) {
    draft.Record(OperationRefused{branch.id, failure, true});
  } else if (draft.status() == TxnStatus::kActive &&
             (deadline_missed || may || !draft.plan_step(ref).asks_operator)) {
    // Nobody is asked about what is undone: it can not be called again under its key.
    const AbortCause cause = may ? AbortCause::kGaveUp : AbortCause::kRefused;
    DecideAbort(
        turn, {deadline_missed ? AbortCause::kDeadline : cause, branch.id, failure, std::nullopt});
  } else {
    RaiseIncident(turn, ref, failure);
  }
}

void GoOnAfterFailure(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const bool undo =
      branch.phase == BranchPhase::kGaveUp && HasUndo(turn.draft.plan_step(ref), branch);
  undo ? StartUndo(turn, ref) : StartAlternative(turn, ref);
}

const ReplyNotSent* HeldBackBy(const Event& event) {
  const ReplyNotSent* not_made = NotMadeBy(event);
  return not_made != nullptr && !not_made->retry_after ? not_made : nullptr;
}

bool IsTurnedAway(const Event& event) {
  const ReplyNotSent* not_made = NotMadeBy(event);
  return not_made != nullptr && not_made->retry_after;
}

bool WaitAtGate(Turn& turn, BranchRef ref) {
  const ReplyNotSent* not_sent = HeldBackBy(turn.event);
  if (not_sent == nullptr) {
    return false;
  }
  if (turn.draft.paused() || not_sent->stopping) {
    // Nothing goes out, and nothing is given up either: the call is due when the transaction is
    // resumed, or when the coordinator is back.
    RetryLater(turn, ref, AttemptOutcome::kHeldBack, FailureOf(turn.event), turn.draft.now());
    return true;
  }
  EmitCall(turn, ref);
  return true;
}

void StartAttempt(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  // So far nothing can have happened. Should the next call go out and this record be lost, the
  // journal would go on saying so, and a refusal caused by that very call would pass for one
  // without effect.
  const bool decides = RoleOf(branch.phase) == Role::kForward || branch.one_phase;
  if (decides && !branch.may_have_happened) {
    turn.draft.Force();
  }
  turn.draft.Record(AttemptStarted{branch.id});
  EmitCall(turn, ref);
}

void CallAgain(Turn& turn, BranchRef ref) {
  const BranchId id = turn.draft.branch(ref).id;
  if (turn.draft.paused()) {
    turn.draft.Record(AttemptFailed{
        id, AttemptOutcome::kUnknown,
        Failure{"coordinator.restarted", "the coordinator stopped while the call was under way"},
        turn.draft.now()});
    return;
  }
  turn.draft.Record(CallInterrupted{id});
  EmitCall(turn, ref);
}

void MakePending(Turn& turn, BranchRef ref, std::optional<Instant> deadline) {
  const auto& pending = std::get<ReplyPending>(std::get<BranchReplied>(turn.event).reply);
  std::optional<Instant> wake_at = deadline;
  if (!pending.poll_url.empty()) {
    wake_at = NextPoll(turn, ref, deadline);
  }
  turn.draft.Record(
      OperationPending{turn.draft.branch(ref).id, pending.poll_url, wake_at, deadline});
  if (wake_at) {
    turn.draft.Arm(ref, *wake_at);
  }
}

void PollAgain(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  if (branch.poll_url.empty()) {
    return;
  }
  const Instant wake_at = NextPoll(turn, ref, branch.deadline);
  Failure failure = FailureOf(turn.event);
  PollScheduled scheduled{branch.id, wake_at};
  // Said once, not with each poll.
  if (!failure.code.empty() && branch.failure != failure) {
    scheduled.failure = std::move(failure);
  }
  turn.draft.Record(std::move(scheduled));
  turn.draft.Arm(ref, wake_at);
}

void PollNow(Turn& turn, BranchRef ref) {
  if (!turn.draft.branch(ref).poll_url.empty()) {
    turn.draft.Emit(MakePoll(turn.draft, ref));
  }
}

void Succeed(Turn& turn, BranchRef ref) {
  static_cast<void>(TakeDone(turn, ref, /*read_only=*/false));
}

bool TakeDone(Turn& turn, BranchRef ref, bool read_only) {
  return !RefusedByAnswer(turn, ref) && !AskAgain(turn, ref) && KeepDone(turn, ref, read_only);
}

bool KeepDone(Turn& turn, BranchRef ref, bool read_only) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const bool has_output = RoleOf(branch.phase) == Role::kForward || branch.one_phase;
  OperationSucceeded succeeded{branch.id, {}, read_only};
  const JsonText& output = DoneOf(turn.event).output;
  const JsonText& answer = DoneOf(turn.event).answer;
  if (has_output && turn.draft.HasRoomFor(output.bytes() + answer.bytes())) {
    succeeded.output = output;
    succeeded.answer = answer;
  } else if (has_output && CanStillBeUndone(turn.draft, ref)) {
    EndForward(turn, ref, {TooLarge(output.bytes()), true, AbortCause::kGaveUp, false});
    return false;
  }
  turn.draft.Record(std::move(succeeded));
  return true;
}

void ForwardRefused(Turn& turn, BranchRef ref) {
  Failure failure = FailureOf(turn.event);
  if (IsRefusedForNow(turn.event) && IsGoingOn(turn.draft, ref)) {
    FailAttempt(turn, ref, AttemptOutcome::kRefused);
    return;
  }
  const bool mixed = IsChildMixed(turn.draft, ref, failure);
  if (mixed && !turn.draft.plan_step(ref).race && IsTolerant(turn.draft, ref)) {
    // Some of it may stand. What races is undone once it has lost, and nobody could undo this.
    EndForward(turn, ref, {std::move(failure), true, AbortCause::kGaveUp, false});
    return;
  }
  if (mixed) {
    RaiseIncidentOfRefusal(turn, ref, std::move(failure));
    return;
  }
  // After an unknown attempt a refusal may be the echo of a call that worked; a child transaction's
  // is its end, and the next attempt another child. And a completion may be the word of an earlier
  // attempt, which was refused for a while and yet accepted where a copy of it came: it says
  // nothing of the call that is under way.
  const bool may = (turn.draft.branch(ref).may_have_happened || IsOfEarlierCall(turn, ref)) &&
                   !IsChildOperation(turn.draft, ref, Role::kForward);
  EndForward(turn, ref,
             {std::move(failure), may, may ? AbortCause::kGaveUp : AbortCause::kRefused, true});
}

void ForwardUnknown(Turn& turn, BranchRef ref) {
  FailAttempt(turn, ref, AttemptOutcome::kUnknown);
}

void ForwardNotSent(Turn& turn, BranchRef ref) {
  FailAttempt(turn, ref, AttemptOutcome::kNotSent);
}

void ForwardPending(Turn& turn, BranchRef ref) {
  std::optional<Instant> deadline = turn.draft.branch(ref).forward_deadline;
  if (!deadline &&
      (turn.draft.status() == TxnStatus::kCommitting || IsAfterwards(turn.draft, ref))) {
    // Nothing else would ever end the wait: there is no way back that a deadline could take.
    deadline = turn.draft.now() + limits::kMaxSettlePending;
  }
  MakePending(turn, ref, deadline);
}

void ForwardPendingRefused(Turn& turn, BranchRef ref) {
  // The participant had accepted the call. That it now refuses to tell how it stands (the address
  // is gone, the right to ask has expired) proves nothing about the effect.
  EndForward(turn, ref, {FailureOf(turn.event), true, AbortCause::kGaveUp, true});
}

void ForwardRetryDue(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  if (!IsPast(branch.forward_deadline, turn.draft.now()) ||
      IsChildOperation(turn.draft, ref, Role::kForward)) {
    StartAttempt(turn, ref);
    return;
  }
  const bool may = MayStand(branch);
  EndForward(turn, ref,
             {PastDeadline(branch.failure.value_or(Failure{})), may,
              may ? AbortCause::kGaveUp : AbortCause::kRefused, may});
}

void ForwardPollDue(Turn& turn, BranchRef ref) {
  if (!IsPast(turn.draft.branch(ref).deadline, turn.draft.now())) {
    PollNow(turn, ref);
    return;
  }
  EndForward(turn, ref,
             {Failure{"step.deadline",
                      "the participant accepted the call but did not complete it within the "
                      "step's deadline"},
              true, AbortCause::kGaveUp, true});
}

void ForwardPollAgain(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  if (IsPast(branch.deadline, turn.draft.now())) {
    ForwardPollDue(turn, ref);
  } else if (branch.polls >= limits::kMaxPolls) {
    EndForward(turn, ref,
               {Failure{"step.too_many_polls",
                        "the participant accepted the call but had not completed it after " +
                            std::to_string(limits::kMaxPolls) + " polls"},
                true, AbortCause::kGaveUp, true});
  } else {
    PollAgain(turn, ref);
  }
}

void ForwardInterrupted(Turn& turn, BranchRef ref) {
  // A child transaction is never in two minds: submitting it again finds it as it is.
  if (!IsChildOperation(turn.draft, ref, Role::kForward)) {
    CallAgain(turn, ref);
  }
}

}  // namespace entente::engine
