#include "coordinator/api/json_encode.h"

#include "coordinator/api/json_writer.h"
#include "coordinator/api/problem.h"
#include "coordinator/api/view.h"

namespace entente::api {
namespace {

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

void WriteValue(std::string_view key, const Json* value, JsonWriter& json) {
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
  if (branch.may_have_happened) {
    json.Key("mayHaveHappened");
    json.Bool(true);
  }
  WriteValue("output", branch.output, json);
  WriteFailure("failure", branch.failure, json);
  json.OptionalTime("startedAt", branch.started_at);
  json.OptionalTime("endedAt", branch.ended_at);
  json.OptionalString("key", branch.key);
  json.OptionalString("blockedBy", branch.blocked_by);
  WriteValue("item", branch.item, json);
  json.OptionalTime("stuckSince", branch.stuck_since);
  json.OptionalTime("waitsUntil", branch.waits_until);
  json.OptionalTime("deadline", branch.deadline);
  json.OptionalString("child", branch.child);
  json.EndObject();
}

void WriteTransactionHead(const engine::TxnState& state, JsonWriter& json) {
  json.Key("gid");
  json.String(state.gid.str());
  json.OptionalString("definition", state.definition);
  json.OptionalNumber("version", state.version);
  json.Key("mode");
  json.String(dsl::ModeName(state.mode));
  json.Key("status");
  json.String(engine::TxnStatusName(state.status));
  json.Key("incident");
  json.Bool(state.has_incident());
  json.Key("paused");
  json.Bool(state.paused);
  if (state.deadline_missed) {
    json.Key("deadlineMissed");
    json.Bool(true);
  }
  json.Key("revision");
  json.Number(state.revision.value());
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
  json.EndObject();
}

void WriteSummary(const storage::SummaryRow& row, JsonWriter& json) {
  const storage::Summary& summary = row.summary;
  json.BeginObject();
  json.Key("gid");
  json.String(row.gid.str());
  json.OptionalString("definition", summary.definition);
  json.OptionalNumber("version", summary.version);
  json.Key("mode");
  json.String(summary.mode);
  json.Key("status");
  json.String(summary.status);
  json.Key("incident");
  json.Bool(!summary.incidents.empty());
  json.Key("paused");
  json.Bool(summary.paused);
  WriteLabels(summary.labels, json);
  json.Key("createdAt");
  json.Time(summary.created_at);
  json.Key("updatedAt");
  json.Time(summary.updated_at);
  if (summary.parent) {
    json.OptionalString("parent", summary.parent->str());
  }
  json.OptionalNumber("attempts", summary.attempts);
  json.OptionalString("error", summary.error);
  json.EndObject();
}

void WriteIncident(const storage::SummaryRow& row, const storage::IncidentRow& incident,
                   JsonWriter& json) {
  json.BeginObject();
  json.Key("gid");
  json.String(row.gid.str());
  json.OptionalString("definition", row.summary.definition);
  json.OptionalNumber("version", row.summary.version);
  json.Key("status");
  json.String(row.summary.status);
  json.Key("branch");
  json.String(incident.branch.str());
  json.OptionalString("participant", incident.participant);
  json.Key("operation");
  json.String(incident.operation);
  json.Key("code");
  json.String(incident.code);
  json.Key("message");
  json.String(incident.message);
  json.Key("since");
  json.Time(incident.since);
  json.EndObject();
}

void WriteDefinition(const storage::DefinitionRow& row, bool with_source, JsonWriter& json) {
  json.BeginObject();
  json.Key("name");
  json.String(row.name);
  json.Key("version");
  json.Number(row.version);
  json.Key("digest");
  json.String(row.digest);
  json.Key("createdAt");
  json.Time(row.created_at);
  if (with_source) {
    json.Key("source");
    json.String(row.source);
  }
  json.EndObject();
}

void WriteParticipant(const runtime::ParticipantStats& stats, JsonWriter& json) {
  json.BeginObject();
  json.Key("name");
  json.String(stats.name);
  json.OptionalString("definition", stats.definition);
  json.Key("address");
  json.String(stats.address);
  json.Key("breaker");
  json.String(stats.breaker);
  json.OptionalString("blockedBy", stats.blocked_by);
  json.Key("inFlight");
  json.Number(stats.in_flight);
  json.Key("queued");
  json.Number(stats.queued);
  json.Key("calls");
  json.Number(stats.calls);
  json.Key("failures");
  json.Number(stats.failures);
  json.Key("errorRate");
  json.Decimal(stats.error_rate);
  json.Key("latencyMillis");
  json.Decimal(stats.latency_millis);
  json.EndObject();
}

// {"<key>": [ one element each ]}, with the cursor of the next page if there is one.
template <class Items, class Write>
std::string ListJson(std::string_view key, const Items& items, const std::string& next_cursor,
                     Write write) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key(key);
  json.BeginArray();
  for (const auto& item : items) {
    write(item, json);
  }
  json.EndArray();
  json.OptionalString("nextCursor", next_cursor);
  json.EndObject();
  return text;
}

}  // namespace

