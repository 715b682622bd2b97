#include "coordinator/api/view.h"

#include <type_traits>
#include <utility>
#include <variant>

namespace entente::api {
namespace {

using engine::BranchPhase;
using engine::BranchState;
using engine::Role;

Role RoleOf(BranchPhase phase) {
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
    case BranchPhase::kForwardStuck: return Role::kForward;
    case BranchPhase::kUndo:
    case BranchPhase::kUndoBackoff:
    case BranchPhase::kUndoPending:
    case BranchPhase::kUndone:
    case BranchPhase::kUndoStuck: return Role::kUndo;
    case BranchPhase::kFinish:
    case BranchPhase::kFinishBackoff:
    case BranchPhase::kFinishPending:
    case BranchPhase::kFinished:
    case BranchPhase::kFinishStuck: return Role::kFinish;
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
const dsl::OperationTemplate* OperationOf(const dsl::CallWork& work, Role role,
                                          const BranchState& branch) {
  switch (role) {
    case Role::kForward:
      if (branch.alternative == 0) {
        return work.forward ? &*work.forward : nullptr;
      }
      return branch.alternative <= work.alternatives.size()
                 ? &work.alternatives[branch.alternative - 1]
                 : nullptr;
    case Role::kUndo:
      if (!work.undo) {
        return nullptr;
      }
      return branch.undo_without_output && work.undo->other_call ? &*work.undo->other_call
                                                                 : &work.undo->call;
    case Role::kFinish: return work.finish ? &*work.finish : nullptr;
  }
  CheckFailed("Role is a declared enumerator", __FILE__, __LINE__);
}

struct Context {
  const TxnDetail& detail;
  const dsl::Plan& plan;
  const engine::TxnState& state;
  const dsl::Step& step;
};

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
  if (branch.phase == BranchPhase::kWaiting) {
    return at.state.paused ? "paused" : branch.signal.empty() ? "timer" : "signal";
  }
  if (IsBackoff(branch.phase)) {
    return at.state.paused ? "paused" : "timer";
  }
  if (branch.phase == BranchPhase::kBlocked && MayStillStart(at.state)) {
    return at.state.paused ? "paused" : "predecessors";
  }
  return {};
}

void DescribeCall(const Context& at, const BranchState& branch, Role role, BranchFields& fields) {
  const auto& work = std::get<dsl::CallWork>(at.step.work);
  const dsl::OperationTemplate* operation = OperationOf(work, role, branch);
  const auto* call = operation == nullptr ? nullptr : std::get_if<dsl::CallTemplate>(operation);
  if (call != nullptr) {
    fields.participant = at.plan.participants[call->participant].name;
  }
  const bool is_child = work.forward && std::holds_alternative<dsl::ChildTemplate>(*work.forward);
  const bool began = branch.phase != BranchPhase::kBlocked && branch.phase != BranchPhase::kSkipped;
  if (is_child && began) {
    fields.child = ChildGid(at.state.gid, branch.id).str();
  }
  fields.operation = dsl::OperationName(at.plan.mode, role);
  fields.max_attempts =
      role == Role::kForward ? at.step.retry.attempts : at.step.settle_retry.attempts;
  fields.key = engine::StepKey({at.state.gid, branch.id, role, branch.alternative});
  fields.blocked_by = WhyBlocked(at, branch, call, is_child && call == nullptr);
}

BranchFields DescribeBranch(const Context& at, const BranchState& branch,
                            std::optional<uint32_t> index) {
  BranchFields fields;
  fields.id = branch.id.str();
  fields.step = at.step.id;
  fields.index = index;
  fields.phase = engine::BranchPhaseName(branch.phase);
  fields.alternative = branch.alternative;
  fields.attempt = branch.attempt;
  fields.may_have_happened = branch.may_have_happened;
  fields.output = branch.output.is_null() ? nullptr : &branch.output;
  fields.item = branch.item.is_null() ? nullptr : &branch.item;
  fields.failure = branch.failure ? &*branch.failure : nullptr;
  fields.started_at = branch.started_at;
  fields.ended_at = branch.ended_at;
  fields.stuck_since = branch.stuck_since;
  if (IsBackoff(branch.phase) || IsPending(branch.phase)) {
    fields.next_attempt_at = branch.wake_at;
  } else if (branch.phase == BranchPhase::kWaiting) {
    fields.waits_until = branch.wake_at;
  }
  const Role role = RoleOf(branch.phase);
  fields.deadline = branch.deadline;
  const bool settled = branch.ended_at.has_value();
  if (!fields.deadline && role == Role::kForward && !settled) {
    fields.deadline = branch.forward_deadline;
  }
  if (std::holds_alternative<dsl::CallWork>(at.step.work)) {
    DescribeCall(at, branch, role, fields);
  } else {
    fields.operation = "wait";
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
    fields.operation = dsl::OperationName(at.plan.mode, Role::kForward);
    if (const auto* call =
            work->forward ? std::get_if<dsl::CallTemplate>(&*work->forward) : nullptr) {
      fields.participant = at.plan.participants[call->participant].name;
    }
  } else {
    fields.operation = "wait";
  }
  if (!skipped && MayStillStart(at.state)) {
    fields.blocked_by = at.state.paused ? "paused" : "predecessors";
  }
  return fields;
}

std::string StepName(size_t step, const dsl::Plan* plan) {
  return plan != nullptr && step < plan->steps.size() ? plan->steps[step].id
                                                      : "#" + std::to_string(step);
}

const Json* ValueOrNothing(const Json& value) {
  return value.is_null() ? nullptr : &value;
}

// One overload per record; what they have in common is in DescribeRecord.
class Describer {
 public:
  Describer(engine::Mode mode, const dsl::Plan* plan, HistoryFields& out)
      : mode_(mode), plan_(plan), out_(out) {}

