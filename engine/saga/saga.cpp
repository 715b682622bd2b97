// The saga's transition tables. tests/engine enumerates every cell.
#include "engine/saga/saga.h"

#include "engine/actions/cells.h"
#include "engine/saga/advance.h"

namespace entente::engine::saga {
namespace {

using namespace cells;  // NOLINT(google-build-using-namespace): a table reads better without.

// Only a saga can be a child that its parent holds.
constexpr TxnRowCells kHoldableRow = [] {
  TxnRowCells row = kActiveRow;
  row[static_cast<size_t>(TxnEvent::kLetGo)] = kLetGo;
  return row;
}();

// clang-format off
constexpr TxnTable kTransaction = {{
    kNoneRow,
    kHoldableRow,
    // COMMITTING: past the pivot.
    {kExists, kReply, kCompletion, kTimer, kMissDeadline, kRearmDeadline,
     kPastPivot, kSignal, kPause, kResume, kRetry, kSkip, kResolve, kRecover,
     kPastPivot, kPastPivot, kNothing},
    kCommittedRow,
    kAbortingRow,
    kAbortedRow,
    kMixedRow,
}};

constexpr std::array<Course, kTxnRows> kCourse = {
    Course::kDriving, Course::kDriving, Course::kDriving, Course::kDriving,
    Course::kUndoing, Course::kUndoing, Course::kUndoing};

constexpr BranchTable kDriving = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         Forward(kSucceed),
    /* forward-backoff */ ForwardBackoff(kSucceed),
    /* forward-pending */ ForwardPendingRow(kSucceed),
    /* waiting */         kWaiting,
    /* done */            kSettledRow,
    /* refused */         kRefusedRow,
    /* gave-up */         kIdle,
    /* forward-stuck */   {kSucceed, o, o, o, o, o,
                           o, o, kSucceed, L, L,
                           o, kRetryForward, kSkipIt, o, o, o, o},
    // Before the abort is decided only a call that was given up is undone, for an alternative.
    /* undo */            kSettling,
    /* undo-backoff */    kSettlingBackoff,
    /* undo-pending */    kSettlingPending,
    /* undone */          kSettledRow,
    /* undo-stuck */      kSettlingStuck,
    /* finish */          kNever,
    /* finish-backoff */  kNever,
    /* finish-pending */  kNever,
    /* finished */        kNever,
    /* finish-stuck */    kNever,
    /* enlisted */        kIdle,
    /* read-only */       kNever,
}};

constexpr BranchTable kUndoing = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         StoppedForward(kSucceed),
    /* forward-backoff */ StoppedBackoff(kSucceed),
    /* forward-pending */ kStoppedPendingRow,
    /* waiting */         kIdle,
    /* done */            kSettledRow,
    /* refused */         kRefusedRow,
    /* gave-up */         kIdle,
    /* forward-stuck */   {kSucceed, o, o, o, o, o,
                           o, o, kSucceed, L, L,
                           o, A, kSkipIt, o, kStopStuck, o, o},
    /* undo */            kSettling,
    /* undo-backoff */    kSettlingBackoff,
    /* undo-pending */    kSettlingPending,
    /* undone */          kSettledRow,
    /* undo-stuck */      kSettlingStuck,
    /* finish */          kNever,
    /* finish-backoff */  kNever,
    /* finish-pending */  kNever,
    /* finished */        kNever,
    /* finish-stuck */    kNever,
    /* enlisted */        kIdle,
    /* read-only */       kNever,
}};
// clang-format on

constexpr ModeTable kTable = {Mode::kSaga,
                              kTransaction,
                              kCourse,
                              // A saga has no operation that makes a step final.
                              {kDriving, kNeverTaken, kUndoing},
                              &Advance,
                              &PivotInDoubt,
                              /*lazy_settling=*/false};

}  // namespace

const ModeTable& Table() {
  return kTable;
}

}  // namespace entente::engine::saga
