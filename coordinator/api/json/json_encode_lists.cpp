// Lists, definitions and reports as JSON text.
#include <algorithm>
#include <span>

#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/json_writer.h"
#include "coordinator/api/problem.h"
#include "engine/engine.h"

namespace entente::api {
namespace {

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

void WriteDefinition(const storage::DefinitionRow& row, bool with_source, JsonWriter& json,
                     const std::vector<dsl::Problem>& warnings = {}) {
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
  if (!warnings.empty()) {
    json.Key("warnings");
    WriteProblems(warnings, json);
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
  json.OptionalString("service", stats.service);
  json.Key("breaker");
  json.String(stats.breaker);
  json.OptionalString("blockedBy", stats.blocked_by);
  json.OptionalTime("blockedUntil", stats.blocked_until);
  json.Key("maxConcurrentCalls");
  json.Number(stats.max_in_flight);
  if (stats.calls_per_second > 0) {
    json.Key("maxCallsPerSecond");
    json.Decimal(stats.calls_per_second);
  }
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
  if (!stats.waiting.empty()) {
    json.Key("waiting");
    json.BeginArray();
    for (const Gid& gid : stats.waiting) {
      json.String(gid.str());
    }
    json.EndArray();
  }
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

std::string TransactionListJson(const storage::SummaryPage& page) {
  return ListJson("transactions", page.rows, page.next_cursor, WriteSummary);
}

std::string DefinitionJson(const storage::DefinitionRow& row) {
  std::string text;
  JsonWriter json(text);
  WriteDefinition(row, /*with_source=*/true, json);
  return text;
}

std::string StoredDefinitionJson(const StoredDefinition& stored) {
  std::string text;
  JsonWriter json(text);
  WriteDefinition(stored.row, /*with_source=*/true, json, stored.warnings);
  return text;
}

std::string DefinitionListJson(const DefinitionPage& page) {
  return ListJson("definitions", page.rows, page.next_cursor,
                  [](const storage::DefinitionRow& row, JsonWriter& json) {
                    WriteDefinition(row, /*with_source=*/false, json);
                  });
}

std::string ValidationJson(const std::vector<dsl::Problem>& problems) {
  std::string text;
  JsonWriter json(text);
  std::vector<dsl::Problem> mistakes = problems;
  const auto warnings = std::stable_partition(mistakes.begin(), mistakes.end(),
                                              [](const dsl::Problem& one) { return !one.warning; });
  const std::vector<dsl::Problem> warned(warnings, mistakes.end());
  mistakes.erase(warnings, mistakes.end());
  json.BeginObject();
  json.Key("valid");
  json.Bool(mistakes.empty());
  json.Key("problems");
  WriteProblems(mistakes, json);
  if (!warned.empty()) {
    json.Key("warnings");
    WriteProblems(warned, json);
  }
  json.EndObject();
  return text;
}

std::string DryRunJson(const DryRunResult& result) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("status");
  json.String(engine::TxnStatusName(result.report.status));
  if (!result.report.output.is_null()) {
    json.Key("output");
    json.Value(result.report.output);
  }
  json.OptionalString("stopped", result.report.stopped);
  json.Key("lines");
  json.BeginArray();
  for (const engine::DryRunLine& line : result.report.lines) {
    json.BeginObject();
    json.Key("at");
    json.Seconds(line.at);
    json.Key("kind");
    json.String(engine::DryRunKindName(line.kind));
    json.Key("text");
    json.String(line.text);
    json.EndObject();
  }
  json.EndArray();
  json.OptionalNumber("leftOutCount", result.left_out);
  json.EndObject();
  return text;
}

std::string CountsJson(const std::vector<Count>& counts) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("counts");
  json.BeginArray();
  for (const Count& each : counts) {
    json.BeginObject();
    json.Key("name");
    json.String(each.name);
    json.Key("count");
    json.Number(each.count);
    json.OptionalBool("more", each.more);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return text;
}

namespace {

void WriteBulk(const BulkAction& action, JsonWriter& json) {
  json.BeginObject();
  json.OptionalString("id", action.id);
  json.Key("verb");
  json.String(BulkVerbName(action.request.verb));
  json.Key("filter");
  json.String(action.request.query);
  json.Key("state");
  json.String(action.id.empty() ? "preview" : BulkStateName(action.state));
  json.Key("matched");
  json.Number(action.matched);
  json.OptionalBool("more", action.more);
  json.Key("done");
  json.Number(action.done);
  json.Key("refused");
  json.Number(action.refused);
  json.Key("refusals");
  json.BeginArray();
  for (const BulkRefusal& refusal : action.refusals) {
    json.BeginObject();
    json.Key("gid");
    json.String(refusal.gid);
    json.Key("code");
    json.String(refusal.code);
    json.Key("message");
    json.String(refusal.message);
    json.EndObject();
  }
  json.EndArray();
  json.Key("actor");
  json.BeginObject();
  json.OptionalString("name", action.request.actor.name);
  json.OptionalString("reason", action.request.actor.reason);
  json.EndObject();
  json.Key("createdAt");
  json.Time(action.created_at);
  json.OptionalTime("endedAt", action.ended_at);
  json.EndObject();
}

}  // namespace

std::string BulkJson(const BulkAction& action) {
  std::string text;
  JsonWriter json(text);
  WriteBulk(action, json);
  return text;
}

std::string BulkListJson(const std::vector<BulkAction>& actions) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("actions");
  json.BeginArray();
  for (const BulkAction& action : actions) {
    WriteBulk(action, json);
  }
  json.EndArray();
  json.EndObject();
  return text;
}

std::string BranchCallJson(const BranchCallResult& result) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("branch");
  json.String(result.branch.str());
  json.OptionalString("participant", result.participant);
  json.Key("operation");
  json.String(result.operation);
  json.OptionalString("method", result.method);
  json.OptionalString("target", result.target);
  if (result.body) {
    json.Key("body");
    json.Value(*result.body);
  }
  json.OptionalBool("edited", result.edited);
  json.OptionalString("child", result.child);
  json.EndObject();
  return text;
}

std::string DecisionJson(const DecisionResult& result) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("gid");
  json.String(result.gid.str());
  json.Key("decision");
  json.String(result.decision);
  json.Key("known");
  json.Bool(result.known);
  json.Key("coordinator");
  json.String(result.coordinator);
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

std::string ParticipantListJson(const ParticipantPage& page) {
  return ListJson("participants", std::span(page.all).subspan(page.first, page.count),
                  page.next_cursor, WriteParticipant);
}

std::string NodeListJson(const std::vector<NodeInfo>& nodes) {
  return ListJson("nodes", nodes, "", [](const NodeInfo& node, JsonWriter& json) {
    json.BeginObject();
    json.Key("id");
    json.String(node.id);
    json.Key("state");
    json.String(node.state);
    json.Key("self");
    json.Bool(node.self);
    json.Key("httpAddress");
    json.String(node.http_address);
    json.Key("peerAddress");
    json.String(node.peer_address);
    json.Key("release");
    json.String(node.release);
    json.Key("startedAt");
    json.Time(node.started_at);
    json.Key("heardAgo");
    json.Seconds(node.heard_ago);
    json.Key("shards");
    json.Number(uint64_t{node.shards});
    json.EndObject();
  });
}

std::string DeadLetterListJson(const DeadLetterPage& page) {
  return ListJson("deadLetters", page.rows, page.next_cursor,
                  [](const DeadLetter& letter, JsonWriter& json) {
                    json.BeginObject();
                    json.Key("id");
                    json.String(letter.id);
                    json.Key("type");
                    json.String(letter.type);
                    json.Key("gid");
                    json.String(letter.gid);
                    json.Key("revision");
                    json.Number(letter.revision);
                    json.OptionalString("definition", letter.definition);
                    json.OptionalString("branch", letter.branch);
                    json.Key("at");
                    json.Time(letter.at);
                    json.OptionalString("why", letter.why);
                    json.Key("since");
                    json.Time(letter.since);
                    json.OptionalBool("waiting", letter.waiting);
                    json.EndObject();
                  });
}

std::string SentDeadLettersJson(uint32_t count) {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("count");
  json.Number(uint64_t{count});
  json.EndObject();
  return text;
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
  json.OptionalString("exhausted", health.exhausted);
  json.EndObject();
  return text;
}

}  // namespace entente::api
