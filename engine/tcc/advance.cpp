#include "engine/tcc/advance.h"

#include "engine/actions/actions.h"

namespace entente::engine::tcc {
namespace {

// Every branch holds what it needs. A reservation that could be gone before its confirm arrives
// must not be relied upon: some would be confirmed and this one could not.
void Decide(Turn& turn) {
  if (const auto expired = FindExpired(turn.draft)) {
    Expire(turn, *expired);
    return;
  }
  turn.draft.Record(CommitDecided{});
}

}  // namespace

void Advance(Turn& turn) {
  if (DriveSteps(turn, DriveRules{}) && !turn.draft.paused()) {
    Decide(turn);
  }
  if (turn.draft.status() == TxnStatus::kCommitting) {
    FinishAll(turn);
  } else if (turn.draft.status() == TxnStatus::kAborting) {
    UndoAll(turn);
  }
}

void Tried(Turn& turn, BranchRef ref) {
  if (TakeDone(turn, ref, /*read_only=*/false)) {
    RequireFinish(turn, ref);
    LimitReservation(turn, ref);
  }
}

std::string_view NeverInDoubt(const Draft& /*draft*/) {
  return {};
}

}  // namespace entente::engine::tcc
