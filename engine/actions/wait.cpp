#include "engine/actions/actions.h"

namespace entente::engine {
namespace {

const dsl::WaitSignal* SignalOf(const Draft& draft, BranchRef ref) {
  return std::get_if<dsl::WaitSignal>(&std::get<dsl::WaitWork>(draft.plan_step(ref).work));
}

}  // namespace

void BeginWait(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  const auto until = EvaluateWait(draft, ref);
  if (!until.ok()) {
    EndByExpression(turn, ref, until.status());
    return;
  }
  const dsl::WaitSignal* wanted = SignalOf(draft, ref);
  const BranchId id = draft.branch(ref).id;
  draft.Record(WaitStarted{id, *until, wanted != nullptr ? wanted->name : std::string()});
  const auto kept =
      wanted != nullptr ? draft.signals(wanted->name) : std::vector<const JsonText*>();
  if (!kept.empty()) {
    draft.Record(OperationSucceeded{id, *kept.front()});
  } else if (*until) {
    draft.Arm(ref, **until);
  }
}

void WaitOver(Turn& turn, BranchRef ref) {
  const dsl::WaitSignal* wanted = SignalOf(turn.draft, ref);
  if (wanted == nullptr || !wanted->fail_on_timeout) {
    turn.draft.Record(OperationSucceeded{turn.draft.branch(ref).id, JsonText()});
    return;
  }
  EndForward(turn, ref,
             {Failure{"wait.timeout",
                      "the signal '" + wanted->name + "' did not come " +
                          (wanted->timeout ? "within " + FormatDuration(*wanted->timeout)
                                           : std::string("in the time that was computed for it"))},
              false, AbortCause::kRefused, false});
}

void TakeSignal(Turn& turn, BranchRef ref) {
  turn.draft.Record(
      OperationSucceeded{turn.draft.branch(ref).id, std::get<SignalSent>(turn.event).payload});
}

}  // namespace entente::engine
