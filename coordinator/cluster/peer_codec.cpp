#include "coordinator/cluster/peer_codec.h"

#include <utility>

namespace entente::cluster {
namespace {

using runtime::OperatorRequest;

Status BadMessage(const std::string& what) {
  return InvalidArgument("cluster.bad_message", "a node sent " + what + " that can not be read");
}

Result<JsonText> PayloadOf(const std::string& text) {
  return JsonText::FromStored(text);
}

// "" of a payload that is null, which FromStored takes for it.
std::string TextOf(const JsonText& payload) {
  return payload.is_null() ? std::string() : payload.text();
}

void SetLabels(const storage::Labels& labels, google::protobuf::RepeatedPtrField<pb::Label>* to) {
  for (const auto& [name, value] : labels) {
    pb::Label* label = to->Add();
    label->set_name(name);
    label->set_value(value);
  }
}

storage::Labels LabelsOf(const google::protobuf::RepeatedPtrField<pb::Label>& from) {
  storage::Labels labels;
  for (const pb::Label& label : from) {
    labels.emplace_back(label.name(), label.value());
  }
  return labels;
}

void SetActor(const engine::Actor& actor, pb::Actor& to) {
  to.set_name(actor.name);
  to.set_reason(actor.reason);
}

pb::Retry RetryOf(const dsl::RetryOverrides& from) {
  pb::Retry to;
  if (from.initial) {
    to.set_initial_micros(from.initial->count());
  }
  if (from.factor) {
    to.set_factor(*from.factor);
  }
  if (from.max) {
    to.set_max_micros(from.max->count());
  }
  if (from.attempts) {
    to.set_attempts(*from.attempts);
  }
  if (from.jitter) {
    to.set_jitter(*from.jitter);
  }
  return to;
}

dsl::RetryOverrides RetryOf(const pb::Retry& from) {
  dsl::RetryOverrides to;
  if (from.has_initial_micros()) {
    to.initial = Duration(from.initial_micros());
  }
  if (from.has_factor()) {
    to.factor = from.factor();
  }
  if (from.has_max_micros()) {
    to.max = Duration(from.max_micros());
  }
  if (from.has_attempts()) {
    to.attempts = from.attempts();
  }
  if (from.has_jitter()) {
    to.jitter = from.jitter();
  }
  return to;
}

}  // namespace

pb::Ask AskOf(const runtime::SubmitRequest& request) {
  pb::Ask ask;
  ask.set_gid(request.gid ? request.gid->str() : "");
  pb::Submit& submit = *ask.mutable_submit();
  submit.set_definition(request.definition);
  if (request.version) {
    submit.set_version(*request.version);
  }
  if (request.inline_definition) {
    submit.set_inline_definition(*request.inline_definition);
  }
  submit.set_input(TextOf(request.input));
  SetLabels(request.labels, submit.mutable_labels());
  if (request.deadline) {
    submit.set_deadline_micros(request.deadline->count());
  }
  submit.set_traceparent(request.traceparent);
  return ask;
}

Result<runtime::SubmitRequest> SubmitOf(const pb::Ask& ask) {
  const pb::Submit& submit = ask.submit();
  runtime::SubmitRequest request;
  request.definition = submit.definition();
  if (submit.has_version()) {
    request.version = submit.version();
  }
  if (submit.has_inline_definition()) {
    request.inline_definition = submit.inline_definition();
  }
  request.gid = Gid(ask.gid());
  ENTENTE_ASSIGN_OR_RETURN(request.input, PayloadOf(submit.input()));
  request.labels = LabelsOf(submit.labels());
  if (submit.has_deadline_micros()) {
    request.deadline = Duration(submit.deadline_micros());
  }
  request.traceparent = submit.traceparent();
  return request;
}

pb::Ask AskOf(const runtime::BeginRequest& request) {
  pb::Ask ask;
  ask.set_gid(request.gid ? request.gid->str() : "");
  pb::Begin& begin = *ask.mutable_begin();
  begin.set_mode(static_cast<uint32_t>(request.mode));
  if (request.time_limit) {
    begin.set_time_limit_micros(request.time_limit->count());
  }
  SetLabels(request.labels, begin.mutable_labels());
  begin.set_traceparent(request.traceparent);
  return ask;
}

Result<runtime::BeginRequest> BeginOf(const pb::Ask& ask) {
  const pb::Begin& begin = ask.begin();
  runtime::BeginRequest request;
  request.mode = static_cast<engine::Mode>(begin.mode());
  if (request.mode != engine::Mode::kSaga && request.mode != engine::Mode::kTcc &&
      request.mode != engine::Mode::kTwoPhaseCommit) {
    return BadMessage("a mode");
  }
  request.gid = Gid(ask.gid());
  if (begin.has_time_limit_micros()) {
    request.time_limit = Duration(begin.time_limit_micros());
  }
  request.labels = LabelsOf(begin.labels());
  request.traceparent = begin.traceparent();
  return request;
}

pb::Ask AskOf(const OperatorRequest& request) {
  pb::Ask ask;
  ask.set_gid(request.gid.str());
  pb::Operate& operate = *ask.mutable_operate();
  operate.set_verb(static_cast<uint32_t>(request.verb));
  SetActor(request.actor, *operate.mutable_actor());
  if (request.expected_revision) {
    operate.set_expected_revision(request.expected_revision->value());
  }
  if (request.branch) {
    operate.set_branch(request.branch->str());
  }
  if (request.edit.body) {
    operate.set_body(TextOf(*request.edit.body));
  }
  if (request.edit.retry) {
    *operate.mutable_retry() = RetryOf(*request.edit.retry);
  }
  operate.set_output(TextOf(request.output));
  if (request.refusal) {
    operate.mutable_refusal()->set_code(request.refusal->code);
    operate.mutable_refusal()->set_message(request.refusal->message);
  }
  if (request.forced_outcome) {
    operate.set_forced_outcome(static_cast<uint32_t>(*request.forced_outcome));
  }
  return ask;
}

Result<OperatorRequest> OperateOf(const pb::Ask& ask) {
  const pb::Operate& operate = ask.operate();
  OperatorRequest request;
  request.gid = Gid(ask.gid());
  if (operate.verb() > static_cast<uint32_t>(OperatorRequest::Verb::kComplete)) {
    return BadMessage("an operator's verb");
  }
  request.verb = static_cast<OperatorRequest::Verb>(operate.verb());
  request.actor = ActorOf(operate.actor());
  if (operate.has_expected_revision()) {
    request.expected_revision = Sequence(operate.expected_revision());
  }
  if (operate.has_branch()) {
    request.branch = BranchId(operate.branch());
  }
  if (operate.has_body()) {
    ENTENTE_ASSIGN_OR_RETURN(JsonText body, PayloadOf(operate.body()));
    request.edit.body = std::move(body);
  }
  if (operate.has_retry()) {
    request.edit.retry = RetryOf(operate.retry());
  }
  ENTENTE_ASSIGN_OR_RETURN(request.output, PayloadOf(operate.output()));
  if (operate.has_refusal()) {
    request.refusal = engine::Failure{operate.refusal().code(), operate.refusal().message()};
  }
  if (operate.has_forced_outcome()) {
    const auto outcome = static_cast<engine::TxnStatus>(operate.forced_outcome());
    if (outcome != engine::TxnStatus::kCommitted && outcome != engine::TxnStatus::kAborted) {
      return BadMessage("an outcome");
    }
    request.forced_outcome = outcome;
  }
  return request;
}

pb::Ask AskOf(const Gid& gid, const runtime::SignalRequest& request) {
  pb::Ask ask;
  ask.set_gid(gid.str());
  pb::Signal& signal = *ask.mutable_signal();
  signal.set_name(request.name);
  signal.set_payload(TextOf(request.payload));
  signal.set_id(request.id);
  return ask;
}

Result<runtime::SignalRequest> SignalOf(const pb::Ask& ask) {
  runtime::SignalRequest request;
  request.name = ask.signal().name();
  ENTENTE_ASSIGN_OR_RETURN(request.payload, PayloadOf(ask.signal().payload()));
  request.id = ask.signal().id();
  return request;
}

pb::Ask AskOf(const std::string& token,
              const std::variant<engine::ReplyDone, engine::ReplyRefused>& outcome) {
  pb::Ask ask;
  pb::Complete& complete = *ask.mutable_complete();
  complete.set_token(token);
  if (const auto* refused = std::get_if<engine::ReplyRefused>(&outcome)) {
    complete.set_refused(true);
    complete.set_code(refused->failure.code);
    complete.set_message(refused->failure.message);
    return ask;
  }
  const auto& reply = std::get<engine::ReplyDone>(outcome);
  complete.set_output(TextOf(reply.output));
  complete.set_read_only(reply.read_only);
  if (reply.expires) {
    complete.set_expires_micros(ToMicros(*reply.expires));
  }
  return ask;
}

Result<std::variant<engine::ReplyDone, engine::ReplyRefused>> OutcomeOf(const pb::Ask& ask) {
  using Outcome = std::variant<engine::ReplyDone, engine::ReplyRefused>;
  const pb::Complete& complete = ask.complete();
  if (complete.refused()) {
    return Outcome(engine::ReplyRefused{{complete.code(), complete.message()}});
  }
  engine::ReplyDone reply;
  ENTENTE_ASSIGN_OR_RETURN(reply.output, PayloadOf(complete.output()));
  reply.read_only = complete.read_only();
  if (complete.has_expires_micros()) {
    reply.expires = InstantFromMicros(complete.expires_micros());
  }
  return Outcome(std::move(reply));
}

engine::Actor ActorOf(const pb::Actor& actor) {
  return {actor.name(), actor.reason()};
}

void SetStatus(const Status& status, pb::Answer& answer) {
  answer.set_code(static_cast<uint32_t>(status.code()));
  answer.set_reason(status.reason());
  answer.set_message(status.message());
}

Status StatusOf(const pb::Answer& answer) {
  if (answer.code() == 0) {
    return {};
  }
  const auto code = answer.code() <= static_cast<uint32_t>(StatusCode::kFenced)
                        ? static_cast<StatusCode>(answer.code())
                        : StatusCode::kInternal;
  return {code, answer.reason(), answer.message()};
}

void SetProblems(const std::vector<dsl::Problem>& problems, pb::Answer& answer) {
  for (const dsl::Problem& problem : problems) {
    pb::Problem* to = answer.add_problems();
    to->set_pointer(problem.pointer);
    to->set_line(problem.line);
    to->set_column(problem.column);
    to->set_code(problem.code);
    to->set_message(problem.message);
    to->set_suggestion(problem.suggestion);
    to->set_warning(problem.warning);
  }
}

std::vector<dsl::Problem> ProblemsOf(const pb::Answer& answer) {
  std::vector<dsl::Problem> problems;
  for (const pb::Problem& from : answer.problems()) {
    problems.push_back({from.pointer(), from.line(), from.column(), from.code(), from.message(),
                        from.suggestion(), from.warning()});
  }
  return problems;
}

void SetView(const runtime::TxnView& view, pb::Answer& answer) {
  answer.set_revision(view.state->revision.value());
  answer.set_quarantined(!view.quarantine.empty());
}

}  // namespace entente::cluster
