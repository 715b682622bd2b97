#include "coordinator/api/access/access.h"
#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/text.h"
#include "coordinator/api/view.h"

namespace entente::api {
namespace {

// The setters take a std::string; what is not UTF-8 would make the message unreadable.
std::string Text(std::string_view text) {
  return ToUtf8(text);
}

void SetTime(Instant instant, google::protobuf::Timestamp* out) {
  const auto since_epoch = ClampToCalendar(instant).time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  out->set_seconds(seconds.count());
  out->set_nanos(static_cast<int32_t>((since_epoch - seconds).count() * 1000));
}

void SetDuration(Duration duration, google::protobuf::Duration* out) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  out->set_seconds(seconds.count());
  out->set_nanos(static_cast<int32_t>((duration - seconds).count() * 1000));
}

void SetFailure(const engine::Failure& failure, pb::Failure* out) {
  out->set_code(Text(failure.code));
  out->set_message(Text(failure.message));
}

void SetActor(const engine::Actor& actor, pb::Actor* out) {
  out->set_name(Text(actor.name));
  out->set_reason(Text(actor.reason));
}

void SetParent(const engine::ParentLink& parent, pb::Parent* out) {
  out->set_gid(Text(parent.gid.str()));
  out->set_branch(Text(parent.branch.str()));
}

template <class Map>
void SetLabels(const storage::Labels& labels, Map* out) {
  for (const auto& [key, value] : labels) {
    (*out)[Text(key)] = Text(value);
  }
}

void SetBranchTimes(const BranchFields& branch, pb::Branch* out) {
  if (branch.next_attempt_at) {
    SetTime(*branch.next_attempt_at, out->mutable_next_attempt_at());
  }
  if (branch.started_at) {
    SetTime(*branch.started_at, out->mutable_started_at());
  }
  if (branch.ended_at) {
    SetTime(*branch.ended_at, out->mutable_ended_at());
  }
  if (branch.stuck_since) {
    SetTime(*branch.stuck_since, out->mutable_stuck_since());
  }
  if (branch.waits_until) {
    SetTime(*branch.waits_until, out->mutable_waits_until());
  }
  if (branch.deadline) {
    SetTime(*branch.deadline, out->mutable_deadline());
  }
  if (branch.expires_at) {
    SetTime(*branch.expires_at, out->mutable_expires_at());
  }
  if (branch.decide_by) {
    SetTime(*branch.decide_by, out->mutable_decide_by());
  }
}

void SetBranch(const BranchFields& branch, pb::Branch* out) {
  out->set_id(Text(branch.id));
  out->set_step(Text(branch.step));
  if (branch.index) {
    out->set_index(*branch.index);
  }
  out->set_participant(Text(branch.participant));
  out->set_phase(Text(branch.phase));
  out->set_operation(Text(branch.operation));
  out->set_alternative(branch.alternative);
  out->set_attempt(branch.attempt);
  out->set_max_attempts(branch.max_attempts);
  out->set_may_have_happened(branch.may_have_happened);
  if (branch.output != nullptr) {
    ToValue(*branch.output, out->mutable_output());
  }
  if (branch.item != nullptr) {
    ToValue(*branch.item, out->mutable_item());
  }
  if (branch.failure != nullptr) {
    SetFailure(*branch.failure, out->mutable_failure());
  }
  out->set_key(Text(branch.key));
  out->set_blocked_by(Text(branch.blocked_by));
  out->set_child(Text(branch.child));
  out->set_vote(Text(branch.vote));
  out->set_one_phase(branch.one_phase);
  out->set_heuristic(Text(branch.heuristic));
  out->set_signal(Text(branch.signal));
  SetBranchTimes(branch, out);
}

void SetAbort(const engine::AbortState& abort, pb::Abort* out) {
  out->set_cause(Text(engine::AbortCauseName(abort.cause)));
  if (abort.branch) {
    out->set_branch(Text(abort.branch->str()));
  }
  out->set_code(Text(abort.failure.code));
  out->set_message(Text(abort.failure.message));
  if (abort.actor) {
    SetActor(*abort.actor, out->mutable_actor());
  }
}

void SetEntry(const runtime::HistoryEntry& entry, engine::Mode mode, const dsl::Plan* plan,
              pb::HistoryEntry* out) {
  const HistoryFields fields = DescribeRecord(entry.record, mode, plan);
  out->set_revision(static_cast<uint32_t>(entry.revision.value()));
  SetTime(entry.record.at, out->mutable_at());
  out->set_type(Text(fields.type));
  out->set_step(Text(fields.step));
  out->set_branch(Text(fields.branch));
  out->set_operation(Text(fields.operation));
  out->set_alternative(fields.alternative);
  out->set_outcome(Text(fields.outcome));
  if (fields.failure != nullptr) {
    SetFailure(*fields.failure, out->mutable_failure());
  }
  if (fields.due_at) {
    SetTime(*fields.due_at, out->mutable_due_at());
  }
  if (fields.deadline) {
    SetTime(*fields.deadline, out->mutable_deadline());
  }
  if (const JsonText* payload = fields.shown_payload()) {
    ToValue(*payload, out->mutable_payload());
  }
  out->set_cause(Text(fields.cause));
  out->set_status(Text(fields.status));
  out->set_forced(Text(fields.forced));
  out->set_name(Text(fields.name));
  if (fields.actor != nullptr) {
    SetActor(*fields.actor, out->mutable_actor());
  }
  out->set_version(fields.version);
  if (fields.parent != nullptr) {
    SetParent(*fields.parent, out->mutable_parent());
  }
  out->set_client_driven(fields.client_driven);
  out->set_vote(Text(fields.vote));
  out->set_one_phase(fields.one_phase);
  if (fields.expires_at) {
    SetTime(*fields.expires_at, out->mutable_expires_at());
  }
}

void SetSummary(const storage::SummaryRow& row, pb::TransactionSummary* out) {
  const storage::Summary& summary = row.summary;
  out->set_gid(Text(row.gid.str()));
  out->set_definition(Text(summary.definition));
  out->set_version(summary.version);
  out->set_mode(Text(summary.mode));
  out->set_status(Text(summary.status));
  out->set_incident(!summary.incidents.empty());
  out->set_paused(summary.paused);
  SetLabels(summary.labels, out->mutable_labels());
  SetTime(summary.created_at, out->mutable_created_at());
  SetTime(summary.updated_at, out->mutable_updated_at());
  if (summary.parent) {
    out->set_parent(Text(summary.parent->str()));
  }
  out->set_attempts(summary.attempts);
  out->set_error(Text(summary.error));
}

void SetProblem(const dsl::Problem& problem, pb::DefinitionProblem* out) {
  out->set_pointer(ShortText(problem.pointer));
  out->set_line(static_cast<uint32_t>(problem.line));
  out->set_column(static_cast<uint32_t>(problem.column));
  out->set_code(Text(problem.code));
  out->set_message(ShortText(problem.message));
  out->set_suggestion(ShortText(problem.suggestion));
}

void SetDefinition(const storage::DefinitionRow& row, bool with_source, pb::Definition* out) {
  out->set_name(Text(row.name));
  out->set_version(row.version);
  out->set_digest(Text(row.digest));
  SetTime(row.created_at, out->mutable_created_at());
  if (with_source) {
    out->set_source(Text(row.source));
  }
}

}  // namespace