std::string TransactionJson(const TxnDetail& detail) {
  const engine::TxnState& state = *detail.view.state;
  std::string text;
  text.reserve(1024);
  JsonWriter json(text);
  json.BeginObject();
  WriteTransactionHead(state, json);
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
  json.Key("branches");
  json.BeginArray();
  ForEachBranch(detail, [&json](const BranchFields& branch) { WriteBranch(branch, json); });
  json.EndArray();
  if (state.forced) {
    json.OptionalString("forced", engine::TxnStatusName(*state.forced));
  }
  WriteFailure("outputFailure", state.output_failure ? &*state.output_failure : nullptr, json);
  json.EndObject();
  return text;
}

std::string TransactionListJson(const storage::SummaryPage& page) {
  return ListJson("transactions", page.rows, page.next_cursor, WriteSummary);
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

std::string DefinitionJson(const storage::DefinitionRow& row) {
  std::string text;
  JsonWriter json(text);
  WriteDefinition(row, /*with_source=*/true, json);
  return text;
}

std::string DefinitionListJson(const std::vector<storage::DefinitionRow>& rows) {
  return ListJson("definitions", rows, "", [](const storage::DefinitionRow& row, JsonWriter& json) {
    WriteDefinition(row, /*with_source=*/false, json);
  });
}

std::string ValidationJson(const std::vector<dsl::Problem>& problems) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("valid");
  json.Bool(problems.empty());
  json.Key("problems");
  WriteProblems(problems, json);
  json.EndObject();
  return text;
}

std::string CompletionJson(const CompleteResult& result) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("gid");
  json.String(result.gid.str());
  json.Key("status");
  json.String(engine::TxnStatusName(result.status));
  json.Key("revision");
  json.Number(result.revision.value());
  json.EndObject();
  return text;
}

std::string IncidentListJson(const storage::SummaryPage& page) {
  return ListJson("incidents", page.rows, page.next_cursor,
                  [](const storage::SummaryRow& row, JsonWriter& json) {
                    for (const storage::IncidentRow& incident : row.summary.incidents) {
                      WriteIncident(row, incident, json);
                    }
                  });
}

std::string ParticipantListJson(const std::vector<runtime::ParticipantStats>& stats) {
  return ListJson("participants", stats, "", WriteParticipant);
}

std::string HealthJson(const HealthReport& report) {
  const runtime::Health& health = report.health;
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("status");
  json.String(report.stalled ? "stalled" : "ok");
  json.Key("ready");
  json.Bool(health.ready);
  json.OptionalString("reason", health.reason);
  json.Key("open");
  json.Number(health.open);
  json.Key("queuedInputs");
  json.Number(health.queued_inputs);
  if (health.oldest_overdue) {
    json.Key("oldestOverdue");
    json.Seconds(*health.oldest_overdue);
  }
  if (health.store_lag) {
    json.Key("storeLag");
    json.Seconds(*health.store_lag);
  }
  json.EndObject();
  return text;
}

}  // namespace entente::api
