#include "coordinator/api/access/redact.h"

#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "engine/sensitive.h"

namespace entente::api {
namespace {

void Clear(engine::Failure& failure) {
  failure.message.clear();
}

void Clear(std::optional<engine::Failure>& failure) {
  if (failure) {
    Clear(*failure);
  }
}

// Every kind of record, so that one that is added says what of it is a payload.
struct ClearRecord {
  void operator()(engine::Accepted& record) const { record.input = JsonText(); }
  void operator()(engine::BranchEnlisted& record) const { record.source.clear(); }
  void operator()(engine::EnlistmentClosed&) const {}
  void operator()(engine::StepExpanded& record) const {
    for (JsonText& item : record.items) {
      item = JsonText();
    }
  }
  void operator()(engine::StepSkipped&) const {}
  void operator()(engine::OperationStarted&) const {}
  void operator()(engine::WaitStarted&) const {}
  void operator()(engine::AttemptFailed& record) const { Clear(record.failure); }
  void operator()(engine::AttemptStarted&) const {}
  void operator()(engine::CallInterrupted&) const {}
  void operator()(engine::OperationPending& record) const { record.poll_url.clear(); }
  void operator()(engine::PollScheduled&) const {}
  void operator()(engine::OperationSucceeded& record) const { record.output = JsonText(); }
  void operator()(engine::ReservationExpires&) const {}
  void operator()(engine::HeuristicReported& record) const { Clear(record.failure); }
  void operator()(engine::OperationRefused& record) const { Clear(record.failure); }
  void operator()(engine::OperationGaveUp& record) const { Clear(record.failure); }
  void operator()(engine::IncidentRaised& record) const { Clear(record.failure); }
  void operator()(engine::CommitDecided&) const {}
  void operator()(engine::AbortDecided& record) const { Clear(record.failure); }
  void operator()(engine::Held& record) const {
    record.output = JsonText();
    if (record.output_failure) {
      Clear(*record.output_failure);
    }
  }
  void operator()(engine::DeadlineMissed&) const {}
  void operator()(engine::ClockSetBack&) const {}
  void operator()(engine::SignalReceived& record) const { record.payload = JsonText(); }
  void operator()(engine::Paused&) const {}
  void operator()(engine::Resumed&) const {}
  void operator()(engine::OperatorRetried&) const {}
  void operator()(engine::OperatorEdited& record) const {
    record.before = JsonText();
    if (record.body) {
      record.body = JsonText();
    }
  }
  void operator()(engine::OperatorSkipped& record) const { record.output = JsonText(); }
  void operator()(engine::OperatorCompleted&) const {}
  void operator()(engine::Ended& record) const {
    record.output = JsonText();
    Clear(record.output_failure);
  }
};

void Clear(engine::BranchState& branch) {
  branch.item = JsonText();
  branch.output = JsonText();
  branch.poll_url.clear();
  if (branch.edit != nullptr && branch.edit->body) {
    auto edit = std::make_shared<engine::BranchEdit>(*branch.edit);
    edit->body = JsonText();
    branch.edit = std::move(edit);
  }
  Clear(branch.failure);
}

engine::Sensitive SensitiveOf(const dsl::Plan& plan, const engine::TxnState& state) {
  auto sensitive = engine::Sensitive::Of(plan, state.input);
  sensitive.Learn(plan, state);
  return sensitive;
}

}  // namespace

runtime::TxnView WithoutSensitive(runtime::TxnView view) {
  if (view.plan == nullptr || !engine::HasSensitive(*view.plan)) {
    return view;
  }
  auto state = std::make_shared<engine::TxnState>(*view.state);
  SensitiveOf(*view.plan, *state).Hide(*state);
  view.state = std::move(state);
  return view;
}

runtime::History WithoutSensitive(runtime::History history) {
  const auto* accepted = history.entries.empty()
                             ? nullptr
                             : std::get_if<engine::Accepted>(&history.entries.front().record.body);
  const bool known = history.plan != nullptr && accepted != nullptr;
  if (known ? !engine::HasSensitive(*history.plan)
            : accepted != nullptr && accepted->client_driven) {
    return history;
  }
  if (!known) {  // Nobody can tell what of it is.
    return WithoutPayloads(std::move(history));
  }
  auto sensitive = engine::Sensitive::Of(*history.plan, accepted->input);
  for (const runtime::HistoryEntry& entry : history.entries) {
    sensitive.Learn(*history.plan, accepted->input, entry.record);
  }
  for (runtime::HistoryEntry& entry : history.entries) {
    sensitive.Hide(entry.record);
  }
  return history;
}

BranchCallResult WithoutSensitive(const runtime::TxnView& view, BranchCallResult call) {
  const auto sensitive = SensitiveOf(*view.plan, *view.state);
  sensitive.Hide(call.target);
  if (call.body) {
    sensitive.Hide(*call.body);
  }
  return call;
}

runtime::TxnView WithoutPayloads(const runtime::TxnView& view) {
  auto state = std::make_shared<engine::TxnState>(*view.state);
  state->input = JsonText();
  state->output = JsonText();
  for (auto& [name, payloads] : state->signals) {
    payloads.assign(payloads.size(), JsonText());
  }
  for (engine::StepState& step : state->steps) {
    step.source.clear();
    for (engine::BranchState& branch : step.branches) {
      Clear(branch);
    }
  }
  if (state->abort) {
    Clear(state->abort->failure);
  }
  Clear(state->output_failure);
  return {view.plan, std::move(state), view.quarantine};
}

runtime::History WithoutPayloads(runtime::History history) {
  for (runtime::HistoryEntry& entry : history.entries) {
    std::visit(ClearRecord(), entry.record.body);
  }
  return history;
}

runtime::TxnEvent WithoutPayloads(runtime::TxnEvent event) {
  std::visit(ClearRecord(), event.entry.record.body);
  return event;
}

storage::SummaryPage WithoutPayloads(storage::SummaryPage page) {
  for (storage::SummaryRow& row : page.rows) {
    row.summary.error.clear();
    for (storage::IncidentRow& incident : row.summary.incidents) {
      incident.message.clear();
    }
  }
  return page;
}

}  // namespace entente::api