void ToProto(const TxnDetail& detail, pb::Transaction* out) {
  const engine::TxnState& state = *detail.view.state;
  out->set_gid(Text(state.gid.str()));
  out->set_definition(Text(state.definition));
  out->set_version(state.version);
  out->set_mode(Text(dsl::ModeName(state.mode)));
  out->set_status(Text(engine::TxnStatusName(state.status)));
  out->set_incident(state.has_incident() || !detail.view.quarantine.empty());
  out->set_quarantine(Text(detail.view.quarantine));
  out->set_paused(state.paused);
  out->set_deadline_missed(state.deadline_missed);
  out->set_revision(static_cast<uint32_t>(state.revision.value()));
  ToValue(state.input, out->mutable_input());
  if (const JsonText* output = OutputOf(state)) {
    ToValue(*output, out->mutable_output());
  }
  SetLabels(state.labels, out->mutable_labels());
  SetTime(state.accepted_at, out->mutable_created_at());
  SetTime(state.updated_at, out->mutable_updated_at());
  if (state.ended_at) {
    SetTime(*state.ended_at, out->mutable_ended_at());
  }
  if (state.deadline) {
    SetTime(*state.deadline, out->mutable_deadline());
  }
  if (state.parent) {
    SetParent(*state.parent, out->mutable_parent());
  }
  if (state.abort) {
    SetAbort(*state.abort, out->mutable_abort());
  }
  out->set_branch_count(static_cast<uint32_t>(CountBranches(detail)));
  if (HasTooManyBranches(detail)) {
    out->add_left_out("branches");
  } else {
    ForEachBranch(detail,
                  [out](const BranchFields& branch) { SetBranch(branch, out->add_branches()); });
  }
  if (state.forced) {
    out->set_forced(Text(engine::TxnStatusName(*state.forced)));
  }
  if (state.output_failure) {
    SetFailure(*state.output_failure, out->mutable_output_failure());
  }
  out->set_decision(Text(engine::OutcomeOf(state)));
  out->set_client_driven(state.client_driven);
  out->set_closed(state.closed);
  out->set_held(state.awaits_parent());
}

