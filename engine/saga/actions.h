// The actions that the saga's tables name, and what they share. Internal to engine/saga.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/render.h"
#include "engine/table.h"

namespace entente::engine::saga {

// ---- forward.cpp: a forward operation is called and answered ----
void StartForward(Turn& turn, BranchRef ref, uint32_t alternative);
// The next alternative of a refused branch, or the end of the step if it came too late for one.
void StartAlternative(Turn& turn, BranchRef ref);
// Every way a branch's operation can end well, in both courses.
void Succeed(Turn& turn, BranchRef ref);
void ForwardRefused(Turn& turn, BranchRef ref);
void ForwardUnknown(Turn& turn, BranchRef ref);
void ForwardNotSent(Turn& turn, BranchRef ref);
void ForwardPending(Turn& turn, BranchRef ref);
void ForwardRetryDue(Turn& turn, BranchRef ref);
void ForwardPollDue(Turn& turn, BranchRef ref);
void ForwardPollAgain(Turn& turn, BranchRef ref);
void ForwardInterrupted(Turn& turn, BranchRef ref);

// ---- undo.cpp: while the transaction aborts ----
void StartUndo(Turn& turn, BranchRef ref);
void UndoRefused(Turn& turn, BranchRef ref);
void UndoUnknown(Turn& turn, BranchRef ref);
void UndoNotSent(Turn& turn, BranchRef ref);
void UndoPending(Turn& turn, BranchRef ref);
void UndoRetryDue(Turn& turn, BranchRef ref);
void UndoPollDue(Turn& turn, BranchRef ref);
void UndoPollAgain(Turn& turn, BranchRef ref);
void UndoInterrupted(Turn& turn, BranchRef ref);
// A forward call was out, backing off or pending when the abort was decided. It is waited for but
// never made again.
void StopForward(Turn& turn, BranchRef ref);
void SettleUnknown(Turn& turn, BranchRef ref);
void SettleNotSent(Turn& turn, BranchRef ref);
void SettleBackoff(Turn& turn, BranchRef ref);
void SettlePending(Turn& turn, BranchRef ref);
void SettleInterrupted(Turn& turn, BranchRef ref);
// A child transaction that could not be asked to stop is asked again.
void StopChildAgain(Turn& turn, BranchRef ref);

// ---- wait.cpp ----
void BeginWait(Turn& turn, BranchRef ref);
void WaitOver(Turn& turn, BranchRef ref);
void TakeSignal(Turn& turn, BranchRef ref);

// ---- operator.cpp ----
void RetryForward(Turn& turn, BranchRef ref);
void RetryUndo(Turn& turn, BranchRef ref);
void SkipBranch(Turn& turn, BranchRef ref);
void Pause(Turn& turn);
void Resume(Turn& turn);
void Retry(Turn& turn);
void Skip(Turn& turn);
void Resolve(Turn& turn);

// ---- lifecycle.cpp: the transaction as a whole ----
void Accept(Turn& turn);
void Cancel(Turn& turn);
void CancelAgain(Turn& turn);
void DeadlineDue(Turn& turn);
void MissDeadline(Turn& turn);
void RearmDeadline(Turn& turn);
void StoreSignal(Turn& turn);
void DeliverReply(Turn& turn);
void DeliverCompletion(Turn& turn);
void DeliverTimer(Turn& turn);
void Recover(Turn& turn);
void DecideAbort(Turn& turn, AbortDecided decided);
// The timer of a branch, now.
void FireTimer(Turn& turn, BranchRef ref);
// A timer fired too early: it was replaced, or the clock was set back. Arms it again.
void Rearm(Turn& turn, BranchRef ref);

// ---- advance.cpp ----
void Advance(Turn& turn);

// ---- shared (forward.cpp) ----
// How a forward operation ends without success.
struct ForwardEnd {
  Failure failure;
  bool may_have_happened = false;
  AbortCause cause = AbortCause::kRefused;
  bool alternatives = false;  // One may be tried, if there is one.
};
// Records the end and what follows from it: an abort before the point of no return, an incident
// after it.
void EndForward(Turn& turn, BranchRef ref, ForwardEnd end);
// An expression that the branch needs failed.
void EndByExpression(Turn& turn, BranchRef ref, const Status& status);
// Emits the call of the attempt that the branch is in.
void EmitCall(Turn& turn, BranchRef ref);
void StartAttempt(Turn& turn, BranchRef ref);
void MakePending(Turn& turn, BranchRef ref, std::optional<Instant> deadline);
void PollAgain(Turn& turn, BranchRef ref);
void PollNow(Turn& turn, BranchRef ref);
void RaiseIncident(Turn& turn, BranchRef ref, Failure failure);
// The same for an attempt that was refused: a child transaction's next attempt is another child.
void RaiseIncidentOfRefusal(Turn& turn, BranchRef ref, Failure failure);
// Whether a child transaction was begun is not known; asking again, by its name, will tell.
void AskChildAgain(Turn& turn, BranchRef ref);
// Interrupted calls are made again at once, or when the transaction is resumed.
void CallAgain(Turn& turn, BranchRef ref);
[[nodiscard]] Instant RetryAt(Turn& turn, BranchRef ref, const dsl::RetryPolicy& policy);
[[nodiscard]] bool IsPast(const std::optional<Instant>& deadline, Instant now);
[[nodiscard]] Failure FailureOf(const Event& event);
[[nodiscard]] bool IsChildMixed(const Failure& failure);
// The pivot may have happened and can not be undone: from here an abort could be a mix.
[[nodiscard]] bool PivotInDoubt(const Draft& draft);

}  // namespace entente::engine::saga
