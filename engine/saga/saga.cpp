// The saga's transition tables. tests/engine enumerates every cell.
#include "engine/saga/saga.h"

#include "engine/saga/actions.h"

namespace entente::engine::saga {
namespace {

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

constexpr TxnCell kNothing{};
constexpr TxnCell kAccept = Act(&Accept, "accept");
constexpr TxnCell kReply = Act(&DeliverReply, "deliver-reply");
constexpr TxnCell kCompletion = Act(&DeliverCompletion, "deliver-completion");
constexpr TxnCell kTimer = Act(&DeliverTimer, "deliver-timer");
constexpr TxnCell kDeadlineDue = Act(&DeadlineDue, "deadline-due");
constexpr TxnCell kMissDeadline = Act(&MissDeadline, "miss-deadline");
constexpr TxnCell kRearmDeadline = Act(&RearmDeadline, "rearm-deadline");
constexpr TxnCell kCancel = Act(&Cancel, "cancel");
constexpr TxnCell kCancelAgain = Act(&CancelAgain, "cancel-again");
constexpr TxnCell kSignal = Act(&StoreSignal, "store-signal");
constexpr TxnCell kPause = Act(&Pause, "pause");
constexpr TxnCell kResume = Act(&Resume, "resume");
constexpr TxnCell kRetry = Act(&Retry, "retry");
constexpr TxnCell kSkip = Act(&Skip, "skip");
constexpr TxnCell kResolve = Act(&Resolve, "resolve");
constexpr TxnCell kRecover = Act(&Recover, "recover");
constexpr TxnCell kExists = RejectTxn("transaction.exists");
constexpr TxnCell kNotFound = RejectTxn("transaction.not_found");
constexpr TxnCell kFinished = RejectTxn("transaction.finished");
constexpr TxnCell kPastPivot = RejectTxn("transaction.past_pivot");
constexpr TxnCell kAborting = RejectTxn("transaction.aborting");
constexpr TxnCell kTooLate = RejectTxn("completion.too_late");

// clang-format off
constexpr std::array<TxnCell, kTxnEvents> kFinishedRow = {
    kExists, kNothing, kTooLate, kNothing, kNothing, kNothing,
    kFinished, kFinished, kFinished, kFinished, kFinished, kFinished, kFinished, kNothing};

constexpr TxnTable kTransaction = {{
    // none:       submitted, reply, completion, branch-timer, deadline-due, deadline-early,
    //             abort, signal, pause, resume, retry, skip, resolve, recovered
    {kAccept, kNothing, kNotFound, kNothing, kNothing, kNothing,
     kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNotFound, kNothing},
    // ACTIVE
    {kExists, kReply, kCompletion, kTimer, kDeadlineDue, kRearmDeadline,
     kCancel, kSignal, kPause, kResume, kRetry, kSkip, kResolve, kRecover},
    // COMMITTING
    {kExists, kReply, kCompletion, kTimer, kMissDeadline, kRearmDeadline,
     kPastPivot, kSignal, kPause, kResume, kRetry, kSkip, kResolve, kRecover},
    // COMMITTED
    kFinishedRow,
    // ABORTING
    {kExists, kReply, kCompletion, kTimer, kNothing, kNothing,
     kCancelAgain, kAborting, kPause, kResume, kRetry, kSkip, kResolve, kRecover},
    // ABORTED
    kFinishedRow,
    // MIXED
    kFinishedRow,
}};
// clang-format on

// ---- the branch ----

// Short names, so that a row fits on a line: "o" nothing, "L" too late, "N" not stuck.
constexpr BranchCell o{};
constexpr BranchCell L = RejectBranch("completion.too_late");
constexpr BranchCell N = RejectBranch("branch.not_stuck");
constexpr BranchCell A = RejectBranch("branch.aborting");

constexpr BranchCell kSucceed = Act(&Succeed, "succeed");
constexpr BranchCell kRearm = Act(&Rearm, "rearm");
constexpr BranchCell kSkipIt = Act(&SkipBranch, "skip");
constexpr BranchCell kFwdRefused = Act(&ForwardRefused, "forward-refused");
constexpr BranchCell kFwdUnknown = Act(&ForwardUnknown, "forward-unknown");
constexpr BranchCell kFwdNotSent = Act(&ForwardNotSent, "forward-not-sent");
constexpr BranchCell kFwdPending = Act(&ForwardPending, "forward-pending");
constexpr BranchCell kFwdRetryDue = Act(&ForwardRetryDue, "forward-retry-due");
constexpr BranchCell kFwdPollDue = Act(&ForwardPollDue, "forward-poll-due");
constexpr BranchCell kFwdPollAgain = Act(&ForwardPollAgain, "forward-poll-again");
constexpr BranchCell kFwdInterrupted = Act(&ForwardInterrupted, "forward-interrupted");
constexpr BranchCell kRetryForward = Act(&RetryForward, "retry-forward");
constexpr BranchCell kWaitOver = Act(&WaitOver, "wait-over");
constexpr BranchCell kTakeSignal = Act(&TakeSignal, "take-signal");
constexpr BranchCell kStopForward = Act(&StopForward, "stop-forward");
constexpr BranchCell kSettleUnknown = Act(&SettleUnknown, "settle-unknown");
constexpr BranchCell kSettleNotSent = Act(&SettleNotSent, "settle-not-sent");
constexpr BranchCell kSettleBackoff = Act(&SettleBackoff, "settle-backoff");
constexpr BranchCell kSettlePending = Act(&SettlePending, "settle-pending");
constexpr BranchCell kStopChildAgain = Act(&StopChildAgain, "stop-child-again");
constexpr BranchCell kSettleInterrupted = Act(&SettleInterrupted, "settle-interrupted");
constexpr BranchCell kUndoRefused = Act(&UndoRefused, "undo-refused");
constexpr BranchCell kUndoUnknown = Act(&UndoUnknown, "undo-unknown");
constexpr BranchCell kUndoNotSent = Act(&UndoNotSent, "undo-not-sent");
constexpr BranchCell kUndoPending = Act(&UndoPending, "undo-pending");
constexpr BranchCell kUndoRetryDue = Act(&UndoRetryDue, "undo-retry-due");
constexpr BranchCell kUndoPollDue = Act(&UndoPollDue, "undo-poll-due");
constexpr BranchCell kUndoPollAgain = Act(&UndoPollAgain, "undo-poll-again");
constexpr BranchCell kUndoInterrupted = Act(&UndoInterrupted, "undo-interrupted");
constexpr BranchCell kRetryUndo = Act(&RetryUndo, "retry-undo");

// Nothing is out and nothing is expected: every reply is a duplicate or late.
constexpr BranchRow kIdle = {o, o, o, o, o, o, o, o, L, L, L, o, N, N, o, o};

// A saga never has these: its steps are skipped as a whole, and it has no finish operation.
constexpr BranchRow kNeverInASaga = kIdle;

// clang-format off
//  done, refused, unknown, not-sent, pending, stray,
//  timer-due, timer-early, completion-done, completion-refused, completion-stray,
//  signal, operator-retry, operator-skip, interrupted, abort-decided
constexpr BranchTable kDriving = {{
    /* blocked */         kIdle,
    /* skipped */         kNeverInASaga,
    /* forward */         {kSucceed, kFwdRefused, kFwdUnknown, kFwdNotSent, kFwdPending, o,
                           o, o, kSucceed, kFwdRefused, L,
                           o, N, N, kFwdInterrupted, o},
    /* forward-backoff */ {kSucceed, o, o, o, o, o,
                           kFwdRetryDue, kRearm, kSucceed, kFwdRefused, L,
                           o, kRetryForward, kSkipIt, o, o},
    /* forward-pending */ {kSucceed, kFwdRefused, kFwdPollAgain, kFwdPollAgain, kFwdPollAgain, o,
                           kFwdPollDue, kRearm, kSucceed, kFwdRefused, L,
                           o, N, kSkipIt, o, o},
    /* waiting */         {o, o, o, o, o, o,
                           kWaitOver, kRearm, L, L, L,
                           kTakeSignal, N, kSkipIt, o, o},
    /* done */            kIdle,
    /* refused */         kIdle,
    /* gave-up */         kIdle,
    /* forward-stuck */   {kSucceed, o, o, o, o, o,
                           o, o, kSucceed, o, L,
                           o, kRetryForward, kSkipIt, o, o},
    // Nothing is undone before the abort is decided.
    /* undo */            kIdle,
    /* undo-backoff */    kIdle,
    /* undo-pending */    kIdle,
    /* undone */          kIdle,
    /* undo-stuck */      kIdle,
    /* finish */          kNeverInASaga,
    /* finish-backoff */  kNeverInASaga,
    /* finish-pending */  kNeverInASaga,
    /* finished */        kNeverInASaga,
    /* finish-stuck */    kNeverInASaga,
}};

constexpr BranchTable kUndoing = {{
    /* blocked */         kIdle,
    /* skipped */         kNeverInASaga,
    /* forward */         {kSucceed, kFwdRefused, kSettleUnknown, kSettleNotSent, kSettlePending, o,
                           o, o, kSucceed, kFwdRefused, L,
                           o, A, N, kSettleInterrupted, kStopForward},
    // Only a child transaction's start is still backing off after the decision.
    /* forward-backoff */ {kSucceed, o, o, o, o, o,
                           kStopChildAgain, kRearm, L, L, L,
                           o, A, N, o, kSettleBackoff},
    // Does not outlast the decision.
    /* forward-pending */ {o, o, o, o, o, o, o, o, L, L, L, o, A, N, o, kSettlePending},
    /* waiting */         kIdle,
    /* done */            kIdle,
    /* refused */         kIdle,
    /* gave-up */         kIdle,
    /* forward-stuck */   {kSucceed, o, o, o, o, o,
                           o, o, kSucceed, o, L,
                           o, A, kSkipIt, o, o},
    /* undo */            {kSucceed, kUndoRefused, kUndoUnknown, kUndoNotSent, kUndoPending, o,
                           o, o, kSucceed, kUndoRefused, L,
                           o, N, N, kUndoInterrupted, o},
    /* undo-backoff */    {kSucceed, o, o, o, o, o,
                           kUndoRetryDue, kRearm, kSucceed, o, L,
                           o, kRetryUndo, kSkipIt, o, o},
    /* undo-pending */    {kSucceed, kUndoRefused, kUndoPollAgain, kUndoPollAgain, kUndoPollAgain, o,
                           kUndoPollDue, kRearm, kSucceed, kUndoRefused, L,
                           o, N, kSkipIt, o, o},
    /* undone */          kIdle,
    /* undo-stuck */      {kSucceed, o, o, o, o, o,
                           o, o, kSucceed, o, L,
                           o, kRetryUndo, kSkipIt, o, o},
    /* finish */          kNeverInASaga,
    /* finish-backoff */  kNeverInASaga,
    /* finish-pending */  kNeverInASaga,
    /* finished */        kNeverInASaga,
    /* finish-stuck */    kNeverInASaga,
}};
// clang-format on

constexpr ModeTable kTable = {Mode::kSaga, kTransaction, {kDriving, kUndoing}, &Advance};

}  // namespace

const ModeTable& Table() {
  return kTable;
}

}  // namespace entente::engine::saga
