#include <algorithm>

#include "coordinator/api/grpc/proto_codec.h"

namespace entente::api {
namespace {

using Verb = runtime::OperatorRequest::Verb;

std::optional<Instant> ReadTime(bool present, const google::protobuf::Timestamp& time) {
  if (!present) {
    return std::nullopt;
  }
  // Clamped to the years 1 to 9999, as Timestamp's own range is, so that nothing overflows.
  constexpr int64_t kFirstSecond = -62'135'596'800;
  constexpr int64_t kLastSecond = 253'402'300'799;
  const int64_t seconds = std::min(std::max(time.seconds(), kFirstSecond), kLastSecond);
  return InstantFromMicros(seconds * 1'000'000 + time.nanos() / 1000);
}

template <class Map>
storage::Labels ReadLabels(const Map& map) {
  storage::Labels labels(map.begin(), map.end());
  // A map has no order of its own; REST's members come sorted.
  std::sort(labels.begin(), labels.end());
  return labels;
}

// A field without presence: empty is absent.
std::optional<std::string> Given(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

template <class Request>
DecideCommand ReadDecide(DecideCommand::Verb verb, const Request& request) {
  DecideCommand command;
  command.verb = verb;
  command.gid = request.gid();
  if (request.has_wait()) {
    command.wait = request.wait();
  }
  return command;
}

// What every operator's action has.
template <class Request>
OperateCommand ReadAction(Verb verb, const Request& request) {
  OperateCommand command;
  command.verb = verb;
  command.gid = request.gid();
  command.reason = request.reason();
  command.actor = request.actor();
  if (request.has_expected_revision()) {
    command.expected_revision = request.expected_revision();
  }
  return command;
}

}  // namespace

SubmitCommand FromProto(const pb::SubmitTransactionRequest& request) {
  SubmitCommand command;
  command.definition = Given(request.definition());
  if (request.has_inline_()) {
    command.inline_definition = FromValue(request.inline_());
  }
  if (request.has_version()) {
    command.version = request.version();
  }
  if (request.has_gid()) {
    command.gid = request.gid();
  }
  command.input = FromValue(request.input());
  command.labels = ReadLabels(request.labels());
  command.deadline = Given(request.deadline());
  if (request.has_wait()) {
    command.wait = request.wait();
  }
  return command;
}

BeginCommand FromProto(const pb::BeginTransactionRequest& request) {
  BeginCommand command;
  command.mode = request.mode();
  if (request.has_gid()) {
    command.gid = request.gid();
  }
  command.time_limit = Given(request.time_limit());
  command.labels = ReadLabels(request.labels());
  return command;
}

EnlistCommand FromProto(const pb::EnlistBranchRequest& request) {
  return {request.gid(), request.branch()};
}

DecideCommand FromProto(const pb::CommitTransactionRequest& request) {
  return ReadDecide(DecideCommand::Verb::kCommit, request);
}

DecideCommand FromProto(const pb::AbortTransactionRequest& request) {
  DecideCommand command = ReadDecide(DecideCommand::Verb::kAbort, request);
  command.reason = request.reason();
  command.actor = request.actor();
  return command;
}

GetCommand FromProto(const pb::GetTransactionRequest& request) {
  GetCommand command;
  command.gid = request.gid();
  if (request.has_wait()) {
    command.wait = request.wait();
  }
  return command;
}

namespace {

// What lists and counts filter by.
template <class Request>
ListCommand ReadFilterOf(const Request& request) {
  ListCommand command;
  command.mode = request.mode();
  command.definition = request.definition();
  command.label = request.label();
  command.since = ReadTime(request.has_since(), request.since());
  command.until = ReadTime(request.has_until(), request.until());
  command.unchanged_since = ReadTime(request.has_unchanged_since(), request.unchanged_since());
  command.q = request.q();
  command.parent = request.parent();
  if (request.attempts() != 0) {
    command.attempts = request.attempts();
  }
  command.error = request.error();
  command.participant = request.participant();
  command.code = request.code();
  command.step = request.step();
  return command;
}

}  // namespace

ListCommand FromProto(const pb::CountTransactionsRequest& request) {
  return ReadFilterOf(request);
}

ListCommand FromProto(const pb::ListTransactionsRequest& request) {
  ListCommand command = ReadFilterOf(request);
  command.status = request.status();
  command.sort = request.sort();
  if (request.has_incident()) {
    command.incident = request.incident();
  }
  if (request.has_paused()) {
    command.paused = request.paused();
  }
  command.limit = request.limit();
  command.cursor = request.cursor();
  return command;
}

ListCommand FromProto(const pb::ListIncidentsRequest& request) {
  ListCommand command;
  command.incident = true;
  command.definition = request.definition();
  command.mode = request.mode();
  command.label = request.label();
  command.limit = request.limit();
  command.cursor = request.cursor();
  return command;
}

OperateCommand FromProto(const pb::CancelTransactionRequest& request) {
  return ReadAction(Verb::kCancel, request);
}

OperateCommand FromProto(const pb::PauseTransactionRequest& request) {
  return ReadAction(Verb::kPause, request);
}

OperateCommand FromProto(const pb::ResumeTransactionRequest& request) {
  return ReadAction(Verb::kResume, request);
}

OperateCommand FromProto(const pb::RetryTransactionRequest& request) {
  OperateCommand command = ReadAction(Verb::kRetry, request);
  command.branch = request.branch();
  return command;
}

OperateCommand FromProto(const pb::EditBranchRequest& request) {
  OperateCommand command = ReadAction(Verb::kEdit, request);
  command.branch = request.branch();
  if (request.has_body()) {
    command.body = FromValue(request.body());
  }
  if (request.has_retry()) {
    command.retry = FromValue(request.retry());
  }
  return command;
}

OperateCommand FromProto(const pb::SkipBranchRequest& request) {
  OperateCommand command = ReadAction(Verb::kSkip, request);
  command.branch = request.branch();
  command.output = FromValue(request.output());
  return command;
}

OperateCommand FromProto(const pb::CompleteBranchRequest& request) {
  OperateCommand command = ReadAction(Verb::kComplete, request);
  command.branch = request.branch();
  command.outcome = request.outcome();
  command.output = FromValue(request.output());
  command.code = request.code();
  command.message = request.message();
  return command;
}

OperateCommand FromProto(const pb::ResolveTransactionRequest& request) {
  OperateCommand command = ReadAction(Verb::kResolve, request);
  command.outcome = request.outcome();
  return command;
}

BulkCommand FromProto(const pb::StartBulkActionRequest& request) {
  return {request.verb(), request.filter(), request.reason(), request.actor(), request.preview()};
}

DryRunCommand FromProto(const pb::DryRunDefinitionRequest& request) {
  DryRunCommand command;
  command.definition = request.definition();
  if (request.has_version()) {
    command.version = request.version();
  }
  command.input = request.has_input() ? FromValue(request.input()) : Json(Json::object());
  command.answers = request.has_answers() ? FromValue(request.answers()) : Json(Json::object());
  return command;
}

SignalCommand FromProto(const pb::SignalTransactionRequest& request) {
  SignalCommand command;
  command.gid = request.gid();
  command.name = request.name();
  command.payload = FromValue(request.payload());
  if (!request.id().empty()) {
    command.id = request.id();
  }
  return command;
}

CompleteCommand FromProto(const pb::CompleteOperationRequest& request) {
  return {request.token(), request.outcome(), FromValue(request.output()), request.code(),
          request.message()};
}

RotateKeysCommand FromProto(const pb::RotateKeysRequest& request) {
  RotateKeysCommand command;
  if (request.has_notice()) {
    command.notice = request.notice();
  }
  command.revoke = request.revoke();
  return command;
}

CreateTokenCommand FromProto(const pb::CreateTokenRequest& request) {
  CreateTokenCommand command;
  command.name = request.name();
  command.role = request.role();
  command.payloads = request.payloads();
  command.scope.definitions = {request.definitions().begin(), request.definitions().end()};
  for (const auto& [key, value] : request.labels()) {
    command.scope.labels.emplace_back(key, value);
  }
  if (request.has_expires_in()) {
    command.expires = request.expires_in();
  }
  return command;
}

audit::AuditQuery FromProto(const pb::ListAuditRequest& request) {
  audit::AuditQuery query;
  query.actor = request.actor();
  query.action = request.action();
  query.subject = request.subject();
  query.outcome = request.outcome();
  query.since = ReadTime(request.has_since(), request.since());
  query.until = ReadTime(request.has_until(), request.until());
  query.limit = request.limit();
  query.cursor = request.cursor();
  return query;
}

}  // namespace entente::api
