#include "coordinator/api/view.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "coordinator/api/text.h"
#include "engine/child_gid.h"

namespace entente::api {
namespace {

using engine::BranchPhase;
using engine::BranchState;

engine::Role RoleOf(BranchPhase phase) {
  switch (phase) {
    case BranchPhase::kBlocked:
    case BranchPhase::kSkipped:
    case BranchPhase::kForward:
    case BranchPhase::kForwardBackoff:
    case BranchPhase::kForwardPending:
    case BranchPhase::kWaiting:
    case BranchPhase::kDone:
    case BranchPhase::kRefused:
    case BranchPhase::kGaveUp:
    case BranchPhase::kEnlisted:
    case BranchPhase::kReadOnly:
    case BranchPhase::kForwardStuck: return engine::Role::kForward;
    case BranchPhase::kUndo:
    case BranchPhase::kUndoBackoff:
    case BranchPhase::kUndoPending:
    case BranchPhase::kUndone:
    case BranchPhase::kUndoStuck: return engine::Role::kUndo;
    case BranchPhase::kFinish:
    case BranchPhase::kFinishBackoff:
    case BranchPhase::kFinishPending:
    case BranchPhase::kFinished:
    case BranchPhase::kFinishStuck: return engine::Role::kFinish;
  }
  CheckFailed("BranchPhase is a declared enumerator", __FILE__, __LINE__);
}

bool IsBackoff(BranchPhase phase) {
  return phase == BranchPhase::kForwardBackoff || phase == BranchPhase::kUndoBackoff ||
         phase == BranchPhase::kFinishBackoff;
}
bool IsPending(BranchPhase phase) {
  return phase == BranchPhase::kForwardPending || phase == BranchPhase::kUndoPending ||
         phase == BranchPhase::kFinishPending;
}
bool IsCalling(BranchPhase phase) {
  return phase == BranchPhase::kForward || phase == BranchPhase::kUndo ||
         phase == BranchPhase::kFinish;
}
bool IsStuck(BranchPhase phase) {
  return phase == BranchPhase::kForwardStuck || phase == BranchPhase::kUndoStuck ||
         phase == BranchPhase::kFinishStuck;
}

// The operation that a branch performs or performed last, or null.
const dsl::OperationTemplate* OperationOf(const dsl::CallWork& work, engine::Role role,
                                          const BranchState& branch) {
  if (branch.alternative > work.alternatives.size()) {
    return nullptr;
  }
  const dsl::CallWay& way = work.way(branch.alternative);
  switch (role) {
    case engine::Role::kForward: return way.forward ? &*way.forward : nullptr;
    case engine::Role::kUndo:
      if (!way.undo) {
        return nullptr;
      }
      return branch.undo_without_output && way.undo->other_call ? &*way.undo->other_call
                                                                : &way.undo->call;
    case engine::Role::kFinish: return way.finish ? &*way.finish : nullptr;
  }
  CheckFailed("Role is a declared enumerator", __FILE__, __LINE__);
}

// Whoever a step calls, also where its forward operation is the client's own.
const dsl::CallTemplate* AnyCallOf(const dsl::CallWork& work) {
  const dsl::OperationTemplate* operation = work.forward  ? &*work.forward
                                            : work.finish ? &*work.finish
                                            : work.undo   ? &work.undo->call
                                                          : nullptr;
  return operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
}

// How the participant of a two-phase commit voted; empty if it did not, or did not have to.
std::string_view VoteOf(const BranchState& branch) {
  switch (RoleOf(branch.phase)) {
    case engine::Role::kForward:
      return branch.phase == BranchPhase::kReadOnly                       ? "read-only"
             : branch.phase == BranchPhase::kDone                         ? "yes"
             : branch.phase == BranchPhase::kRefused && !branch.one_phase ? "no"
                                                                          : "";
    case engine::Role::kUndo: return branch.undo_without_output ? "" : "yes";
    case engine::Role::kFinish: return branch.one_phase ? "" : "yes";
  }
  CheckFailed("Role is a declared enumerator", __FILE__, __LINE__);
}

struct Context {
  const TxnDetail& detail;
  const dsl::Plan& plan;
  const engine::TxnState& state;
  const dsl::Step& step;
};

// The signal that a wait step is there for, or nothing.
std::string_view SignalOf(const dsl::Step& step) {
  const auto* wait = std::get_if<dsl::WaitWork>(&step.work);
  const auto* signal = wait != nullptr ? std::get_if<dsl::WaitSignal>(wait) : nullptr;
  return signal == nullptr ? std::string_view() : std::string_view(signal->name);
}

bool MayStillStart(const engine::TxnState& state) {
  return !state.finished() && state.status != engine::TxnStatus::kAborting;
}

std::string_view WhyBlocked(const Context& at, const BranchState& branch,
                            const dsl::CallTemplate* call, bool is_child) {
  if (at.state.finished()) {
    return {};
  }
  if (IsStuck(branch.phase)) {
    return "operator";
  }
  if (IsPending(branch.phase)) {
    return "participant";
  }
  if (IsCalling(branch.phase)) {
    if (is_child) {
      return "child";
    }
    return call != nullptr && call->participant < at.detail.blocked_by.size()
               ? std::string_view(at.detail.blocked_by[call->participant])
               : std::string_view();
  }
  if (IsBackoff(branch.phase)) {
    return at.state.paused ? "paused" : "timer";
  }
  if (!MayStillStart(at.state)) {
    return {};
  }
  if (branch.phase == BranchPhase::kWaiting) {
    return at.state.paused ? "paused" : branch.signal.empty() ? "timer" : "signal";
  }
  if (branch.phase == BranchPhase::kEnlisted && !at.state.closed) {
    return "client";
  }
  if (branch.phase == BranchPhase::kBlocked || branch.phase == BranchPhase::kEnlisted) {
    return at.state.paused ? "paused" : "predecessors";
  }
  return {};
}

// The transaction that the operation is, or else that the forward operation was.
std::string ChildOf(const Context& at, const BranchState& branch, engine::Role role,
                    const dsl::OperationTemplate* operation) {
  const auto* child = operation == nullptr ? nullptr : std::get_if<dsl::ChildTemplate>(operation);
  const bool current = child != nullptr && !child->aborts_forward;
  const engine::CommandId command{at.state.gid, branch.id, current ? role : engine::Role::kForward,
                                  branch.alternative};
  const uint32_t run = command.role == engine::Role::kForward ? branch.forward_run : branch.run;
  return engine::ChildGidOf(command, at.plan.mode, run).str();
}

// What is not called has no operation, no attempts and nothing to wait for but the client.
void DescribeEnlisted(const Context& at, const BranchState& branch, BranchFields& fields) {
  fields.key = engine::StepKey({at.state.gid, branch.id, engine::Role::kForward, 0});
  fields.blocked_by = WhyBlocked(at, branch, nullptr, false);
}

// The number of the last attempt that the budget allows. An operator's retry renews the budget, but
// attempts are counted on.
uint32_t MaxAttempts(const dsl::Step& step, engine::Role role, const BranchState& branch) {
  const dsl::RetryPolicy& planned = role == engine::Role::kForward ? step.retry : step.settle_retry;
  const bool edited = branch.edit != nullptr && branch.edit->retry;
  const uint32_t budget = edited ? branch.edit->retry->attempts : planned.attempts;
  return budget + branch.attempt - std::min(branch.attempt, branch.budget_used);
}

void DescribeCall(const Context& at, const BranchState& branch, engine::Role role,
                  BranchFields& fields) {
  const auto& work = std::get<dsl::CallWork>(at.step.work);
  const dsl::OperationTemplate* operation = OperationOf(work, role, branch);
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  if (const dsl::CallTemplate* named = call != nullptr ? call : AnyCallOf(work)) {
    fields.participant = at.plan.participants[named->participant].name;
  }
  if (branch.phase == BranchPhase::kEnlisted) {
    DescribeEnlisted(at, branch, fields);
    return;
  }
  const bool is_child = work.forward && std::holds_alternative<dsl::ChildTemplate>(*work.forward);
  const bool began = branch.phase != BranchPhase::kBlocked && branch.phase != BranchPhase::kSkipped;
  if (is_child && began) {
    fields.child = ChildOf(at, branch, role, operation);
  }
  fields.operation = dsl::OperationName(at.plan.mode, role);
  if (at.plan.mode == dsl::Mode::kTwoPhaseCommit) {
    fields.vote = VoteOf(branch);
  }
  fields.max_attempts = MaxAttempts(at.step, role, branch);
  fields.key = engine::StepKey({at.state.gid, branch.id, role, branch.alternative});
  fields.blocked_by = WhyBlocked(at, branch, call, is_child && call == nullptr);
}

// A wait that the abort ended: it waits no more, and certainly had no effect.
bool IsCalledOff(const engine::TxnState& state, const BranchState& branch) {
  return branch.phase == BranchPhase::kWaiting && !MayStillStart(state);
}

// What the branch does next by itself. Nothing once the transaction has ended; and a pending
// operation without a URL is not asked for: its `deadline` says how long it may take.
void DescribeWhatIsDue(const engine::TxnState& state, const BranchState& branch,
                       BranchFields& fields) {
  if (state.finished() || IsCalledOff(state, branch)) {
    return;
  }
  if (IsBackoff(branch.phase) || (IsPending(branch.phase) && !branch.poll_url.empty())) {
    fields.next_attempt_at = branch.wake_at;
  } else if (branch.phase == BranchPhase::kWaiting) {
    fields.waits_until = branch.wake_at;
  }
}

BranchFields DescribeBranch(const Context& at, const BranchState& branch,
                            std::optional<uint32_t> index) {
  BranchFields fields;
  fields.id = branch.id.str();
  fields.step = at.step.id;
  fields.index = index;
  fields.phase =
      engine::BranchPhaseName(IsCalledOff(at.state, branch) ? BranchPhase::kRefused : branch.phase);
  fields.alternative = branch.alternative;
  fields.attempt = branch.attempt;
  fields.may_have_happened = branch.may_have_happened;
  fields.output = branch.output.is_null() ? nullptr : &branch.output;
  fields.item = branch.item.is_null() ? nullptr : &branch.item;
  fields.failure = branch.failure ? &*branch.failure : nullptr;
  fields.started_at = branch.started_at;
  fields.ended_at = branch.ended_at;
  fields.stuck_since = branch.stuck_since;
  DescribeWhatIsDue(at.state, branch, fields);
  fields.one_phase = branch.one_phase;
  fields.expires_at = branch.expires_at;
  if (branch.heuristic) {
    fields.heuristic = engine::HeuristicOutcomeName(*branch.heuristic);
  }
  const bool held = branch.phase == BranchPhase::kDone || branch.phase == BranchPhase::kEnlisted;
  if (held && branch.expires_at && at.state.status == engine::TxnStatus::kActive) {
    fields.decide_by = branch.wake_at;
  }
  // A commit in one phase is the only call there was, also when it was refused.
  const engine::Role role = branch.one_phase ? engine::Role::kFinish : RoleOf(branch.phase);
  fields.deadline = branch.deadline;
  const bool settled = branch.ended_at.has_value();
  if (!fields.deadline && role == engine::Role::kForward && !settled) {
    fields.deadline = branch.forward_deadline;
  }
  if (std::holds_alternative<dsl::CallWork>(at.step.work)) {
    DescribeCall(at, branch, role, fields);
  } else {
    fields.operation = "wait";
    fields.signal = SignalOf(at.step);
    fields.blocked_by = WhyBlocked(at, branch, nullptr, false);
  }
  return fields;
}

// A step of which the state knows nothing but whether it was skipped.
BranchFields DescribeUnexpanded(const Context& at, bool skipped) {
  BranchFields fields;
  fields.id = at.step.id;
  fields.step = at.step.id;
  fields.phase = engine::BranchPhaseName(skipped ? BranchPhase::kSkipped : BranchPhase::kBlocked);
  if (const auto* work = std::get_if<dsl::CallWork>(&at.step.work)) {
    fields.operation = dsl::OperationName(at.plan.mode, engine::Role::kForward);
    if (const dsl::CallTemplate* call = AnyCallOf(*work)) {
      fields.participant = at.plan.participants[call->participant].name;
    }
  } else {
    fields.operation = "wait";
    fields.signal = SignalOf(at.step);
  }
  if (!skipped && MayStillStart(at.state)) {
    fields.blocked_by = at.state.paused ? "paused" : "predecessors";
  }
  return fields;
}

// A form or another text is shown as a string.
JsonText JsonOrText(const std::string& body) {
  auto json = JsonText::Parse(body, limits::kUndoJson);
  return json.ok() ? std::move(json).value() : JsonText(Json(ToUtf8(body)));
}

bool IsExpanded(const engine::TxnState& state, size_t step) {
  return step < state.steps.size() &&
         (state.steps[step].expanded || !state.steps[step].branches.empty());
}

// How many branches of a step are shown.
size_t ShownOf(const engine::TxnState& state, size_t step) {
  return IsExpanded(state, step) ? state.steps[step].branches.size() : 1;
}

}  // namespace

void ForEachBranch(const TxnDetail& detail, BranchPosition first, size_t count,
                   const std::function<void(const BranchFields&)>& visit) {
  const dsl::Plan& plan = *detail.view.plan;
  const engine::TxnState& state = *detail.view.state;
  for (size_t i = first.step; i < plan.steps.size() && count > 0; ++i) {
    const Context at{detail, plan, state, plan.steps[i]};
    const size_t size = ShownOf(state, i);
    for (size_t j = i == first.step ? first.index : 0; j < size && count > 0; ++j, --count) {
      // One that lost its race before it was called is never begun.
      const bool passed = IsExpanded(state, i) && state.steps[i].lost() &&
                          state.steps[i].branches[j].phase == BranchPhase::kBlocked;
      if (!IsExpanded(state, i) || passed) {
        visit(DescribeUnexpanded(at, i < state.steps.size() && state.steps[i].skipped));
        continue;
      }
      std::optional<uint32_t> index;
      if (at.step.for_each) {
        index = static_cast<uint32_t>(j);
      }
      visit(DescribeBranch(at, state.steps[i].branches[j], index));
    }
  }
}

void ForEachBranch(const TxnDetail& detail, const std::function<void(const BranchFields&)>& visit) {
  ForEachBranch(detail, {}, SIZE_MAX, visit);
}

size_t CountBranches(const TxnDetail& detail) {
  size_t count = 0;
  for (size_t i = 0; i < detail.view.plan->steps.size(); ++i) {
    count += ShownOf(*detail.view.state, i);
  }
  return count;
}

std::optional<BranchPosition> PositionAfter(const TxnDetail& detail, BranchPosition first,
                                            size_t count) {
  const size_t steps = detail.view.plan->steps.size();
  for (size_t i = first.step; i < steps; ++i) {
    const size_t size = ShownOf(*detail.view.state, i);
    const size_t skipped = i == first.step ? std::min(first.index, size) : 0;
    if (count < size - skipped) {
      return BranchPosition{i, skipped + count};
    }
    count -= size - skipped;
  }
  return std::nullopt;
}

bool HasTooManyBranches(const TxnDetail& detail) {
  return CountBranches(detail) > limits::kMaxBranchesShown;
}

const JsonText* OutputOf(const engine::TxnState& state) {
  const bool shown = state.status == engine::TxnStatus::kCommitted || !state.output.is_null();
  return shown ? &state.output : nullptr;
}

Result<BranchCallResult> BranchCallOf(const runtime::TxnView& view, const BranchId& branch) {
  if (view.plan == nullptr || !view.quarantine.empty()) {
    return FailedPrecondition("transaction.quarantined",
                              "transaction '" + view.state->gid.str() +
                                  "' is held back, so that nothing of it is known: resume it");
  }
  ENTENTE_ASSIGN_OR_RETURN(const engine::Effect effect,
                           engine::PreviewCall(*view.plan, *view.state, branch));
  const engine::BranchState* facts = engine::FindBranch(*view.state, branch);
  BranchCallResult result;
  result.branch = branch;
  result.edited = facts->edit != nullptr && facts->edit->body;
  if (const auto* child = std::get_if<engine::StartChild>(&effect)) {
    result.operation = dsl::OperationName(view.plan->mode, child->command.role);
    result.child = child->child.str();
    result.body = child->input;
    return result;
  }
  const auto& call = std::get<engine::CallBranch>(effect);
  result.operation = dsl::OperationName(view.plan->mode, call.command.role);
  result.participant = view.plan->participants[call.participant].name;
  if (const auto* grpc = std::get_if<engine::RenderedGrpc>(&call.request)) {
    result.method = grpc->method;
    result.body = grpc->body;
    return result;
  }
  const auto& http = std::get<engine::RenderedHttp>(call.request);
  result.method = http.method;
  // Whole where the participant has no address of its own.
  result.target = http.base_url + http.target;
  if (http.body) {
    result.body = JsonOrText(*http.body);
  }
  return result;
}

}  // namespace entente::api
