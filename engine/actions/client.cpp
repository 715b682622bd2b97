// Transactions that a client drives itself: it enlists branches, works with their participants, and
// says when to commit.
#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

// A definition says by itself what belongs to a transaction.
bool RefuseUnlessClientDriven(Turn& turn) {
  if (turn.draft.plan().client_driven) {
    return false;
  }
  turn.draft.Reject(Refusal("transaction.not_client_driven", turn.draft.gid()));
  return true;
}

// The branch is known. The same description changes nothing; another one is a mistake.
void EnlistAgain(Turn& turn, const EnlistRequested& request, BranchRef ref) {
  if (turn.draft.base().steps[ref.step].source == request.source) {
    turn.draft.Force();
    return;
  }
  turn.draft.Reject(AlreadyExists(
      "branch.content_differs",
      "transaction '" + turn.draft.gid().str() + "' has a branch '" + request.branch.str() +
          "' that was enlisted with other content: use another id, or enlist exactly what was "
          "enlisted first"));
}

}  // namespace

void Enlist(Turn& turn) {
  Draft& draft = turn.draft;
  const auto& request = std::get<EnlistRequested>(turn.event);
  if (RefuseUnlessClientDriven(turn)) {
    return;
  }
  if (draft.closed()) {
    draft.Reject(Refusal("transaction.committing", draft.gid()));
    return;
  }
  if (const auto ref = draft.Locate(request.branch)) {
    EnlistAgain(turn, request, *ref);
    return;
  }
  if (!draft.HasRoomFor(request.source.size())) {
    draft.Reject(Refusal("transaction.too_large", draft.gid()));
    return;
  }
  const size_t step = draft.base().steps.size();
  // The host's part of the contract: the plan has the branch.
  ENTENTE_CHECK(draft.plan().steps.size() == step + 1);
  ENTENTE_CHECK(draft.plan().steps[step].id == request.branch.str());
  draft.Record(BranchEnlisted{step, request.branch, request.source});
  if (Status failed = CheckFinish(draft, {step, 0}); !failed.ok()) {
    draft.Reject(std::move(failed));
    return;
  }
  LimitReservation(turn, {step, 0});
}

void Close(Turn& turn) {
  if (RefuseUnlessClientDriven(turn)) {
    return;
  }
  if (turn.draft.closed()) {
    turn.draft.Force();
    return;
  }
  turn.draft.Record(EnlistmentClosed{});
}

// It had been closed when it was aborted: whoever asks again learns the same outcome. One that was
// aborted before anybody asked is told so.
void CloseAborted(Turn& turn) {
  if (RefuseUnlessClientDriven(turn)) {
    return;
  }
  if (turn.draft.closed()) {
    turn.draft.Force();
  } else {
    turn.draft.Reject(Refusal("transaction.aborted", turn.draft.gid()));
  }
}

void CloseAgain(Turn& turn) {
  if (!RefuseUnlessClientDriven(turn)) {
    turn.draft.Force();
  }
}

}  // namespace entente::engine
