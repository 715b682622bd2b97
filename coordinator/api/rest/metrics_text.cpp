#include "coordinator/api/rest/metrics_text.h"

#include <algorithm>
#include <map>

#include "base/limits.h"
#include "coordinator/api/event_feed.h"

namespace entente::api {
namespace {

using runtime::ParticipantStats;

using observe::Exposition;

observe::Labels LabelsOf(const ParticipantStats& stats) {
  return {{"participant", stats.name}, {"address", stats.address}};
}

double Seconds(const std::optional<Duration>& duration) {
  return duration ? std::chrono::duration<double>(*duration).count() : 0;
}

double Number(uint64_t count) {
  return static_cast<double>(count);
}

void WriteTransactions(const runtime::Metrics& metrics, Exposition& out) {
  out.Single("entente_transactions_accepted_total", "counter", "Transactions accepted.",
             Number(metrics.accepted));
  out.Family("entente_transactions_ended_total", "counter", "Transactions ended, by outcome.");
  out.Sample({{"status", "COMMITTED"}}, Number(metrics.committed));
  out.Sample({{"status", "ABORTED"}}, Number(metrics.aborted));
  out.Sample({{"status", "MIXED"}}, Number(metrics.mixed));
  out.Single("entente_requests_rejected_total", "counter", "Requests refused at the door.",
             Number(metrics.rejected));
  out.Single("entente_incidents_open", "gauge", "Transactions that wait for an operator.",
             Number(metrics.incidents_open));
  out.Single("entente_incidents_raised_total", "counter", "Incidents raised.",
             Number(metrics.incidents_raised));
  out.Single("entente_transactions_quarantined", "gauge",
             "Transactions held back because driving them failed again and again.",
             Number(metrics.quarantined));
  out.Single("entente_transactions_parked", "gauge",
             "Open transactions at rest, whose state is read back when something happens.",
             Number(metrics.parked));
  out.Single("entente_transactions_waiting_for_memory", "gauge",
             "Open transactions that are not driven because the start found no room for them.",
             Number(metrics.waiting_for_memory));
  out.Single("entente_payload_bytes", "gauge", "Memory held for open transactions' payloads.",
             Number(metrics.payload_bytes));
  out.Single("entente_payload_bytes_limit", "gauge", "Above it, new transactions are refused.",
             Number(metrics.payload_bytes_limit));
  out.Single("entente_inline_definition_bytes", "gauge",
             "Memory held for definitions that came with transactions.",
             Number(metrics.inline_definition_bytes));
  out.Single("entente_inline_definition_bytes_limit", "gauge",
             "Above it, further definitions with transactions are refused.",
             Number(metrics.inline_definition_bytes_limit));
  out.Single("entente_message_type_bytes", "gauge",
             "Memory held for the message types of gRPC participants.",
             Number(metrics.message_type_bytes));
  out.Single("entente_message_type_bytes_limit", "gauge",
             "What they may take; calls for which there is no room wait.",
             Number(limits::kMaxMessageTypeBytes));
  out.Single("entente_turns_failed_total", "counter",
             "Turns of a transaction that failed by a defect or for want of memory.",
             Number(metrics.held_back));
  out.Single("entente_inputs_total", "counter", "Inputs taken by the engine.",
             Number(metrics.inputs));
  out.Single("entente_journal_appends_total", "counter", "Batches made durable.",
             Number(metrics.appends));
  out.Single("entente_journal_records_total", "counter", "Records made durable.",
             Number(metrics.records));
  out.Single("entente_calls_asked_total", "counter",
             "Calls handed to the participants' gates, where they may wait.",
             Number(metrics.calls_asked));
  out.Single("entente_calls_total", "counter", "Calls of participants that were made and ended.",
             Number(metrics.calls));
  out.Single("entente_calls_failed_total", "counter", "Calls of participants that failed.",
             Number(metrics.calls_failed));
  out.Single("entente_local_exhaustions_total", "counter",
             "Calls that waited because this machine had no descriptor, port or memory left.",
             Number(metrics.local_exhaustions));
}

void WriteHealth(const HealthReport& report, Exposition& out) {
  const runtime::Health& health = report.health;
  out.Single("entente_ready", "gauge", "1 if the coordinator takes work.", health.ready ? 1 : 0);
  out.Single("entente_stalled", "gauge", "1 if work that is due is not being done.",
             report.stalled ? 1 : 0);
  out.Single("entente_transactions_open", "gauge", "Transactions that have not ended.",
             Number(health.open));
  out.Single("entente_queued_inputs", "gauge", "Inputs that wait for the engine.",
             Number(health.queued_inputs));
  out.Single("entente_oldest_overdue_seconds", "gauge",
             "Age of the oldest timer that should have fired.", Seconds(health.oldest_overdue));
  out.Single("entente_branches_blocked", "gauge",
             "Branches that are due and held back by their participant's limits or breaker.",
             Number(health.blocked));
  out.Single("entente_oldest_blocked_seconds", "gauge", "How long the first of them has been.",
             Seconds(health.oldest_blocked));
  out.Single("entente_journal_lag_seconds", "gauge", "How long the oldest append has been waiting.",
             Seconds(health.store_lag));
}

void WriteGrpc(const GrpcStats& grpc, Exposition& out) {
  out.Single("entente_grpc_connections", "gauge", "gRPC connections that are open.",
             Number(grpc.connections));
  out.Single("entente_grpc_connections_refused_total", "counter",
             "gRPC connections closed because as many as may be were open.",
             Number(grpc.connections_refused));
  out.Single("entente_grpc_connections_cut_off_total", "counter",
             "gRPC connections closed for headers without end.", Number(grpc.connections_cut_off));
  out.Single("entente_grpc_memory_limit_bytes", "gauge",
             "What gRPC messages that have not arrived whole may take; gRPC ends calls above it.",
             Number(limits::kMaxGrpcMemoryBytes));
}

void WriteEventStreams(Exposition& out) {
  out.Single("entente_event_bytes", "gauge",
             "Memory held for event streams whose readers are behind.",
             Number(EventFeed::HeldBytes()));
  out.Single("entente_event_bytes_limit", "gauge", "Above it, streams are refused or lose events.",
             Number(limits::kMaxHeldEventBytes));
}

void WriteStore(const storage::StoreHealth& store, Exposition& out) {
  out.Single("entente_store_failed_commits_total", "counter", "Commits that failed.",
             Number(store.failed_commits));
  if (store.last_commit) {
    out.Single("entente_store_last_commit_timestamp_seconds", "gauge",
               "When the latest commit succeeded.",
               std::chrono::duration<double>(store.last_commit->time_since_epoch()).count());
  }
  if (!store.space) {
    return;
  }
  out.Single("entente_store_bytes", "gauge", "Size of the database file.",
             Number(store.space->database));
  out.Single("entente_store_free_bytes", "gauge",
             "Of the database file, what holds nothing and will be used again.",
             Number(store.space->database_free));
  out.Single("entente_store_log_bytes", "gauge", "Size of the log and of the write-ahead log.",
             Number(store.space->log));
  out.Single("entente_store_disk_free_bytes", "gauge", "Room left on the store's disk.",
             Number(store.space->disk_free));
}

void WriteHttp(const net::ServerLoad::Stats& http, Exposition& out) {
  out.Single("entente_http_connections", "gauge", "HTTP connections that are open.",
             Number(http.connections));
  out.Single("entente_http_connections_refused_total", "counter",
             "HTTP connections refused because as many as may be were open.",
             Number(http.connections_refused));
  out.Single("entente_http_request_bytes", "gauge",
             "Bytes of HTTP requests that are being read, beyond what each may hold.",
             Number(http.request_bytes));
  out.Single("entente_http_answer_bytes", "gauge",
             "Bytes of large HTTP answers that their clients have not taken yet.",
             Number(http.answer_bytes));
  out.Single("entente_http_answers_refused_total", "counter",
             "HTTP answers not given because those that nobody takes left no room for them.",
             Number(http.answers_refused));
  out.Single("entente_http_requests_refused_total", "counter",
             "HTTP requests refused because others that are being read left no room for them.",
             Number(http.requests_refused));
}

// One participant may have several gates: definitions that give one address different limits have
// one each. A sample may stand once for the same labels, so what differs in limits only is one
// here.
std::map<observe::Labels, ParticipantStats> ByLabels(
    const std::vector<ParticipantStats>& participants) {
  std::map<observe::Labels, ParticipantStats> merged;
  for (const ParticipantStats& stats : participants) {
    const auto [entry, added] = merged.try_emplace(LabelsOf(stats), stats);
    if (added) {
      continue;
    }
    ParticipantStats& sum = entry->second;
    sum.calls += stats.calls;
    sum.failures += stats.failures;
    sum.in_flight += stats.in_flight;
    sum.queued += stats.queued;
    sum.latency_millis = std::max(sum.latency_millis, stats.latency_millis);
    if (sum.breaker == "closed") {
      sum.breaker = stats.breaker;
    }
  }
  return merged;
}

template <class Value>
void WriteEach(const std::map<observe::Labels, ParticipantStats>& participants,
               std::string_view name, std::string_view type, std::string_view help, Value value,
               Exposition& out) {
  out.Family(name, type, help);
  for (const auto& [labels, stats] : participants) {
    out.Sample(labels, value(stats));
  }
}

void WriteParticipants(const std::vector<ParticipantStats>& all, Exposition& out) {
  if (all.empty()) {
    return;
  }
  const std::map<observe::Labels, ParticipantStats> participants = ByLabels(all);
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                        auto value) { WriteEach(participants, name, type, help, value, out); };
  each("entente_participant_calls_total", "counter", "Calls of this participant.",
       [](const ParticipantStats& stats) { return Number(stats.calls); });
  each("entente_participant_failures_total", "counter", "Transport failures of this participant.",
       [](const ParticipantStats& stats) { return Number(stats.failures); });
  each("entente_participant_in_flight", "gauge", "Calls that are out.",
       [](const ParticipantStats& stats) { return Number(stats.in_flight); });
  each("entente_participant_queued", "gauge", "Calls that wait to go out.",
       [](const ParticipantStats& stats) { return Number(stats.queued); });
  each("entente_participant_latency_seconds", "gauge", "Moving average.",
       [](const ParticipantStats& stats) { return stats.latency_millis / 1000; });
  each("entente_participant_breaker_open", "gauge", "1 if the circuit breaker is not closed.",
       [](const ParticipantStats& stats) { return stats.breaker == "closed" ? 0.0 : 1.0; });
  each("entente_participant_backing_off", "gauge",
       "1 if calls wait because it is busy, or was until a moment ago.",
       [](const ParticipantStats& stats) { return stats.blocked_by == "backoff" ? 1.0 : 0.0; });
}

// Of this node alone: each tells of itself, and whoever gathers them has all.
void WriteNodes(const std::vector<NodeInfo>& nodes, Exposition& out) {
  for (const NodeInfo& node : nodes) {
    if (node.self) {
      out.Single("entente_shards", "gauge", "Shards that this node has, of 64.",
                 Number(node.shards));
    }
  }
  if (!nodes.empty()) {
    const auto alive =
        std::ranges::count_if(nodes, [](const NodeInfo& node) { return node.state != "lost"; });
    out.Single("entente_nodes", "gauge", "Nodes that share the store and are heard of.",
               Number(static_cast<uint64_t>(alive)));
  }
}

}  // namespace

void WriteMetrics(const runtime::Metrics& metrics, const HealthReport& report,
                  const std::vector<ParticipantStats>& participants,
                  const std::vector<NodeInfo>& nodes, const net::ServerLoad::Stats& http,
                  const GrpcStats& grpc, observe::Exposition& out) {
  WriteTransactions(metrics, out);
  WriteHealth(report, out);
  WriteStore(report.health.store, out);
  WriteHttp(http, out);
  WriteGrpc(grpc, out);
  WriteEventStreams(out);
  WriteParticipants(participants, out);
  WriteNodes(nodes, out);
}

}  // namespace entente::api
