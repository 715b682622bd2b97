// What a participant holds for a branch, and for how long.
#include <algorithm>

#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

// The expiry that the definition states for the branch, and the one that came with its answer: the
// earlier of the two.
Result<std::optional<Instant>> ExpiryOf(const Turn& turn, BranchRef ref) {
  ENTENTE_ASSIGN_OR_RETURN(std::optional<Instant> expires, EvaluateExpiry(turn.draft, ref));
  const std::optional<Instant>& answered = DoneOf(turn.event).expires;
  if (answered) {
    expires = std::min(expires.value_or(*answered), *answered);
  }
  return expires;
}

}  // namespace

void LimitReservation(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  const bool active = draft.status() == TxnStatus::kActive;
  const auto expires = ExpiryOf(turn, ref);
  const BranchId id = draft.branch(ref).id;
  if (!expires.ok()) {
    if (active) {
      DecideAbort(turn, {AbortCause::kExpression, id, FailureFrom(expires.status()), std::nullopt});
    }
    return;
  }
  if (!*expires) {
    return;
  }
  const Instant safe_until = **expires - ExpiryMargin(draft, ref);
  draft.Record(ReservationExpires{id, **expires, safe_until});
  if (active) {
    draft.Arm(ref, safe_until);
  }
}

void Expire(Turn& turn, BranchRef ref) {
  const BranchFacts& branch = turn.draft.branch(ref);
  const std::string when =
      branch.expires_at ? " at " + FormatInstant(*branch.expires_at) : std::string();
  DecideAbort(turn, {AbortCause::kExpired, branch.id,
                     Failure{"reservation.expired", "what branch '" + branch.id.str() +
                                                        "' reserved expires" + when +
                                                        ": too soon to be confirmed safely"},
                     std::nullopt});
}

std::optional<BranchRef> FindExpired(const Draft& draft) {
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const size_t size = draft.step(step).size;
    for (size_t i = 0; i < size; ++i) {
      const BranchFacts& branch = draft.branch({step, i});
      if (branch.expires_at && IsPast(branch.wake_at, draft.now())) {
        return BranchRef{step, i};
      }
    }
  }
  return std::nullopt;
}

}  // namespace entente::engine
