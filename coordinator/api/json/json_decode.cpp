#include "coordinator/api/json/json_decode.h"

#include <utility>

#include "base/limits.h"
#include "coordinator/api/json/field_reader.h"

namespace entente::api {
namespace {

using Verb = runtime::OperatorRequest::Verb;

// A command, unless its reader found mistakes.
template <class Command, class Reader>
Outcome<Command> Finish(Reader& reader, Command command) {
  if (std::optional<Error> error = reader.Finish()) {
    return std::move(*error);
  }
  return command;
}

}  // namespace

Outcome<Json> ParseBody(std::string_view body) {
  // The body is one level around a payload.
  Result<Json> json = ParseExactJson(body, {limits::kMaxRequestBytes, limits::kMaxJsonDepth + 1});
  if (json.status().reason() == "json.too_deep") {
    return Error{InvalidArgument("json.too_deep", json.status().message() + ": " +
                                                      std::to_string(limits::kMaxJsonDepth) +
                                                      " of a payload, and the request's own"),
                 {},
                 {}};
  }
  if (!json.ok()) {
    return Error{json.status(), {}, {}};
  }
  return std::move(json).value();
}

Outcome<SubmitCommand> DecodeSubmit(Json body) {
  BodyReader reader(std::move(body));
  SubmitCommand command;
  command.definition = reader.TakeOptionalString("definition");
  command.inline_definition = reader.TakeValue("inline");
  command.version = reader.TakeNumber("version");
  command.gid = reader.TakeOptionalString("gid");
  if (std::optional<Json> input = reader.TakeValue("input")) {
    command.input = std::move(*input);
  }
  command.labels = reader.TakeStringMap("labels");
  command.deadline = reader.TakeOptionalString("deadline");
  command.wait = reader.TakeOptionalString("wait");
  return Finish(reader, std::move(command));
}

Outcome<BeginCommand> DecodeBegin(Json body) {
  BodyReader reader(std::move(body));
  BeginCommand command;
  command.mode = reader.TakeString("mode");
  command.gid = reader.TakeOptionalString("gid");
  command.time_limit = reader.TakeOptionalString("timeLimit");
  command.labels = reader.TakeStringMap("labels");
  return Finish(reader, std::move(command));
}

Outcome<DecideCommand> DecodeDecide(DecideCommand::Verb verb, std::string gid, Json body) {
  BodyReader reader(std::move(body));
  DecideCommand command;
  command.verb = verb;
  command.gid = std::move(gid);
  if (verb == DecideCommand::Verb::kAbort) {
    command.reason = reader.TakeString("reason");
    command.actor = reader.TakeString("actor");
  }
  command.wait = reader.TakeOptionalString("wait");
  return Finish(reader, std::move(command));
}

Outcome<OperateCommand> DecodeOperate(Verb verb, std::string gid, Json body) {
  BodyReader reader(std::move(body));
  OperateCommand command;
  command.verb = verb;
  command.gid = std::move(gid);
  command.reason = reader.TakeString("reason");
  command.actor = reader.TakeString("actor");
  command.expected_revision = reader.TakeNumber("expectedRevision");
  if (verb == Verb::kRetry || verb == Verb::kEdit || verb == Verb::kSkip ||
      verb == Verb::kComplete) {
    command.branch = reader.TakeString("branch");
  }
  if (verb == Verb::kEdit) {
    command.body = reader.TakeValue("body");
    command.retry = reader.TakeValue("retry");
  }
  if (verb == Verb::kSkip || verb == Verb::kComplete) {
    command.output = reader.TakeValue("output").value_or(Json());
  }
  if (verb == Verb::kResolve || verb == Verb::kComplete) {
    command.outcome = reader.TakeString("outcome");
  }
  if (verb == Verb::kComplete) {
    command.code = reader.TakeString("code");
    command.message = reader.TakeString("message");
  }
  return Finish(reader, std::move(command));
}

Outcome<BulkCommand> DecodeBulkCommand(Json body) {
  BodyReader reader(std::move(body));
  BulkCommand command;
  command.verb = reader.TakeString("verb");
  command.filter = reader.TakeString("filter");
  command.reason = reader.TakeString("reason");
  command.actor = reader.TakeString("actor");
  command.preview = reader.TakeBool("preview");
  return Finish(reader, std::move(command));
}

Outcome<std::vector<std::string>> DecodeDeadLetterIds(Json body) {
  BodyReader reader(std::move(body));
  return Finish(reader, reader.TakeStringList("ids"));
}

Outcome<bool> DecodeNothing(Json body) {
  BodyReader reader(std::move(body));
  return Finish(reader, true);
}

Outcome<DryRunCommand> DecodeDryRun(Json body) {
  BodyReader reader(std::move(body));
  DryRunCommand command;
  command.definition = reader.TakeString("definition");
  command.version = reader.TakeNumber("version");
  command.input = reader.TakeValue("input").value_or(Json::object());
  command.answers = reader.TakeValue("answers").value_or(Json::object());
  return Finish(reader, std::move(command));
}

Outcome<SignalCommand> DecodeSignal(std::string gid, Json body) {
  BodyReader reader(std::move(body));
  SignalCommand command;
  command.gid = std::move(gid);
  command.name = reader.TakeString("name");
  command.payload = reader.TakeValue("payload").value_or(Json());
  command.id = reader.TakeOptionalString("id");
  return Finish(reader, std::move(command));
}

Outcome<CompleteCommand> DecodeComplete(std::string token, Json body) {
  BodyReader reader(std::move(body));
  CompleteCommand command;
  command.token = std::move(token);
  command.outcome = reader.TakeString("outcome");
  command.output = reader.TakeValue("output").value_or(Json());
  command.code = reader.TakeString("code");
  command.message = reader.TakeString("message");
  return Finish(reader, std::move(command));
}

Outcome<RotateKeysCommand> DecodeRotateKeys(Json body) {
  BodyReader reader(std::move(body));
  RotateKeysCommand command;
  command.notice = reader.TakeOptionalString("notice");
  command.revoke = reader.TakeBool("revoke");
  return Finish(reader, std::move(command));
}

Outcome<CreateTokenCommand> DecodeCreateToken(Json body) {
  BodyReader reader(std::move(body));
  CreateTokenCommand command;
  command.name = reader.TakeString("name");
  command.role = reader.TakeString("role");
  command.payloads = reader.TakeBool("payloads");
  command.scope.definitions = reader.TakeStringList("definitions");
  command.scope.labels = reader.TakeStringMap("labels");
  command.expires = reader.TakeOptionalString("expiresIn");
  return Finish(reader, std::move(command));
}

Outcome<GetCommand> DecodeGet(std::string gid, std::string_view query) {
  QueryReader reader(query);
  GetCommand command;
  command.gid = std::move(gid);
  command.wait = reader.TakeOptionalString("wait");
  return Finish(reader, std::move(command));
}

namespace {

// What lists and counts filter by.
void TakeFilter(QueryReader& reader, ListCommand& command) {
  command.mode = reader.TakeString("mode");
  command.definition = reader.TakeString("definition");
  command.label = reader.TakeString("label");
  command.since = reader.TakeInstant("since");
  command.until = reader.TakeInstant("until");
  command.unchanged_since = reader.TakeInstant("unchangedSince");
  command.q = reader.TakeString("q");
  command.parent = reader.TakeString("parent");
  command.attempts = reader.TakeNumber("attempts");
  command.error = reader.TakeString("error");
  command.participant = reader.TakeString("participant");
  command.code = reader.TakeString("code");
  command.step = reader.TakeString("step");
}

}  // namespace

Outcome<ListCommand> DecodeCount(std::string_view query) {
  QueryReader reader(query);
  ListCommand command;
  TakeFilter(reader, command);
  return Finish(reader, std::move(command));
}

Outcome<ListCommand> DecodeList(std::string_view query) {
  QueryReader reader(query);
  ListCommand command;
  TakeFilter(reader, command);
  command.status = reader.TakeString("status");
  command.incident = reader.TakeBool("incident");
  command.paused = reader.TakeBool("paused");
  command.sort = reader.TakeString("sort");
  command.limit = reader.TakeNumber("limit").value_or(0);
  command.cursor = reader.TakeString("cursor");
  return Finish(reader, std::move(command));
}

Outcome<ListCommand> DecodeIncidents(std::string_view query) {
  QueryReader reader(query);
  ListCommand command;
  command.incident = true;
  command.definition = reader.TakeString("definition");
  command.mode = reader.TakeString("mode");
  command.label = reader.TakeString("label");
  command.limit = reader.TakeNumber("limit").value_or(0);
  command.cursor = reader.TakeString("cursor");
  return Finish(reader, std::move(command));
}

Outcome<PageCommand> DecodePage(std::string_view query) {
  QueryReader reader(query);
  PageCommand command;
  command.limit = reader.TakeNumber("limit").value_or(0);
  command.cursor = reader.TakeString("cursor");
  return Finish(reader, std::move(command));
}

Outcome<audit::AuditQuery> DecodeAuditQuery(std::string_view query) {
  QueryReader reader(query);
  audit::AuditQuery command;
  command.actor = reader.TakeString("actor");
  command.action = reader.TakeString("action");
  command.subject = reader.TakeString("subject");
  command.outcome = reader.TakeString("outcome");
  command.since = reader.TakeInstant("since");
  command.until = reader.TakeInstant("until");
  command.limit = reader.TakeNumber("limit").value_or(0);
  command.cursor = reader.TakeString("cursor");
  return Finish(reader, std::move(command));
}

Outcome<EventFilter> DecodeEventFilter(std::string_view query) {
  QueryReader reader(query);
  EventFilter filter;
  filter.definition = reader.TakeString("definition");
  filter.status = reader.TakeString("status");
  return Finish(reader, std::move(filter));
}

std::optional<Error> RefuseQuery(std::string_view query) {
  QueryReader reader(query);
  return reader.Finish();
}

}  // namespace entente::api
