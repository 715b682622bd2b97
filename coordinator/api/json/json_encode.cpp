#include "coordinator/api/json/json_encode.h"

#include "coordinator/api/json_writer.h"
#include "coordinator/api/problem.h"
#include "coordinator/api/view.h"

namespace entente::api {
namespace {

void WriteFailure(std::string_view key, const engine::Failure* failure, JsonWriter& json) {
  if (failure == nullptr) {
    return;
  }
  json.Key(key);
  json.BeginObject();
  json.OptionalString("code", failure->code);
  json.OptionalString("message", failure->message);
  json.EndObject();
}

void WriteActor(const engine::Actor* actor, JsonWriter& json) {
  if (actor == nullptr) {
    return;
  }
  json.Key("actor");
  json.BeginObject();
  json.OptionalString("name", actor->name);
  json.OptionalString("reason", actor->reason);
  json.EndObject();
}

void WriteParent(const engine::ParentLink* parent, JsonWriter& json) {
  if (parent == nullptr) {
    return;
  }
  json.Key("parent");
  json.BeginObject();
  json.OptionalString("gid", parent->gid.str());
  json.OptionalString("branch", parent->branch.str());
  json.EndObject();
}

void WriteValue(std::string_view key, const JsonText* value, JsonWriter& json) {
  if (value != nullptr) {
    json.Key(key);
    json.Value(*value);
  }
}

void WriteAbort(const engine::AbortState& abort, JsonWriter& json) {
  json.Key("abort");
  json.BeginObject();
  json.OptionalString("cause", engine::AbortCauseName(abort.cause));
  if (abort.branch) {
    json.OptionalString("branch", abort.branch->str());
  }
  json.OptionalString("code", abort.failure.code);
  json.OptionalString("message", abort.failure.message);
  WriteActor(abort.actor ? &*abort.actor : nullptr, json);
  json.EndObject();
}

void WriteBranch(const BranchFields& branch, JsonWriter& json) {
  json.BeginObject();
  json.Key("id");
  json.String(branch.id);
  json.Key("step");
  json.String(branch.step);
  if (branch.index) {
    json.Key("index");
    json.Number(*branch.index);
  }
  json.OptionalString("participant", branch.participant);
  json.Key("phase");
  json.String(branch.phase);
  json.Key("operation");
  json.String(branch.operation);
  json.OptionalNumber("alternative", branch.alternative);
  json.OptionalNumber("attempt", branch.attempt);
  json.OptionalNumber("maxAttempts", branch.max_attempts);
  json.OptionalTime("nextAttemptAt", branch.next_attempt_at);
  json.OptionalBool("mayHaveHappened", branch.may_have_happened);
  WriteValue("output", branch.output, json);
  WriteFailure("failure", branch.failure, json);
  json.OptionalTime("startedAt", branch.started_at);
  json.OptionalTime("endedAt", branch.ended_at);
  json.OptionalString("key", branch.key);
  json.OptionalString("blockedBy", branch.blocked_by);
  WriteValue("item", branch.item, json);
  json.OptionalTime("stuckSince", branch.stuck_since);
  json.OptionalTime("waitsUntil", branch.waits_until);
  json.OptionalString("signal", branch.signal);
  json.OptionalTime("deadline", branch.deadline);
  json.OptionalString("child", branch.child);
  json.OptionalString("vote", branch.vote);
  json.OptionalBool("onePhase", branch.one_phase);
  json.OptionalTime("expiresAt", branch.expires_at);
  json.OptionalTime("decideBy", branch.decide_by);
  json.OptionalString("heuristic", branch.heuristic);
  json.EndObject();
}

void WriteTransactionHead(const engine::TxnState& state, JsonWriter& json,
                          const std::string& quarantine) {
  json.Key("gid");
  json.String(state.gid.str());
  json.OptionalString("definition", state.definition);
  json.OptionalNumber("version", state.version);
  json.Key("mode");
  json.String(dsl::ModeName(state.mode));
  json.Key("status");
  json.String(engine::TxnStatusName(state.status));
  json.Key("incident");
  json.Bool(state.has_incident() || !quarantine.empty());
  json.OptionalString("quarantine", quarantine);
  json.Key("paused");
  json.Bool(state.paused);
  json.OptionalBool("deadlineMissed", state.deadline_missed);
  json.Key("revision");
  json.Number(state.revision.value());
  json.Key("decision");
  json.String(engine::OutcomeOf(state));
  json.OptionalBool("clientDriven", state.client_driven);
  json.OptionalBool("closed", state.closed);
  json.OptionalBool("held", state.awaits_parent());
}

void WriteEntry(const runtime::HistoryEntry& entry, engine::Mode mode, const dsl::Plan* plan,
                JsonWriter& json) {
  const HistoryFields fields = DescribeRecord(entry.record, mode, plan);
  json.BeginObject();
  json.Key("revision");
  json.Number(entry.revision.value());
  json.Key("at");
  json.Time(entry.record.at);
  json.Key("type");
  json.String(fields.type);
  json.OptionalString("step", fields.step);
  json.OptionalString("branch", fields.branch);
  json.OptionalString("operation", fields.operation);
  json.OptionalNumber("alternative", fields.alternative);
  json.OptionalString("outcome", fields.outcome);
  WriteFailure("failure", fields.failure, json);
  json.OptionalTime("dueAt", fields.due_at);
  json.OptionalTime("deadline", fields.deadline);
  WriteValue("payload", fields.shown_payload(), json);
  json.OptionalString("cause", fields.cause);
  json.OptionalString("status", fields.status);
  json.OptionalString("forced", fields.forced);
  json.OptionalString("name", fields.name);
  WriteActor(fields.actor, json);
  json.OptionalNumber("version", fields.version);
  WriteParent(fields.parent, json);
  json.OptionalBool("clientDriven", fields.client_driven);
  json.OptionalString("vote", fields.vote);
  json.OptionalBool("onePhase", fields.one_phase);
  json.OptionalTime("expiresAt", fields.expires_at);
  json.EndObject();
}

// As many as belong into the document of a transaction, or that they were left out.
void WriteBranches(const TxnDetail& detail, JsonWriter& json) {
  json.Key("branchCount");
  json.Number(CountBranches(detail));
  if (HasTooManyBranches(detail)) {
    json.Key("leftOut");
    json.BeginArray();
    json.String("branches");
    json.EndArray();
    return;
  }
  json.Key("branches");
  json.BeginArray();
  ForEachBranch(detail, [&json](const BranchFields& branch) { WriteBranch(branch, json); });
  json.EndArray();
}

}  // namespace

void WriteLabels(const storage::Labels& labels, JsonWriter& json) {
  if (labels.empty()) {
    return;
  }
  json.Key("labels");
  json.BeginObject();
  for (const auto& [key, value] : labels) {
    json.AnyKey(key);
    json.String(value);
  }
  json.EndObject();
}

std::string TransactionJson(const TxnDetail& detail) {
  const engine::TxnState& state = *detail.view.state;
  std::string text;
  text.reserve(1024);
  JsonWriter json(text);
  json.BeginObject();
  WriteTransactionHead(state, json, detail.view.quarantine);
  json.Key("input");
  json.Value(state.input);
  WriteValue("output", OutputOf(state), json);
  WriteLabels(state.labels, json);
  json.Key("createdAt");
  json.Time(state.accepted_at);
  json.Key("updatedAt");
  json.Time(state.updated_at);
  json.OptionalTime("endedAt", state.ended_at);
  json.OptionalTime("deadline", state.deadline);
  WriteParent(state.parent ? &*state.parent : nullptr, json);
  if (state.abort) {
    WriteAbort(*state.abort, json);
  }
  WriteBranches(detail, json);
  if (state.forced) {
    json.OptionalString("forced", engine::TxnStatusName(*state.forced));
  }
  WriteFailure("outputFailure", state.output_failure ? &*state.output_failure : nullptr, json);
  json.EndObject();
  return text;
}

std::string BranchListJson(const BranchPage& page) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("branches");
  json.BeginArray();
  ForEachBranch(page.detail, page.first, page.count,
                [&json](const BranchFields& branch) { WriteBranch(branch, json); });
  json.EndArray();
  json.OptionalString("nextCursor", page.next_cursor);
  json.Key("revision");
  json.Number(page.detail.view.state->revision.value());
  json.Key("branchCount");
  json.Number(CountBranches(page.detail));
  json.EndObject();
  return text;
}

std::string HistoryJson(const runtime::History& history) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("gid");
  json.String(history.gid.str());
  json.Key("mode");
  json.String(dsl::ModeName(history.mode));
  json.Key("entries");
  json.BeginArray();
  for (const runtime::HistoryEntry& entry : history.entries) {
    WriteEntry(entry, history.mode, history.plan.get(), json);
  }
  json.EndArray();
  json.EndObject();
  return text;
}

std::string EventJson(const runtime::TxnEvent& event) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("gid");
  json.String(event.gid.str());
  json.OptionalString("definition", event.definition);
  json.Key("status");
  json.String(engine::TxnStatusName(event.status));
  json.Key("incident");
  json.Bool(event.incident);
  json.Key("entry");
  WriteEntry(event.entry, ModeOf(event), event.plan.get(), json);
  json.EndObject();
  return text;
}

}  // namespace entente::api