void ToProto(const SubmitResult& result, pb::Transaction* out) {
  ToProto(TxnDetail{result.view, {}}, out);
}

void ToProto(const storage::SummaryPage& page, pb::ListTransactionsResponse* out) {
  for (const storage::SummaryRow& row : page.rows) {
    SetSummary(row, out->add_transactions());
  }
  out->set_next_cursor(Text(page.next_cursor));
}

void ToProto(const storage::SummaryPage& page, pb::ListIncidentsResponse* out) {
  for (const storage::SummaryRow& row : page.rows) {
    for (const storage::IncidentRow& incident : row.summary.incidents) {
      pb::Incident* entry = out->add_incidents();
      entry->set_gid(Text(row.gid.str()));
      entry->set_definition(Text(row.summary.definition));
      entry->set_version(row.summary.version);
      entry->set_status(Text(row.summary.status));
      entry->set_branch(Text(incident.branch.str()));
      entry->set_participant(Text(incident.participant));
      entry->set_operation(Text(incident.operation));
      entry->set_code(Text(incident.code));
      entry->set_message(Text(incident.message));
      SetTime(incident.since, entry->mutable_since());
    }
  }
  out->set_next_cursor(Text(page.next_cursor));
}

void ToProto(const BranchPage& page, pb::ListBranchesResponse* out) {
  ForEachBranch(page.detail, page.first, page.count,
                [out](const BranchFields& branch) { SetBranch(branch, out->add_branches()); });
  out->set_next_cursor(Text(page.next_cursor));
  out->set_revision(static_cast<uint32_t>(page.detail.view.state->revision.value()));
  out->set_branch_count(static_cast<uint32_t>(CountBranches(page.detail)));
}

void ToProto(const runtime::History& history, pb::History* out) {
  out->set_gid(Text(history.gid.str()));
  out->set_mode(Text(dsl::ModeName(history.mode)));
  for (const runtime::HistoryEntry& entry : history.entries) {
    SetEntry(entry, history.mode, history.plan.get(), out->add_entries());
  }
}

void ToProto(const runtime::TxnEvent& event, pb::TransactionEvent* out) {
  out->set_gid(Text(event.gid.str()));
  out->set_definition(Text(event.definition));
  out->set_status(Text(engine::TxnStatusName(event.status)));
  out->set_incident(event.incident);
  SetEntry(event.entry, ModeOf(event), event.plan.get(), out->mutable_entry());
}