  void operator()(const engine::Accepted& record) {
    out_.name = record.definition;
    out_.version = record.version;
    out_.payload = &record.input;
    out_.deadline = record.deadline;
    out_.parent = record.parent ? &*record.parent : nullptr;
  }
  void operator()(const engine::StepExpanded& record) {
    out_.step = record.id.empty() ? StepName(record.step, plan_) : record.id;
    if (record.for_each) {
      out_.owned_payload = Json(record.items);
    }
  }
  void operator()(const engine::StepSkipped& record) { out_.step = StepName(record.step, plan_); }
  void operator()(const engine::OperationStarted& record) {
    out_.operation = dsl::OperationName(mode_, record.role);
    out_.alternative = record.alternative;
    out_.deadline = record.deadline;
  }
  void operator()(const engine::WaitStarted& record) {
    out_.due_at = record.until;
    out_.name = record.signal;
  }
  void operator()(const engine::AttemptFailed& record) {
    out_.outcome = engine::AttemptOutcomeName(record.outcome);
    out_.failure = &record.failure;
    out_.due_at = record.retry_at;
  }
  void operator()(const engine::AttemptStarted&) {}
  void operator()(const engine::CallInterrupted&) {}
  void operator()(const engine::OperationPending& record) {
    out_.due_at = record.wake_at;
    out_.deadline = record.deadline;
  }
  void operator()(const engine::PollScheduled& record) { out_.due_at = record.wake_at; }
  void operator()(const engine::OperationSucceeded& record) {
    out_.payload = ValueOrNothing(record.output);
  }
  void operator()(const engine::OperationRefused& record) { out_.failure = &record.failure; }
  void operator()(const engine::OperationGaveUp& record) { out_.failure = &record.failure; }
  void operator()(const engine::IncidentRaised& record) { out_.failure = &record.failure; }
  void operator()(const engine::CommitDecided&) {}
  void operator()(const engine::AbortDecided& record) {
    out_.cause = engine::AbortCauseName(record.cause);
    out_.branch = record.branch ? std::string_view(record.branch->str()) : std::string_view();
    out_.failure = &record.failure;
    out_.actor = record.actor ? &*record.actor : nullptr;
  }
  void operator()(const engine::DeadlineMissed&) {}
  void operator()(const engine::SignalReceived& record) {
    out_.name = record.name;
    out_.payload = ValueOrNothing(record.payload);
  }
  void operator()(const engine::Paused& record) { out_.actor = &record.actor; }
  void operator()(const engine::Resumed& record) { out_.actor = &record.actor; }
  void operator()(const engine::OperatorRetried& record) { out_.actor = &record.actor; }
  void operator()(const engine::OperatorSkipped& record) {
    out_.actor = &record.actor;
    out_.payload = ValueOrNothing(record.output);
  }
  void operator()(const engine::Ended& record) {
    out_.status = engine::TxnStatusName(record.status);
    out_.payload = ValueOrNothing(record.output);
    out_.failure = record.output_failure ? &*record.output_failure : nullptr;
    out_.forced = record.forced ? engine::TxnStatusName(*record.forced) : std::string_view();
    out_.actor = record.actor ? &*record.actor : nullptr;
  }
  void operator()(const engine::BranchEnlisted&) {}
  void operator()(const engine::EnlistmentClosed&) {}
  void operator()(const engine::HeuristicReported& record) {
    out_.outcome = engine::HeuristicOutcomeName(record.outcome);
    out_.failure = &record.failure;
  }
  void operator()(const engine::ReservationExpires& record) {
    out_.deadline = record.expires;
    out_.due_at = record.safe_until;
  }

 private:
  engine::Mode mode_;
  const dsl::Plan* plan_;
  HistoryFields& out_;
};

template <class T>
concept NamesBranch = std::is_same_v<decltype(T::branch), BranchId>;

}  // namespace

void ForEachBranch(const TxnDetail& detail, const std::function<void(const BranchFields&)>& visit) {
  const dsl::Plan& plan = *detail.view.plan;
  const engine::TxnState& state = *detail.view.state;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const Context at{detail, plan, state, plan.steps[i]};
    const engine::StepState* step = i < state.steps.size() ? &state.steps[i] : nullptr;
    if (step == nullptr || (!step->expanded && step->branches.empty())) {
      visit(DescribeUnexpanded(at, step != nullptr && step->skipped));
      continue;
    }
    for (size_t j = 0; j < step->branches.size(); ++j) {
      std::optional<uint32_t> index;
      if (at.step.for_each) {
        index = static_cast<uint32_t>(j);
      }
      visit(DescribeBranch(at, step->branches[j], index));
    }
  }
}

const Json* OutputOf(const engine::TxnState& state) {
  const bool shown = state.status == engine::TxnStatus::kCommitted || !state.output.is_null();
  return shown ? &state.output : nullptr;
}

HistoryFields DescribeRecord(const engine::Record& record, engine::Mode mode,
                             const dsl::Plan* plan) {
  HistoryFields fields;
  fields.type = engine::RecordName(record);
  Describer describer(mode, plan, fields);
  std::visit(
      [&](const auto& body) {
        if constexpr (NamesBranch<std::decay_t<decltype(body)>>) {
          fields.branch = body.branch.str();
        }
        describer(body);
      },
      record.body);
  return fields;
}

engine::Mode ModeOf(const runtime::TxnEvent& event) {
  return event.plan != nullptr ? event.plan->mode : engine::Mode::kSaga;
}

}  // namespace entente::api
