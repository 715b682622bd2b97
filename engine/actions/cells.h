// The cells and rows that the modes' tables are put together from. Internal to the engine.
//
// A row is one phase of a branch; its columns are, in this order:
//   done, refused, unknown, not-sent, pending, stray,
//   timer-due, timer-early, completion-done, completion-refused, completion-stray,
//   signal, operator-retry, operator-skip, interrupted, abort-decided,
//   heuristic-agrees, heuristic-differs
#pragma once

#include <string_view>

#include "engine/actions/actions.h"

namespace entente::engine::cells {

constexpr TxnCell Act(TxnAction action, std::string_view name) {
  return {CellKind::kAct, action, name};
}
constexpr BranchCell Act(BranchAction action, std::string_view name) {
  return {CellKind::kAct, action, name};
}
constexpr TxnCell RejectTxn(std::string_view code) {
  return {CellKind::kReject, nullptr, code};
}
constexpr BranchCell RejectBranch(std::string_view code) {
  return {CellKind::kReject, nullptr, code};
}

// ---- the transaction ----

inline constexpr TxnCell kNothing{};
inline constexpr TxnCell kAccept = Act(&Accept, "accept");
inline constexpr TxnCell kReply = Act(&DeliverReply, "deliver-reply");
inline constexpr TxnCell kCompletion = Act(&DeliverCompletion, "deliver-completion");
inline constexpr TxnCell kCompletionAgain = Act(&CompletionAgain, "completion-again");
inline constexpr TxnCell kTimer = Act(&DeliverTimer, "deliver-timer");
inline constexpr TxnCell kDeadlineDue = Act(&DeadlineDue, "deadline-due");
inline constexpr TxnCell kMissDeadline = Act(&MissDeadline, "miss-deadline");
inline constexpr TxnCell kRearmDeadline = Act(&RearmDeadline, "rearm-deadline");
inline constexpr TxnCell kCancel = Act(&Cancel, "cancel");
inline constexpr TxnCell kCancelAgain = Act(&CancelAgain, "cancel-again");
inline constexpr TxnCell kSignal = Act(&StoreSignal, "store-signal");
inline constexpr TxnCell kSignalCommitting = Act(&SignalCommitting, "signal-committing");
inline constexpr TxnCell kSignalAborting = Act(&SignalAborting, "signal-aborting");
inline constexpr TxnCell kSignalEnded = Act(&SignalEnded, "signal-ended");
inline constexpr TxnCell kPause = Act(&Pause, "pause");
inline constexpr TxnCell kResume = Act(&Resume, "resume");
inline constexpr TxnCell kRetry = Act(&Retry, "retry");
inline constexpr TxnCell kSkip = Act(&Skip, "skip");
inline constexpr TxnCell kResolve = Act(&Resolve, "resolve");
inline constexpr TxnCell kRecover = Act(&Recover, "recover");
inline constexpr TxnCell kEnlist = Act(&Enlist, "enlist");
inline constexpr TxnCell kClose = Act(&Close, "close");
inline constexpr TxnCell kCloseAgain = Act(&CloseAgain, "close-again");
inline constexpr TxnCell kCloseAborted = Act(&CloseAborted, "close-aborted");
inline constexpr TxnCell kLetGo = Act(&LetGoOfHeld, "let-go");
inline constexpr TxnCell kExists = RejectTxn("transaction.exists");
inline constexpr TxnCell kNotFound = RejectTxn("transaction.not_found");
inline constexpr TxnCell kFinished = RejectTxn("transaction.finished");
inline constexpr TxnCell kPastPivot = RejectTxn("transaction.past_pivot");
inline constexpr TxnCell kCommitting = RejectTxn("transaction.committing");
inline constexpr TxnCell kAborted = RejectTxn("transaction.aborted");

using TxnRowCells = std::array<TxnCell, kTxnEvents>;

// submitted, reply, completion, branch-timer, deadline-due, deadline-early,
// abort, signal, pause, resume, retry, skip, resolve, recovered, enlist, commit, let-go
// clang-format off
inline constexpr TxnRowCells kNoneRow = {
    kAccept, kNothing, kNotFound, kNothing, kNothing, kNothing,
    kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNothing,
    kNotFound, kNotFound, kNothing};
inline constexpr TxnRowCells kActiveRow = {
    kExists, kReply, kCompletion, kTimer, kDeadlineDue, kRearmDeadline,
    kCancel, kSignal, kPause, kResume, kRetry, kSkip, kResolve, kRecover,
    kEnlist, kClose, kNothing};
inline constexpr TxnRowCells kAbortingRow = {
    kExists, kReply, kCompletion, kTimer, kNothing, kNothing,
    kCancelAgain, kSignalAborting, kPause, kResume, kRetry, kSkip, kResolve, kRecover,
    kAborted, kCloseAborted, kNothing};
inline constexpr TxnRowCells kCommittedRow = {
    kExists, kNothing, kCompletionAgain, kNothing, kNothing, kNothing,
    kFinished, kSignalEnded, kFinished, kFinished, kFinished, kFinished, kFinished, kNothing,
    kFinished, kCloseAgain, kNothing};
// An abort that is asked for once more finds what it wants.
inline constexpr TxnRowCells kAbortedRow = {
    kExists, kNothing, kCompletionAgain, kNothing, kNothing, kNothing,
    kCancelAgain, kSignalEnded, kFinished, kFinished, kFinished, kFinished, kFinished, kNothing,
    kFinished, kCloseAborted, kNothing};
inline constexpr TxnRowCells kMixedRow = {
    kExists, kNothing, kCompletionAgain, kNothing, kNothing, kNothing,
    kFinished, kSignalEnded, kFinished, kFinished, kFinished, kFinished, kFinished, kNothing,
    kFinished, kFinished, kNothing};
// clang-format on

// ---- the branch ----

// Short names, so that a row fits on a line: "o" nothing, "L" too late, "N" not stuck.
inline constexpr BranchCell o{};
inline constexpr BranchCell L = RejectBranch("completion.too_late");
inline constexpr BranchCell N = RejectBranch("branch.not_stuck");
inline constexpr BranchCell A = RejectBranch("branch.aborting");

inline constexpr BranchCell kSucceed = Act(&Succeed, "succeed");
inline constexpr BranchCell kRearm = Act(&Rearm, "rearm");
inline constexpr BranchCell kSkipIt = Act(&SkipBranch, "skip");
inline constexpr BranchCell kFwdRefused = Act(&ForwardRefused, "forward-refused");
inline constexpr BranchCell kFwdUnknown = Act(&ForwardUnknown, "forward-unknown");
inline constexpr BranchCell kFwdNotSent = Act(&ForwardNotSent, "forward-not-sent");
inline constexpr BranchCell kFwdPendingRefused =
    Act(&ForwardPendingRefused, "forward-pending-refused");
inline constexpr BranchCell kFwdPending = Act(&ForwardPending, "forward-pending");
inline constexpr BranchCell kFwdRetryDue = Act(&ForwardRetryDue, "forward-retry-due");
inline constexpr BranchCell kFwdPollDue = Act(&ForwardPollDue, "forward-poll-due");
inline constexpr BranchCell kFwdPollAgain = Act(&ForwardPollAgain, "forward-poll-again");
inline constexpr BranchCell kFwdInterrupted = Act(&ForwardInterrupted, "forward-interrupted");
inline constexpr BranchCell kRetryForward = Act(&RetryForward, "retry-forward");
inline constexpr BranchCell kWaitOver = Act(&WaitOver, "wait-over");
inline constexpr BranchCell kTakeSignal = Act(&TakeSignal, "take-signal");
inline constexpr BranchCell kStopForward = Act(&StopForward, "stop-forward");
inline constexpr BranchCell kStopBackoff = Act(&StopBackoff, "stop-backoff");
inline constexpr BranchCell kStopPending = Act(&StopPending, "stop-pending");
inline constexpr BranchCell kStopStuck = Act(&StopStuck, "stop-stuck");
inline constexpr BranchCell kStoppedUnknown = Act(&StoppedUnknown, "stopped-unknown");
inline constexpr BranchCell kStoppedNotSent = Act(&StoppedNotSent, "stopped-not-sent");
inline constexpr BranchCell kStoppedPending = Act(&StopPending, "stopped-pending");
inline constexpr BranchCell kStoppedInterrupted = Act(&StoppedInterrupted, "stopped-interrupted");
inline constexpr BranchCell kStoppedOver = Act(&StoppedOver, "stopped-over");
inline constexpr BranchCell kSettleRefused = Act(&SettleRefused, "settle-refused");
inline constexpr BranchCell kSettleUnknown = Act(&SettleUnknown, "settle-unknown");
inline constexpr BranchCell kSettleNotSent = Act(&SettleNotSent, "settle-not-sent");
inline constexpr BranchCell kSettlePending = Act(&SettlePending, "settle-pending");
inline constexpr BranchCell kSettleRetryDue = Act(&SettleRetryDue, "settle-retry-due");
inline constexpr BranchCell kSettlePollDue = Act(&SettlePollDue, "settle-poll-due");
inline constexpr BranchCell kSettlePollAgain = Act(&SettlePollAgain, "settle-poll-again");
inline constexpr BranchCell kSettleInterrupted = Act(&SettleInterrupted, "settle-interrupted");
inline constexpr BranchCell kRetrySettling = Act(&RetrySettling, "retry-settling");
inline constexpr BranchCell kAgrees = Act(&HeuristicAgrees, "heuristic-agrees");
inline constexpr BranchCell kDiffers = Act(&HeuristicDiffers, "heuristic-differs");

// Nothing is out and nothing is expected: every reply is a duplicate or late.
inline constexpr BranchRow kIdle = {o, o, o, o, o, o, o, o, L, L, L, o, N, N, o, o, o, o};
// Its answer is known. Whoever was not told that we know it may say so again.
inline constexpr BranchRow kSettledRow = {o, o, o, o, o, o, o, o, o, L, L, o, N, N, o, o, o, o};
inline constexpr BranchRow kRefusedRow = {o, o, o, o, o, o, o, o, L, o, L, o, N, N, o, o, o, o};
// A phase that no branch is in on this course.
inline constexpr BranchRow kNever = kIdle;
// A course that the mode does not take.
inline constexpr BranchTable kNeverTaken = {
    {kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever,
     kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever}};

// clang-format off

// Going forward. `done` is what the mode does with a forward operation that succeeded.
constexpr BranchRow Forward(BranchCell done) {
  return {done, kFwdRefused, kFwdUnknown, kFwdNotSent, kFwdPending, o,
          o, o, done, kFwdRefused, L,
          o, N, N, kFwdInterrupted, o, o, o};
}
constexpr BranchRow ForwardBackoff(BranchCell done) {
  return {done, o, o, o, o, o,
          kFwdRetryDue, kRearm, done, kFwdRefused, L,
          o, kRetryForward, kSkipIt, o, o, o, o};
}
constexpr BranchRow ForwardPendingRow(BranchCell done) {
  return {done, kFwdPendingRefused, kFwdPollAgain, kFwdPollAgain, kFwdPollAgain, o,
          kFwdPollDue, kRearm, done, kFwdRefused, L,
          o, N, kSkipIt, o, o, o, o};
}
inline constexpr BranchRow kWaiting = {
    o, o, o, o, o, o,
    kWaitOver, kRearm, L, L, L,
    kTakeSignal, N, kSkipIt, o, o, o, o};

// An abort was decided while the forward operation was under way.
constexpr BranchRow StoppedForward(BranchCell done) {
  return {done, kFwdRefused, kStoppedUnknown, kStoppedNotSent, kStoppedPending, o,
          o, o, done, kFwdRefused, L,
          o, A, N, kStoppedInterrupted, kStopForward, o, o};
}
// Still so after the decision: a child transaction's start, which is asked for again; and a call
// that was out when the process that made it ended, until its time is over.
constexpr BranchRow StoppedBackoff(BranchCell done) {
  return {done, o, o, o, o, o,
          kStoppedOver, kRearm, done, kFwdRefused, L,
          o, A, N, o, kStopBackoff, o, o};
}
// These two do not outlast the decision.
inline constexpr BranchRow kStoppedBackoffRow = {
    o, o, o, o, o, o, o, o, L, L, L, o, A, N, o, kStopBackoff, o, o};
inline constexpr BranchRow kStoppedPendingRow = {
    o, o, o, o, o, o, o, o, L, L, L, o, A, N, o, kStopPending, o, o};

// Undo and finish: carried out until done.
inline constexpr BranchRow kSettling = {
    kSucceed, kSettleRefused, kSettleUnknown, kSettleNotSent, kSettlePending, o,
    o, o, kSucceed, kSettleRefused, L,
    o, N, N, kSettleInterrupted, o, kAgrees, kDiffers};
inline constexpr BranchRow kSettlingBackoff = {
    kSucceed, o, o, o, o, o,
    kSettleRetryDue, kRearm, kSucceed, o, L,
    o, kRetrySettling, kSkipIt, o, o, kAgrees, kDiffers};
inline constexpr BranchRow kSettlingPending = {
    kSucceed, kSettleRefused, kSettlePollAgain, kSettlePollAgain, kSettlePollAgain, o,
    kSettlePollDue, kRearm, kSucceed, kSettleRefused, L,
    o, N, kSkipIt, o, o, kAgrees, kDiffers};
inline constexpr BranchRow kSettlingStuck = {
    kSucceed, o, o, o, o, o,
    o, o, kSucceed, L, L,
    o, kRetrySettling, kSkipIt, o, o, kAgrees, o};

// clang-format on

}  // namespace entente::engine::cells