void ToProto(const storage::DefinitionRow& row, pb::Definition* out) {
  SetDefinition(row, /*with_source=*/true, out);
}

void ToProto(const DefinitionPage& page, pb::ListDefinitionsResponse* out) {
  for (const storage::DefinitionRow& row : page.rows) {
    SetDefinition(row, /*with_source=*/false, out->add_definitions());
  }
  out->set_next_cursor(page.next_cursor);
}

void ToProto(const StoredDefinition& stored, pb::Definition* out) {
  ToProto(stored.row, out);
  for (const dsl::Problem& warning : stored.warnings) {
    SetProblem(warning, out->add_warnings());
  }
}

void ToProto(const std::vector<dsl::Problem>& problems, pb::ValidateDefinitionResponse* out) {
  for (const dsl::Problem& problem : problems) {
    SetProblem(problem, problem.warning ? out->add_warnings() : out->add_problems());
  }
  out->set_valid(out->problems().empty());
}

void ToProto(const DecisionResult& result, pb::Decision* out) {
  out->set_gid(Text(result.gid.str()));
  out->set_decision(Text(result.decision));
  out->set_known(result.known);
  out->set_coordinator(Text(result.coordinator));
}

void ToProto(const DryRunResult& result, pb::DryRunReport* out) {
  out->set_status(std::string(engine::TxnStatusName(result.report.status)));
  if (!result.report.output.is_null()) {
    ToValue(result.report.output, out->mutable_output());
  }
  out->set_stopped(result.report.stopped);
  for (const engine::DryRunLine& line : result.report.lines) {
    pb::DryRunLine* told = out->add_lines();
    SetDuration(line.at, told->mutable_at());
    told->set_kind(std::string(engine::DryRunKindName(line.kind)));
    told->set_text(Text(line.text));
  }
  out->set_left_out_count(static_cast<uint32_t>(result.left_out));
}

void ToProto(const std::vector<Count>& counts, pb::CountTransactionsResponse* out) {
  for (const Count& each : counts) {
    pb::TransactionCount* count = out->add_counts();
    count->set_name(Text(each.name));
    count->set_count(each.count);
    count->set_more(each.more);
  }
}

void ToProto(const BulkAction& action, pb::BulkAction* out) {
  out->set_id(Text(action.id));
  out->set_verb(Text(BulkVerbName(action.request.verb)));
  out->set_filter(Text(action.request.query));
  out->set_state(Text(action.id.empty() ? "preview" : BulkStateName(action.state)));
  out->set_matched(action.matched);
  out->set_more(action.more);
  out->set_done(action.done);
  out->set_refused(action.refused);
  for (const BulkRefusal& each : action.refusals) {
    pb::BulkRefusal* refusal = out->add_refusals();
    refusal->set_gid(Text(each.gid));
    refusal->set_code(Text(each.code));
    refusal->set_message(Text(each.message));
  }
  out->mutable_actor()->set_name(Text(action.request.actor.name));
  out->mutable_actor()->set_reason(Text(action.request.actor.reason));
  SetTime(action.created_at, out->mutable_created_at());
  if (action.ended_at) {
    SetTime(*action.ended_at, out->mutable_ended_at());
  }
}

void ToProto(const std::vector<BulkAction>& actions, pb::ListBulkActionsResponse* out) {
  for (const BulkAction& action : actions) {
    ToProto(action, out->add_actions());
  }
}

void ToProto(const BranchCallResult& result, pb::BranchCall* out) {
  out->set_branch(Text(result.branch.str()));
  out->set_participant(Text(result.participant));
  out->set_operation(Text(result.operation));
  out->set_method(Text(result.method));
  out->set_target(Text(result.target));
  if (result.body) {
    ToValue(*result.body, out->mutable_body());
  }
  out->set_edited(result.edited);
  out->set_child(Text(result.child));
}

