// Records, as histories and event streams show them.
#include <type_traits>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "coordinator/api/view.h"

namespace entente::api {
namespace {

std::string StepName(size_t step, const dsl::Plan* plan) {
  return plan != nullptr && step < plan->steps.size() ? plan->steps[step].id
                                                      : "#" + std::to_string(step);
}

const JsonText* ValueOrNothing(const JsonText& value) {
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
    out_.client_driven = record.client_driven;
    out_.payload = record.client_driven ? nullptr : &record.input;
    out_.deadline = record.deadline;
    out_.parent = record.parent ? &*record.parent : nullptr;
  }
  void operator()(const engine::StepExpanded& record) {
    out_.step = record.id.empty() ? StepName(record.step, plan_) : record.id;
    if (record.for_each) {
      out_.owned_payload = JsonText::ArrayOf(record.items);
    }
  }
  void operator()(const engine::StepSkipped& record) {
    out_.step = StepName(record.step, plan_);
    out_.branch = record.branch ? std::string_view(record.branch->str()) : std::string_view();
  }
  void operator()(const engine::OperationStarted& record) {
    out_.operation = dsl::OperationName(mode_, record.role);
    out_.alternative = record.alternative;
    out_.deadline = record.deadline;
    out_.one_phase = record.one_phase;
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
  void operator()(const engine::PollScheduled& record) {
    out_.due_at = record.wake_at;
    out_.failure = record.failure ? &*record.failure : nullptr;
  }
  void operator()(const engine::OperationSucceeded& record) {
    out_.payload = ValueOrNothing(record.output);
    out_.vote = record.read_only ? "read-only" : "";
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
  void operator()(const engine::Held& record) {
    out_.payload = ValueOrNothing(record.output);
    out_.failure = record.output_failure ? &*record.output_failure : nullptr;
  }
  void operator()(const engine::DeadlineMissed&) {}
  void operator()(const engine::SignalReceived& record) {
    out_.name = record.name;
    out_.payload = ValueOrNothing(record.payload);
  }
  void operator()(const engine::Paused& record) { out_.actor = &record.actor; }
  void operator()(const engine::Resumed& record) { out_.actor = &record.actor; }
  void operator()(const engine::OperatorRetried& record) { out_.actor = &record.actor; }
  // {"before": ..., "body": ..., "retry": {...}}: what was changed, and into what.
  void operator()(const engine::OperatorEdited& record) {
    out_.actor = &record.actor;
    Json change = Json::object();
    if (record.body) {
      change["before"] = record.before.Read();
      change["body"] = record.body->Read();
    }
    if (record.retry) {
      change["retry"] = {{"initial", FormatDuration(record.retry->initial)},
                         {"factor", record.retry->factor},
                         {"max", FormatDuration(record.retry->max)},
                         {"attempts", record.retry->attempts},
                         {"jitter", record.retry->jitter}};
    }
    out_.owned_payload = JsonText(change);
  }
  void operator()(const engine::OperatorSkipped& record) {
    out_.actor = &record.actor;
    out_.payload = ValueOrNothing(record.output);
  }
  void operator()(const engine::OperatorCompleted& record) { out_.actor = &record.actor; }
  void operator()(const engine::Ended& record) {
    out_.status = engine::TxnStatusName(record.status);
    out_.payload = ValueOrNothing(record.output);
    out_.failure = record.output_failure ? &*record.output_failure : nullptr;
    out_.forced = record.forced ? engine::TxnStatusName(*record.forced) : std::string_view();
    out_.actor = record.actor ? &*record.actor : nullptr;
  }
  void operator()(const engine::BranchEnlisted& record) {
    out_.step = StepName(record.step, plan_);
    if (auto branch = JsonText::Parse(record.source, limits::kDefinitionJson); branch.ok()) {
      out_.owned_payload = std::move(branch).value();
    }
  }
  void operator()(const engine::EnlistmentClosed&) {}
  void operator()(const engine::ClockSetBack&) {}
  void operator()(const engine::HeuristicReported& record) {
    out_.outcome = engine::HeuristicOutcomeName(record.outcome);
    out_.failure = &record.failure;
  }
  void operator()(const engine::ReservationExpires& record) {
    out_.expires_at = record.expires;
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
