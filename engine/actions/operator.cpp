#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/utf8.h"
#include "engine/actions/actions.h"
#include "engine/family/family.h"

namespace entente::engine {
namespace {

// A branch that is stuck because it could not even begin: what was to be found out before it began
// is tried again.
Status Reopen(const Draft& draft, BranchRef ref) {
  const dsl::Step& step = draft.plan_step(ref);
  if (step.for_each && !draft.step(ref.step).for_each) {
    const auto items = EvaluateItems(draft, ref.step);
    return items.ok() ? InvalidArgument("expression.error",
                                        "the list of step '" + step.id +
                                            "' could not be read when it began: skip the branch "
                                            "with the output that later steps should see")
                      : items.status();
  }
  return step.block ? EvaluateWhen(draft, ref).status() : EvaluateWhen(draft, ref.step).status();
}

void RetryBranch(Turn& turn, BranchRef ref) {
  turn.draft.Record(
      OperatorRetried{turn.draft.branch(ref).id, std::get<RetryRequested>(turn.event).actor});
}

// Whether the branch's current operation sends a body that somebody could have written otherwise.
bool SendsBody(const Draft& draft, BranchRef ref) {
  const dsl::OperationTemplate* operation =
      OperationOf(draft, ref, RoleOf(draft.branch(ref).phase));
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  if (call == nullptr) {
    return false;
  }
  const auto* http = std::get_if<dsl::HttpRequestTemplate>(&call->request);
  return http == nullptr || http->body.has_value();
}

// What the next call would send; null if that can not be made out.
JsonText BodyOf(const Draft& draft, BranchRef ref) {
  const Result<Effect> rendered = RenderCall(draft, ref);
  const auto* call = rendered.ok() ? std::get_if<CallBranch>(&*rendered) : nullptr;
  if (call == nullptr) {
    return {};
  }
  if (const auto* grpc = std::get_if<RenderedGrpc>(&call->request)) {
    return grpc->body;
  }
  const std::string body = std::get<RenderedHttp>(call->request).body.value_or("");
  auto json = JsonText::Parse(body, limits::kUndoJson);
  return json.ok() ? std::move(json).value() : JsonText(Json(ToUtf8(body, body.size())));
}

// Before the retry that it is part of, in one append with it. False: it was refused.
bool ApplyEdit(Turn& turn, BranchRef ref) {
  Draft& draft = turn.draft;
  const auto& request = std::get<RetryRequested>(turn.event);
  if (!request.edit) {
    return true;
  }
  const BranchId id = draft.branch(ref).id;
  const bool calls = std::holds_alternative<dsl::CallWork>(draft.plan_step(ref).work);
  if (!calls || (request.edit->body && !SendsBody(draft, ref))) {
    draft.Reject(Refusal("branch.not_editable", draft.gid(), id));
    return false;
  }
  if (!draft.HasRoomFor(request.edit->body ? request.edit->body->bytes() : 0)) {
    draft.Reject(Refusal("transaction.too_large", draft.gid()));
    return false;
  }
  OperatorEdited edited{id, {}, request.edit->body, std::nullopt, request.actor};
  if (edited.body) {
    edited.before = BodyOf(draft, ref);
  }
  if (request.edit->retry) {
    edited.retry = request.edit->retry->ApplyTo(RetryOf(draft, ref));
  }
  draft.Record(std::move(edited));
  return true;
}

bool Acts(const Turn& turn, BranchRef ref, BranchEvent event) {
  return turn.table.at(turn.course(ref), turn.draft.branch(ref).phase, event).kind ==
         CellKind::kAct;
}

// Every branch whose table cell acts on `event`, in the order of the plan.
std::vector<BranchRef> BranchesThatAct(const Turn& turn, BranchEvent event) {
  std::vector<BranchRef> refs;
  for (size_t step = 0; step < turn.draft.plan().steps.size(); ++step) {
    const size_t size = turn.draft.step(step).size;
    for (size_t i = 0; i < size; ++i) {
      if (Acts(turn, {step, i}, event)) {
        refs.push_back({step, i});
      }
    }
  }
  return refs;
}

}  // namespace

void RetryForward(Turn& turn, BranchRef ref) {
  if (!ApplyEdit(turn, ref)) {
    return;
  }
  const bool began = turn.draft.branch(ref).attempt > 0;
  RetryBranch(turn, ref);
  if (!began) {
    if (const Status status = Reopen(turn.draft, ref); !status.ok()) {
      EndByExpression(turn, ref, status);
      return;
    }
  }
  if (!BeginWithoutCall(turn, ref)) {
    EmitCall(turn, ref);
  }
}

void RetrySettling(Turn& turn, BranchRef ref) {
  if (!ApplyEdit(turn, ref)) {
    return;
  }
  const BranchFacts& branch = turn.draft.branch(ref);
  const auto& undo = WayOf(turn.draft.plan_step(ref), branch)->undo;
  const bool needs_outcome = RoleOf(branch.phase) == Role::kUndo && branch.undo_without_output &&
                             undo->when_unknown == dsl::UndoTemplate::WhenUnknown::kIncident;
  const Failure failure = branch.failure.value_or(Failure{});
  const bool by_hand = failure.code == kUndoneByHand && RoleOf(branch.phase) == Role::kUndo &&
                       HoldsChild(turn.draft.plan_step(ref), branch);
  RetryBranch(turn, ref);
  if (needs_outcome || by_hand) {
    RaiseIncident(turn, ref, failure);
  } else {
    EmitCall(turn, ref);
  }
}

void SkipBranch(Turn& turn, BranchRef ref) {
  const auto& request = std::get<SkipRequested>(turn.event);
  if (!turn.draft.HasRoomFor(request.output.bytes())) {
    turn.draft.Reject(Refusal("transaction.too_large", turn.draft.gid()));
    return;
  }
  turn.draft.Record(OperatorSkipped{turn.draft.branch(ref).id, request.output, request.actor});
  RequireFinish(turn, ref);
}

void Pause(Turn& turn) {
  if (turn.draft.paused()) {
    turn.draft.Force();
    return;
  }
  turn.draft.Record(Paused{std::get<PauseRequested>(turn.event).actor});
}

void Resume(Turn& turn) {
  Draft& draft = turn.draft;
  if (!draft.paused()) {
    draft.Force();
    return;
  }
  draft.Record(Resumed{std::get<ResumeRequested>(turn.event).actor});
  for (size_t step = 0; step < draft.plan().steps.size(); ++step) {
    const size_t size = draft.step(step).size;
    for (size_t i = 0; i < size; ++i) {
      // What is due acts now; what is not is armed again.
      if (draft.branch({step, i}).wake_at) {
        FireTimer(turn, {step, i});
      }
    }
  }
}

void Retry(Turn& turn) {
  Draft& draft = turn.draft;
  const auto& request = std::get<RetryRequested>(turn.event);
  if (draft.paused()) {
    draft.Reject(Refusal("transaction.paused", draft.gid()));
    return;
  }
  if (request.edit && !request.branch) {
    draft.Reject(InvalidArgument("operator.branch_required", "say which branch to edit"));
    return;
  }
  if (request.branch) {
    if (const auto ref = draft.Locate(*request.branch)) {
      Dispatch(turn, *ref, BranchEvent::kOperatorRetry);
    } else {
      draft.Reject(Refusal("branch.not_found", draft.gid(), *request.branch));
    }
    return;
  }
  const std::vector<BranchRef> refs = BranchesThatAct(turn, BranchEvent::kOperatorRetry);
  if (refs.empty()) {
    draft.Reject(FailedPrecondition("branch.not_stuck",
                                    "no branch of transaction '" + draft.gid().str() +
                                        "' can be retried: none is stuck or between two attempts"));
    return;
  }
  for (const BranchRef ref : refs) {
    if (Acts(turn, ref, BranchEvent::kOperatorRetry)) {  // An earlier one may have led to an abort.
      Dispatch(turn, ref, BranchEvent::kOperatorRetry);
    }
  }
}

void Skip(Turn& turn) {
  const auto& request = std::get<SkipRequested>(turn.event);
  if (const auto ref = turn.draft.Locate(request.branch)) {
    Dispatch(turn, *ref, BranchEvent::kOperatorSkip);
  } else {
    turn.draft.Reject(Refusal("branch.not_found", turn.draft.gid(), request.branch));
  }
}

void Resolve(Turn& turn) {
  const auto& request = std::get<ResolveRequested>(turn.event);
  if (request.outcome != TxnStatus::kCommitted && request.outcome != TxnStatus::kAborted) {
    turn.draft.Reject(InvalidArgument(
        "resolve.bad_outcome", "a transaction can be resolved as COMMITTED or ABORTED, not as " +
                                   std::string(TxnStatusName(request.outcome))));
    return;
  }
  const Draft& draft = turn.draft;
  if (draft.held() && draft.status() == TxnStatus::kActive && !draft.paused()) {
    // Its parent takes it for done, and would not hear of it.
    turn.draft.Reject(Refusal("transaction.held", draft.gid()));
    return;
  }
  turn.draft.Record(
      Ended{TxnStatus::kMixed, JsonText(), std::nullopt, request.outcome, request.actor});
  turn.draft.Emit(NotifyEnded{});
}

}  // namespace entente::engine