void ToProto(const CompleteResult& result, pb::CompleteOperationResponse* out) {
  out->set_gid(Text(result.gid.str()));
  out->set_status(Text(engine::TxnStatusName(result.status)));
  out->set_revision(static_cast<uint32_t>(result.revision.value()));
}

void ToProto(const ParticipantPage& page, pb::ListParticipantsResponse* out) {
  out->set_next_cursor(Text(page.next_cursor));
  for (size_t i = page.first; i < page.first + page.count; ++i) {
    const runtime::ParticipantStats& participant = page.all[i];
    pb::Participant* entry = out->add_participants();
    entry->set_name(Text(participant.name));
    entry->set_definition(Text(participant.definition));
    entry->set_address(Text(participant.address));
    entry->set_service(Text(participant.service));
    entry->set_breaker(Text(participant.breaker));
    entry->set_blocked_by(Text(participant.blocked_by));
    entry->set_in_flight(participant.in_flight);
    entry->set_queued(participant.queued);
    entry->set_calls(participant.calls);
    entry->set_failures(participant.failures);
    entry->set_error_rate(participant.error_rate);
    entry->set_latency_millis(participant.latency_millis);
    if (participant.blocked_until) {
      SetTime(*participant.blocked_until, entry->mutable_blocked_until());
    }
    entry->set_max_concurrent_calls(participant.max_in_flight);
    entry->set_max_calls_per_second(participant.calls_per_second);
    for (const Gid& gid : participant.waiting) {
      entry->add_waiting(Text(gid.str()));
    }
  }
}

void ToProto(const std::vector<NodeInfo>& nodes, pb::ListNodesResponse* out) {
  for (const NodeInfo& node : nodes) {
    pb::Node* entry = out->add_nodes();
    entry->set_id(Text(node.id));
    entry->set_state(Text(node.state));
    entry->set_self(node.self);
    entry->set_http_address(Text(node.http_address));
    entry->set_peer_address(Text(node.peer_address));
    entry->set_release(Text(node.release));
    SetTime(node.started_at, entry->mutable_started_at());
    SetDuration(node.heard_ago, entry->mutable_heard_ago());
    entry->set_shards(node.shards);
  }
}

void ToProto(const DeadLetterPage& page, pb::ListDeadLettersResponse* out) {
  out->set_next_cursor(Text(page.next_cursor));
  for (const DeadLetter& letter : page.rows) {
    pb::DeadLetter* entry = out->add_dead_letters();
    entry->set_id(Text(letter.id));
    entry->set_type(Text(letter.type));
    entry->set_gid(Text(letter.gid));
    entry->set_revision(static_cast<uint32_t>(letter.revision));
    entry->set_definition(Text(letter.definition));
    entry->set_branch(Text(letter.branch));
    SetTime(letter.at, entry->mutable_at());
    entry->set_why(Text(letter.why));
    SetTime(letter.since, entry->mutable_since());
    entry->set_waiting(letter.waiting);
  }
}

void ToProto(uint32_t count, pb::SendDeadLettersResponse* out) {
  out->set_count(count);
}

void ToProto(const HealthReport& report, pb::Health* out) {
  out->set_status(report.stalled ? "stalled" : "ok");
  out->set_ready(report.health.ready);
  out->set_reason(Text(report.health.reason));
  out->set_open(report.health.open);
  out->set_queued_inputs(report.health.queued_inputs);
  if (report.health.oldest_overdue) {
    SetDuration(*report.health.oldest_overdue, out->mutable_oldest_overdue());
  }
  if (report.health.store_lag) {
    SetDuration(*report.health.store_lag, out->mutable_store_lag());
  }
  out->set_exhausted(Text(report.health.exhausted));
}

