// The actions that the modes' tables name, and what those share. Internal to the engine.
//
// An action knows nothing of modes: what a mode does differently is another cell in its tables or a
// function of its own (engine/saga, engine/tcc, engine/twopc).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/core/render.h"
#include "engine/core/table.h"

namespace entente::engine {

// ---- forward.cpp: a forward operation is called and answered ----
void StartForward(Turn& turn, BranchRef ref, uint32_t alternative);
// The next alternative of a branch of which nothing stands, or the end of the step if it came too
// late for one.
void StartAlternative(Turn& turn, BranchRef ref);
// What follows for a branch that failed while there was an alternative: that, or before it the undo
// of what was given up.
void GoOnAfterFailure(Turn& turn, BranchRef ref);
// An operator took it for settled although its participant had said that it did otherwise.
[[nodiscard]] bool IsContrary(const BranchFacts& branch);
// A branch's operation ended well, whichever it is.
void Succeed(Turn& turn, BranchRef ref);
// The same of an operation that may vote "read only". False: its answer is a refusal by its
// content, or more than the transaction may hold, and the branch has ended otherwise.
bool TakeDone(Turn& turn, BranchRef ref, bool read_only);
// Keeps the output of what succeeded, or gives the branch up where there is no room for it: false.
bool KeepDone(Turn& turn, BranchRef ref, bool read_only);
// Whether the branch is a pivot that nothing could undo.
[[nodiscard]] bool IsNoWayBack(const Draft& draft, BranchRef ref);
// Why a payload of so many bytes is not kept.
[[nodiscard]] Failure TooLarge(size_t bytes);
void ForwardRefused(Turn& turn, BranchRef ref);
void ForwardUnknown(Turn& turn, BranchRef ref);
void ForwardNotSent(Turn& turn, BranchRef ref);
void ForwardPending(Turn& turn, BranchRef ref);
void ForwardPendingRefused(Turn& turn, BranchRef ref);
void ForwardRetryDue(Turn& turn, BranchRef ref);
void ForwardPollDue(Turn& turn, BranchRef ref);
void ForwardPollAgain(Turn& turn, BranchRef ref);
void ForwardInterrupted(Turn& turn, BranchRef ref);

// ---- settle.cpp: undo and finish, which are never given up ----
void StartUndo(Turn& turn, BranchRef ref);
void StartFinish(Turn& turn, BranchRef ref);
void SettleRefused(Turn& turn, BranchRef ref);
void SettleUnknown(Turn& turn, BranchRef ref);
void SettleNotSent(Turn& turn, BranchRef ref);
void SettlePending(Turn& turn, BranchRef ref);
void SettleRetryDue(Turn& turn, BranchRef ref);
void SettlePollDue(Turn& turn, BranchRef ref);
void SettlePollAgain(Turn& turn, BranchRef ref);
void SettleInterrupted(Turn& turn, BranchRef ref);
// The participant decided by itself: as was decided here, or otherwise.
void HeuristicAgrees(Turn& turn, BranchRef ref);
void HeuristicDiffers(Turn& turn, BranchRef ref);

// ---- abort.cpp: an abort is decided ----
void DecideAbort(Turn& turn, AbortDecided decided);
// A forward call was out, backing off or pending then. It is waited for but never made again.
void StopForward(Turn& turn, BranchRef ref);
void StopBackoff(Turn& turn, BranchRef ref);
void StopPending(Turn& turn, BranchRef ref);
void StopStuck(Turn& turn, BranchRef ref);
void StoppedUnknown(Turn& turn, BranchRef ref);
void StoppedNotSent(Turn& turn, BranchRef ref);
void StoppedInterrupted(Turn& turn, BranchRef ref);
// A child transaction that could not be asked to stop is asked again.
void StopChildAgain(Turn& turn, BranchRef ref);
// The time is over in which a call that an earlier process made could still be answered.
void StoppedOver(Turn& turn, BranchRef ref);
void Cancel(Turn& turn);
void CancelAgain(Turn& turn);
// What was held till its parent's end stays.
void LetGoOfHeld(Turn& turn);
void DeadlineDue(Turn& turn);
void MissDeadline(Turn& turn);

// ---- race.cpp: steps of which only the first that is done counts ----
// Those that race with a step that is done have lost. Before anything is begun, or one could begin
// that has lost; also while paused.
void DecideRaces(Turn& turn);
// Whether one that the step races with may still be done.
[[nodiscard]] bool CanAnotherWin(const Draft& draft, size_t step);
// Whether the race for the step is over: one is done, or none is to be.
[[nodiscard]] bool IsRaceOver(const Draft& draft, size_t goal);
// Undoes what those did that lost, each as soon as its call is out of the way. True: nothing of
// them is left.
[[nodiscard]] bool UndoLosers(Turn& turn);

// ---- signal.cpp ----
void StoreSignal(Turn& turn);
// No step takes one any more; one that came before, by its id, is still answered as then.
void SignalCommitting(Turn& turn);
void SignalAborting(Turn& turn);
void SignalEnded(Turn& turn);

// ---- wait.cpp ----
void BeginWait(Turn& turn, BranchRef ref);
void WaitOver(Turn& turn, BranchRef ref);
void TakeSignal(Turn& turn, BranchRef ref);

// ---- decide.cpp: steps that decide by the data ----
void BeginDecision(Turn& turn, BranchRef ref);
// Whether what a forward call was answered, a success, is a refusal by its content. True: it was
// one, and what follows from that is recorded.
[[nodiscard]] bool RefusedByAnswer(Turn& turn, BranchRef ref);
// Whether such a success is not the answer that a repeated call waits for. True: it was not, and
// what follows from that is recorded.
[[nodiscard]] bool AskAgain(Turn& turn, BranchRef ref);

// ---- operator.cpp ----
void RetryForward(Turn& turn, BranchRef ref);
void RetrySettling(Turn& turn, BranchRef ref);
void SkipBranch(Turn& turn, BranchRef ref);
void Pause(Turn& turn);
void Resume(Turn& turn);
void Retry(Turn& turn);
void Skip(Turn& turn);
void Resolve(Turn& turn);

// ---- client.cpp: transactions that a client drives itself ----
void Enlist(Turn& turn);
// The client wants to commit: from here on nobody joins, and the mode's advance does the rest.
void Close(Turn& turn);
void CloseAgain(Turn& turn);
void CloseAborted(Turn& turn);

// ---- reservation.cpp: what participants hold, and for how long ----
// Records when what the branch holds expires, if it does.
void LimitReservation(Turn& turn, BranchRef ref);
// It is too late to decide that the branch be confirmed.
void Expire(Turn& turn, BranchRef ref);
[[nodiscard]] std::optional<BranchRef> FindExpired(const Draft& draft);

// ---- lifecycle.cpp: the transaction as a whole ----
void Accept(Turn& turn);
void RearmDeadline(Turn& turn);
void DeliverReply(Turn& turn);
void DeliverCompletion(Turn& turn);
// The transaction has ended: only what is known already is taken, once more.
void CompletionAgain(Turn& turn);
void DeliverTimer(Turn& turn);
void Recover(Turn& turn);
// The timer of a branch, now.
void FireTimer(Turn& turn, BranchRef ref);
// A timer fired too early: it was replaced, or the clock was set back. Arms it again.
void Rearm(Turn& turn, BranchRef ref);

// ---- drive.cpp: what a mode's advance is made of ----
// Where the modes differ while they drive steps forward. Null: they do not.
struct DriveRules {
  // Begins the first operation of a branch that calls somebody.
  void (*begin)(Turn& turn, BranchRef ref) = nullptr;
  // Before a step whose predecessors are done is opened.
  void (*opening)(Turn& turn, size_t step) = nullptr;
  // After each look at a step, also while paused.
  void (*looked)(Turn& turn, size_t step) = nullptr;
};
// Begins whatever has become due. True if every step is done and the transaction still goes
// forward.
[[nodiscard]] bool DriveSteps(Turn& turn, const DriveRules& rules);
// The same of the steps that have their time once the outcome is decided as `stage` says. True if
// every one is done; it is called again until then, and afterwards the transaction ends.
[[nodiscard]] bool DriveAfterwards(Turn& turn, dsl::Stage stage);
// Going forward, and not ended.
[[nodiscard]] bool IsDriving(const Turn& turn);
// Its part is over: what is optional may have failed.
[[nodiscard]] bool IsDone(const StepFacts& step);
// Begins a branch that calls nobody, because it waits or decides. False: it calls somebody.
bool BeginWithoutCall(Turn& turn, BranchRef ref);
// How many branches of the step may be under way at once.
[[nodiscard]] size_t MaxParallel(const Draft& draft, size_t step);
// Whether a branch of the step has to be undone and is not being so.
[[nodiscard]] bool NeedsUndo(const Draft& draft, size_t step);
[[nodiscard]] bool IsToUndo(const Draft& draft, BranchRef ref);
// As many of them as the step's bound allows.
void StartUndos(Turn& turn, size_t step);
// Nothing of the step is under way any more, and nothing is left to undo.
[[nodiscard]] bool IsClear(const Draft& draft, size_t step);
// Undoes every branch as soon as its own call is out of the way, and ends the transaction.
void UndoAll(Turn& turn);
// Whether the finish of a branch that is done or enlisted can be rendered: after the decision it
// would be too late to find out. What it reads is there by then and does not change any more.
[[nodiscard]] Status CheckFinish(const Draft& draft, BranchRef ref);
// Aborts if it can not.
void RequireFinish(Turn& turn, BranchRef ref);
// Finishes every branch, and ends the transaction.
void FinishAll(Turn& turn);
void EndCommitted(Turn& turn);
// All is done and could be committed, but for the parent that holds it.
void Hold(Turn& turn);
void EndAborted(Turn& turn);

// ---- shared (forward.cpp, settle.cpp) ----
// How a forward operation ends without success.
struct ForwardEnd {
  Failure failure;
  bool may_have_happened = false;
  AbortCause cause = AbortCause::kRefused;
  // One may be tried, if there is one: after a refusal, or once what may have happened is undone.
  bool alternatives = false;
  bool given_up = false;  // Because the attempts are used up.
};
// Its step has its time once the outcome is decided.
[[nodiscard]] bool IsAfterwards(const Draft& draft, BranchRef ref);
// Another was first in its race.
[[nodiscard]] bool IsLost(const Draft& draft, BranchRef ref);
// Its forward operation may still be called: nothing has stopped it.
[[nodiscard]] bool IsGoingOn(const Draft& draft, BranchRef ref);
// The branch may fail without further consequence.
[[nodiscard]] bool IsTolerant(const Draft& draft, BranchRef ref);
// Records the end and what follows from it: an abort before the point of no return, an incident
// after it; nothing if the step is optional.
void EndForward(Turn& turn, BranchRef ref, ForwardEnd end);
// An expression that the branch needs failed.
void EndByExpression(Turn& turn, BranchRef ref, const Status& status);
// Something of the branch may stand although no call of ours was without an answer: either an
// earlier one was, or the client itself works with the participant.
[[nodiscard]] bool MayStand(const BranchFacts& branch);
// What was told may have been told of an earlier call than the one that is under way.
[[nodiscard]] bool IsOfEarlierCall(const Turn& turn, BranchRef ref);
// Emits the call of the attempt that the branch is in.
void EmitCall(Turn& turn, BranchRef ref);
void StartAttempt(Turn& turn, BranchRef ref);
// The reply that says that its call was held back all the time; null: it was not.
[[nodiscard]] const ReplyNotSent* HeldBackBy(const Event& event);
// The reply says that its participant turned the call away unlooked at.
[[nodiscard]] bool IsTurnedAway(const Event& event);
// A call that its participant's gate held back all the time goes back to the gate: nothing is
// recorded and no attempt is spent on a participant that is known to be away. While paused, or when
// the coordinator stops, it waits for that to be over instead. False: it was not held back.
bool WaitAtGate(Turn& turn, BranchRef ref);
void MakePending(Turn& turn, BranchRef ref, std::optional<Instant> deadline);
void PollAgain(Turn& turn, BranchRef ref);
void PollNow(Turn& turn, BranchRef ref);
void RaiseIncident(Turn& turn, BranchRef ref, Failure failure);
// The same for an attempt that was refused: a child transaction's next attempt is another child.
void RaiseIncidentOfRefusal(Turn& turn, BranchRef ref, Failure failure);
// Records a failed attempt and when the next one is due.
void RetryLater(Turn& turn, BranchRef ref, AttemptOutcome outcome, Failure failure,
                Instant retry_at);
// Whether a child transaction was begun is not known; asking again, by its name, will tell.
void AskChildAgain(Turn& turn, BranchRef ref);
// Interrupted calls are made again at once, or when the transaction is resumed.
void CallAgain(Turn& turn, BranchRef ref);
[[nodiscard]] Instant RetryAt(Turn& turn, BranchRef ref, const dsl::RetryPolicy& policy);
[[nodiscard]] bool IsPast(const std::optional<Instant>& deadline, Instant now);
[[nodiscard]] Failure FailureOf(const Event& event);
// Of a reply or completion that says done; else nothing is in it.
[[nodiscard]] const ReplyDone& DoneOf(const Event& event);
// Whether the child that `ref` was of is neither done nor undone. What a participant calls its own
// failures says nothing of a child.
[[nodiscard]] bool IsChildMixed(const Draft& draft, BranchRef ref, const Failure& failure);
// Whether a child answered that it can not be undone, which it will say again.
[[nodiscard]] bool IsChildLost(const Draft& draft, BranchRef ref, const Failure& failure);

}  // namespace entente::engine
