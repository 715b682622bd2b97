// The transition tables of two-phase commit. tests/engine enumerates every cell.
#include "engine/twopc/twopc.h"

#include "engine/actions/cells.h"
#include "engine/twopc/advance.h"

namespace entente::engine::twopc {
namespace {

using namespace cells;  // NOLINT(google-build-using-namespace): a table reads better without.

constexpr BranchCell kYes = Act(&VotedYes, "voted-yes");
constexpr BranchCell kOneRefused = Act(&OnePhaseRefused, "one-phase-refused");
constexpr BranchCell kOneNotSent = Act(&OnePhaseNotSent, "one-phase-not-sent");
constexpr BranchCell kOneDiffers = Act(&OnePhaseDiffers, "one-phase-differs");

// clang-format off
constexpr TxnTable kTransaction = {{
    kNoneRow,
    kActiveRow,
    // COMMITTING: every branch is committed until done.
    {kExists, kReply, kCompletion, kTimer, kMissDeadline, kRearmDeadline,
     kCommitting, kSignalCommitting, kPause, kResume, kRetry, kSkip, kResolve, kRecover,
     kCommitting, kCloseAgain, kNothing},
    kCommittedRow,
    kAbortingRow,
    kAbortedRow,
    kMixedRow,
}};

constexpr std::array<Course, kTxnRows> kCourse = {
    Course::kDriving, Course::kDriving, Course::kFinishing, Course::kFinishing,
    Course::kUndoing, Course::kUndoing, Course::kUndoing};

constexpr BranchTable kDriving = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         Forward(kYes),
    /* forward-backoff */ ForwardBackoff(kYes),
    /* forward-pending */ ForwardPendingRow(kYes),
    /* waiting */         kWaiting,
    /* done */            kSettledRow,
    /* refused */         kRefusedRow,
    /* gave-up */         kNever,
    /* forward-stuck */   kNever,
    // Nothing is rolled back before the decision.
    /* undo */            kNever,
    /* undo-backoff */    kNever,
    /* undo-pending */    kNever,
    /* undone */          kNever,
    /* undo-stuck */      kNever,
    // Before the decision only the single participant of a transaction is told to commit, and its
    // answer is the decision.
    /* finish */          {kSucceed, kOneRefused, kSettleUnknown, kOneNotSent, kSettlePending, o,
                           o, o, kSucceed, kOneRefused, L,
                           o, N, N, kSettleInterrupted, o, kAgrees, kOneDiffers},
    /* finish-backoff */  {kSucceed, o, o, o, o, o,
                           kSettleRetryDue, kRearm, kSucceed, o, L,
                           o, kRetrySettling, kSkipIt, o, o, kAgrees, kOneDiffers},
    /* finish-pending */  {kSucceed, kSettlePollAgain, kSettlePollAgain, kSettlePollAgain,
                           kSettlePollAgain, o,
                           kSettlePollDue, kRearm, kSucceed, kOneRefused, L,
                           o, N, kSkipIt, o, o, kAgrees, kOneDiffers},
    /* finished */        kSettledRow,
    /* finish-stuck */    kSettlingStuck,
    /* enlisted */        kIdle,
    /* read-only */       kIdle,
}};

constexpr BranchTable kFinishing = {{
    /* blocked */         kNever,
    /* skipped */         kNever,
    /* forward */         kNever,
    /* forward-backoff */ kNever,
    /* forward-pending */ kNever,
    /* waiting */         kNever,
    /* done */            kSettledRow,
    /* refused */         kNever,
    /* gave-up */         kNever,
    /* forward-stuck */   kNever,
    /* undo */            kNever,
    /* undo-backoff */    kNever,
    /* undo-pending */    kNever,
    /* undone */          kNever,
    /* undo-stuck */      kNever,
    /* finish */          kSettling,
    /* finish-backoff */  kSettlingBackoff,
    /* finish-pending */  kSettlingPending,
    /* finished */        kSettledRow,
    /* finish-stuck */    kSettlingStuck,
    /* enlisted */        kNever,
    /* read-only */       kIdle,
}};

constexpr BranchTable kUndoing = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         StoppedForward(kYes),
    /* forward-backoff */ StoppedBackoff(kYes),
    /* forward-pending */ kStoppedPendingRow,
    /* waiting */         kIdle,
    /* done */            kSettledRow,
    /* refused */         kRefusedRow,
    /* gave-up */         kIdle,
    /* forward-stuck */   kNever,
    /* undo */            kSettling,
    /* undo-backoff */    kSettlingBackoff,
    /* undo-pending */    kSettlingPending,
    /* undone */          kSettledRow,
    /* undo-stuck */      kSettlingStuck,
    /* finish */          kNever,
    // A commit in one phase that never reached its participant.
    /* finish-backoff */  kStoppedBackoffRow,
    /* finish-pending */  kNever,
    /* finished */        kNever,
    /* finish-stuck */    kNever,
    /* enlisted */        kIdle,
    /* read-only */       kIdle,
}};
// clang-format on

constexpr ModeTable kTable = {
    Mode::kTwoPhaseCommit, kTransaction, kCourse, {kDriving, kFinishing, kUndoing}, &Advance,
    &OnePhaseInDoubt,
    /*lazy_settling=*/true};

}  // namespace

const ModeTable& Table() {
  return kTable;
}

}  // namespace entente::engine::twopc