void ToProto(const Error& error, pb::Problem* out) {
  out->set_type(ProblemType(error.status));
  out->set_title(std::string(HttpTitle(error.status)));
  out->set_status(static_cast<uint32_t>(HttpStatusOf(error.status)));
  out->set_detail(Text(PublicDetail(error.status)));
  out->set_code(Text(error.status.reason()));
  for (const dsl::Problem& problem : error.problems) {
    SetProblem(problem, out->add_problems());
  }
  for (const Violation& violation : error.violations) {
    pb::Violation* entry = out->add_violations();
    entry->set_field(Text(violation.field));
    entry->set_message(Text(violation.message));
    entry->set_suggestion(Text(violation.suggestion));
  }
}

void ToProto(const KeyList& keys, pb::KeySet* out) {
  for (const KeyInfo& key : keys) {
    pb::SigningKey* entry = out->add_keys();
    entry->set_kty("OKP");
    entry->set_crv("Ed25519");
    entry->set_x(key.x);
    entry->set_kid(key.id);
    entry->set_alg("EdDSA");
    entry->set_use("sig");
    SetTime(key.signs_from, entry->mutable_signs_from());
    entry->set_signing(key.signing);
  }
}

void ToProto(const identity::Principal& principal, pb::Session* out) {
  out->set_name(principal.name);
  out->set_role(std::string(identity::RoleName(principal.role)));
  out->set_authenticated(principal.authenticated);
  out->set_payloads(principal.payloads);
  for (const std::string& pattern : principal.scope.definitions) {
    out->add_definitions(pattern);
  }
  for (const auto& [key, value] : principal.scope.labels) {
    (*out->mutable_labels())[key] = value;
  }
  for (const std::string_view method : MethodsFor(principal)) {
    out->add_may(std::string(method));
  }
}

void ToProto(const identity::TokenInfo& info, pb::Token* out) {
  out->set_id(info.id);
  out->set_name(info.name);
  out->set_role(std::string(identity::RoleName(info.role)));
  out->set_payloads(info.payloads);
  for (const std::string& pattern : info.scope.definitions) {
    out->add_definitions(pattern);
  }
  for (const auto& [key, value] : info.scope.labels) {
    (*out->mutable_labels())[key] = value;
  }
  SetTime(info.created_at, out->mutable_created_at());
  out->set_created_by(info.created_by);
  if (info.expires_at) {
    SetTime(*info.expires_at, out->mutable_expires_at());
  }
  if (info.revoked_at) {
    SetTime(*info.revoked_at, out->mutable_revoked_at());
  }
  out->set_revoked_by(info.revoked_by);
}

void ToProto(const identity::CreatedToken& created, pb::Token* out) {
  ToProto(created.info, out);
  out->set_token(created.text);
}

void ToProto(const std::vector<identity::TokenInfo>& infos, pb::ListTokensResponse* out) {
  for (const identity::TokenInfo& info : infos) {
    ToProto(info, out->add_tokens());
  }
}

void ToProto(const audit::AuditPage& page, pb::ListAuditResponse* out) {
  const auto set = [](const Json& state, google::protobuf::Struct* (pb::AuditEntry::*at)(),
                      pb::AuditEntry* entry) {
    if (!state.is_null()) {
      google::protobuf::Value value;
      ToValue(state, &value);
      (entry->*at)()->Swap(value.mutable_struct_value());
    }
  };
  for (const audit::AuditEntry& from : page.entries) {
    pb::AuditEntry* entry = out->add_entries();
    entry->set_id(from.id);
    SetTime(from.at, entry->mutable_at());
    entry->set_actor(Text(from.actor));
    entry->set_token(from.token);
    entry->set_action(from.action);
    entry->set_subject(Text(from.subject));
    entry->set_outcome(from.outcome);
    entry->set_code(from.code);
    entry->set_reason(Text(from.reason));
    entry->set_peer(from.peer);
    set(from.before, &pb::AuditEntry::mutable_before, entry);
    set(from.after, &pb::AuditEntry::mutable_after, entry);
    entry->set_times(from.times);
  }
  out->set_next_cursor(page.next_cursor);
}

}  // namespace entente::api
