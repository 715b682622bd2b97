// The transition tables of TCC. tests/engine enumerates every cell.
#include "engine/tcc/tcc.h"

#include "engine/actions/cells.h"
#include "engine/tcc/advance.h"

namespace entente::engine::tcc {
namespace {

using namespace cells;  // NOLINT(google-build-using-namespace): a table reads better without.

constexpr BranchCell kTried = Act(&Tried, "tried");
constexpr BranchCell kExpire = Act(&Expire, "expire");

// clang-format off
constexpr TxnTable kTransaction = {{
    kNoneRow,
    kActiveRow,
    // COMMITTING: every branch is confirmed until done.
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

// Holds a reservation, which may run out before the decision. Whoever was not told that we know may
// say so again.
constexpr BranchRow kReserved = {
    o, o, o, o, o, o,
    kExpire, kRearm, o, L, L,
    o, N, N, o, o, o, o};
// A client says so itself.
constexpr BranchRow kEnlistedRow = {
    o, o, o, o, o, o,
    kExpire, kRearm, L, L, L,
    o, N, N, o, o, o, o};

constexpr BranchTable kDriving = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         Forward(kTried),
    /* forward-backoff */ ForwardBackoff(kTried),
    /* forward-pending */ ForwardPendingRow(kTried),
    /* waiting */         kWaiting,
    /* done */            kReserved,
    /* refused */         kRefusedRow,
    /* gave-up */         kNever,
    /* forward-stuck */   kNever,
    // Nothing is settled before the decision.
    /* undo */            kNever,
    /* undo-backoff */    kNever,
    /* undo-pending */    kNever,
    /* undone */          kNever,
    /* undo-stuck */      kNever,
    /* finish */          kNever,
    /* finish-backoff */  kNever,
    /* finish-pending */  kNever,
    /* finished */        kNever,
    /* finish-stuck */    kNever,
    /* enlisted */        kEnlistedRow,
    /* read-only */       kNever,
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
    /* enlisted */        kIdle,
    /* read-only */       kNever,
}};

constexpr BranchTable kUndoing = {{
    /* blocked */         kIdle,
    /* skipped */         kNever,
    /* forward */         StoppedForward(kTried),
    /* forward-backoff */ StoppedBackoff(kTried),
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
    /* finish-backoff */  kNever,
    /* finish-pending */  kNever,
    /* finished */        kNever,
    /* finish-stuck */    kNever,
    /* enlisted */        kIdle,
    /* read-only */       kNever,
}};
// clang-format on

constexpr ModeTable kTable = {Mode::kTcc,
                              kTransaction,
                              kCourse,
                              {kDriving, kFinishing, kUndoing},
                              &Advance,
                              &NeverInDoubt,
                              /*lazy_settling=*/true};

}  // namespace

const ModeTable& Table() {
  return kTable;
}

}  // namespace entente::engine::tcc
