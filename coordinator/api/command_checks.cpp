#include "coordinator/api/command_checks.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "coordinator/api/text.h"
#include "dsl/retry.h"
#include "engine/engine.h"

namespace entente::api {
namespace {

using Verb = runtime::OperatorRequest::Verb;

void CheckLabels(const storage::Labels& labels, Checker& check) {
  if (labels.size() > limits::kMaxLabels) {
    check.Fail("labels", "has " + std::to_string(labels.size()) +
                             " labels, more than the limit of " +
                             std::to_string(limits::kMaxLabels));
    return;
  }
  for (const auto& [key, value] : labels) {
    const std::string field = "labels." + key.substr(0, limits::kMaxNameBytes);
    if (key.empty()) {
      check.Fail(field, "a label's name must not be empty");
    }
    check.CheckLength(field.c_str(), key, limits::kMaxLabelBytes);
    check.CheckLength(field.c_str(), value, limits::kMaxLabelBytes);
  }
}

// A W3C traceparent of version 00, or nothing: a broken one must not fail the request.
std::string CheckedTraceparent(const std::string& text) {
  constexpr std::string_view kShape = "00-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
  const auto fits = [](char c, char shape) {
    return shape == 'h' ? (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') : c == shape;
  };
  const bool valid =
      text.size() == kShape.size() && std::equal(text.begin(), text.end(), kShape.begin(), fits);
  return valid ? text : std::string();
}

std::optional<engine::TxnStatus> StatusNamed(std::string_view name) {
  using engine::TxnStatus;
  for (const TxnStatus status : {TxnStatus::kActive, TxnStatus::kCommitting, TxnStatus::kCommitted,
                                 TxnStatus::kAborting, TxnStatus::kAborted, TxnStatus::kMixed}) {
    if (engine::TxnStatusName(status) == name) {
      return status;
    }
  }
  return std::nullopt;
}

constexpr std::array<std::string_view, 6> kStatusNames{"ACTIVE",   "COMMITTING", "COMMITTED",
                                                       "ABORTING", "ABORTED",    "MIXED"};
constexpr std::array<std::string_view, 3> kModeNames{"saga", "tcc", "2pc"};

std::optional<engine::Mode> ReadMode(const std::string& name, Checker& check) {
  using engine::Mode;
  for (const Mode mode : {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit}) {
    if (dsl::ModeName(mode) == name) {
      return mode;
    }
  }
  check.Fail("mode", "is not a mode: saga, tcc, 2pc", SuggestName(name, kModeNames));
  return std::nullopt;
}

std::optional<Gid> ReadNewGid(std::optional<std::string>& gid, Checker& check) {
  if (!gid) {
    return std::nullopt;
  }
  if (Status status = ValidateGid(*gid); !status.ok()) {
    check.Fail("gid", status.message());
  }
  return Gid(std::move(*gid));
}

// Who acts and why. Of somebody who had to prove who it is, the name is that; only while nobody has
// to, it is what the caller says.
engine::Actor ReadActor(const identity::Principal& by, std::string& name, std::string& reason,
                        Checker& check) {
  check.CheckLength("reason", reason, limits::kMaxErrorTextBytes);
  check.CheckLength("actor", name, limits::kMaxNameBytes);
  if (by.authenticated || name.empty()) {
    return {by.name, std::move(reason)};
  }
  return {std::move(name), std::move(reason)};
}

void CheckStatusName(const std::string& name, Checker& check) {
  if (!name.empty() && !StatusNamed(name)) {
    check.Fail("status", "is not a status: ACTIVE, COMMITTING, COMMITTED, ABORTING, ABORTED, MIXED",
               SuggestName(name, kStatusNames));
  }
}

}  // namespace

void Checker::Fail(std::string field, std::string message, std::string suggestion) {
  violations_.push_back({std::move(field), std::move(message), std::move(suggestion)});
}

void Checker::Require(const char* field, bool present, const char* why) {
  if (!present) {
    Fail(field, std::string("is required: ") + why);
  }
}

void Checker::CheckLength(const char* field, std::string_view text, size_t limit) {
  if (text.size() > limit) {
    Fail(field, "has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                    std::to_string(limit));
  }
}

void Checker::CheckPayload(const char* field, const JsonText& payload) {
  const size_t bytes = payload.bytes();
  if (bytes > limits::kMaxPayloadBytes) {
    too_large_ = InvalidArgument("payload.too_large",
                                 "'" + std::string(field) + "' has " + std::to_string(bytes) +
                                     " bytes as JSON, more than the limit of " +
                                     std::to_string(limits::kMaxPayloadBytes));
  }
}

std::optional<Duration> Checker::ReadDuration(const char* field, const std::string& text) {
  const Result<Duration> duration = ParseDuration(text);
  if (!duration.ok()) {
    Fail(field, duration.status().message());
    return std::nullopt;
  }
  return duration.value();
}

std::optional<runtime::Wait> Checker::ReadWait(const std::optional<std::string>& text,
                                               std::shared_ptr<runtime::Hangup> hangup) {
  if (!text) {
    return std::nullopt;
  }
  const std::optional<Duration> wait = ReadDuration("wait", *text);
  if (wait && *wait > limits::kMaxWait) {
    Fail("wait", "is longer than the limit of " + FormatDuration(limits::kMaxWait),
         "ask again when it has passed");
  }
  return wait ? std::optional(runtime::Wait(*wait, std::move(hangup))) : std::nullopt;
}

Error Checker::TakeError() {
  if (too_large_) {
    return {std::move(*too_large_), {}, {}};
  }
  return InvalidRequest(std::move(violations_));
}

std::optional<Error> CheckFilter(const EventFilter& filter) {
  Checker check;
  CheckStatusName(filter.status, check);
  // Events do not say what labels their transactions have.
  if (check.ok() && !filter.by->scope.labels.empty()) {
    return Error{{StatusCode::kPermissionDenied, "access.scope",
                  "'" + filter.by->name +
                      "' can reach transactions with some labels only, and all events can not be "
                      "told apart by them; watch one transaction"},
                 {},
                 {}};
  }
  return check.ok() ? std::nullopt : std::optional(check.TakeError());
}

std::variant<engine::ReplyDone, engine::ReplyRefused> ReadOutcome(CompleteCommand& command,
                                                                  Checker& check) {
  const bool refused = command.outcome == "refused";
  if (!refused && command.outcome != "done") {
    check.Fail("outcome", "must be 'done' or 'refused'");
  }
  if (refused && !command.output.is_null()) {
    check.Fail("output", "a refusal has no output", "say why in 'code' and 'message'");
  }
  if (!refused && !(command.code.empty() && command.message.empty())) {
    check.Fail(command.code.empty() ? "message" : "code", "belongs to a refusal only");
  }
  check.CheckLength("code", command.code, limits::kMaxNameBytes);
  check.CheckLength("message", command.message, limits::kMaxErrorTextBytes);
  check.CheckPayload("output", command.output);
  if (!refused) {
    return engine::ReplyDone{std::move(command.output)};
  }
  return engine::ReplyRefused{
      {command.code.empty() ? "completion.refused" : std::move(command.code),
       command.message.empty() ? "the participant refused" : std::move(command.message)}};
}

BulkRequest ReadBulk(BulkCommand& command, Checker& check) {
  BulkRequest request;
  if (const auto verb = BulkVerbNamed(command.verb)) {
    request.verb = *verb;
  } else {
    check.Fail("verb", "must be retry, pause, resume or cancel");
  }
  check.Require("reason", command.preview || !command.reason.empty(),
                "say why, it is kept in the history of each");
  if (auto filter = BulkFilterOf(command.filter); filter.ok()) {
    request.filter = std::move(filter).value();
  } else {
    check.Fail("filter", filter.status().message());
  }
  request.query = std::move(command.filter);
  request.actor = ReadActor(*command.by, command.actor, command.reason, check);
  request.scope = command.by->scope;
  return request;
}

storage::Filter ReadFilter(ListCommand& command, Checker& check) {
  storage::Filter filter;
  CheckStatusName(command.status, check);
  if (!command.status.empty()) {
    filter.status = std::move(command.status);
  }
  if (!command.mode.empty()) {
    static_cast<void>(ReadMode(command.mode, check));
    filter.mode = std::move(command.mode);
  }
  if (!command.label.empty()) {
    const size_t equals = command.label.find('=');
    if (equals == 0 || equals == std::string::npos) {
      check.Fail("label", "is not of the form name=value");
    } else {
      filter.label.emplace(command.label.substr(0, equals), command.label.substr(equals + 1));
    }
  }
  if (!command.definition.empty()) {
    filter.definition = std::move(command.definition);
  }
  if (!command.q.empty()) {
    filter.gid_prefix = std::move(command.q);
  }
  if (!command.parent.empty()) {
    filter.parent = Gid(std::move(command.parent));
  }
  if (!command.error.empty()) {
    filter.error = std::move(command.error);
  }
  if (!command.participant.empty()) {
    filter.participant = std::move(command.participant);
  }
  if (!command.code.empty()) {
    filter.code = std::move(command.code);
  }
  if (!command.step.empty()) {
    filter.step = std::move(command.step);
  }
  filter.paused = command.paused;
  filter.unchanged_since = command.unchanged_since;
  filter.attempts = command.attempts;
  filter.incident = command.incident;
  if (filter.participant || filter.code || filter.step) {
    filter.incident = filter.incident.value_or(true);  // Its index is a short one.
  }
  filter.since = command.since;
  filter.until = command.until;
  return filter;
}

storage::ListOrder ReadOrder(const std::string& sort, Checker& check) {
  using storage::ListOrder;
  constexpr std::array<std::pair<std::string_view, ListOrder>, 5> kOrders{{
      {"newest", ListOrder::kNewest},
      {"oldest", ListOrder::kOldest},
      {"changed", ListOrder::kChanged},
      {"unchanged", ListOrder::kUnchanged},
      {"attempts", ListOrder::kAttempts},
  }};
  for (const auto& [name, order] : kOrders) {
    if (name == sort) {
      return order;
    }
  }
  if (!sort.empty()) {
    check.Fail("sort", "is none of newest, oldest, changed, unchanged and attempts");
  }
  return ListOrder::kNewest;
}

storage::Page ReadPage(uint32_t limit, std::string cursor, Checker& check) {
  if (limit > limits::kMaxPageSize) {
    check.Fail("limit", "is more than the limit of " + std::to_string(limits::kMaxPageSize),
               "page with the cursor");
  }
  storage::Page page;
  page.limit = limit == 0 ? limits::kDefaultPageSize : limit;
  page.cursor = std::move(cursor);
  return page;
}

runtime::SubmitRequest ReadSubmit(SubmitCommand& command, Checker& check) {
  runtime::SubmitRequest request;
  if (command.definition.has_value() == command.inline_definition.has_value()) {
    check.Fail("definition", "exactly one of 'definition' and 'inline' is required");
  } else if (command.definition && command.definition->empty()) {
    check.Fail("definition", "must not be empty");
  }
  if (command.version && (command.inline_definition || *command.version == 0)) {
    check.Fail("version", command.inline_definition ? "an inline definition has no version"
                                                    : "versions count from 1");
  }
  if (command.inline_definition) {
    request.inline_definition = DumpJson(*command.inline_definition);
  }
  request.gid = ReadNewGid(command.gid, check);
  if (command.deadline) {
    request.deadline = check.ReadDuration("deadline", *command.deadline);
    if (request.deadline && *request.deadline == Duration::zero()) {
      check.Fail("deadline", "must be longer than zero");
    }
  }
  CheckLabels(command.labels, check);
  check.CheckPayload("input", command.input);
  request.wait = check.ReadWait(command.wait, std::move(command.hangup));
  request.definition = std::move(command.definition).value_or("");
  request.version = command.version;
  request.input = std::move(command.input);
  request.labels = std::move(command.labels);
  request.traceparent = CheckedTraceparent(command.traceparent);
  return request;
}

runtime::BeginRequest ReadBegin(BeginCommand& command, Checker& check) {
  runtime::BeginRequest request;
  if (command.mode.empty()) {
    check.Require("mode", false, "saga, tcc or 2pc");
  } else {
    request.mode = ReadMode(command.mode, check).value_or(request.mode);
  }
  request.gid = ReadNewGid(command.gid, check);
  if (command.time_limit) {
    request.time_limit = check.ReadDuration("timeLimit", *command.time_limit);
    if (request.time_limit == Duration::zero()) {
      check.Fail("timeLimit", "must be longer than zero");
    } else if (request.time_limit > limits::kMaxClientDrivenLimit) {
      check.Fail("timeLimit",
                 "is longer than the limit of " + FormatDuration(limits::kMaxClientDrivenLimit));
    }
  }
  CheckLabels(command.labels, check);
  request.labels = std::move(command.labels);
  request.traceparent = CheckedTraceparent(command.traceparent);
  return request;
}

engine::Actor ReadDecider(DecideCommand& command, Checker& check) {
  return ReadActor(*command.by, command.actor, command.reason, check);
}

engine::Edit ReadEdit(OperateCommand& command, Checker& check) {
  engine::Edit edit;
  if (!command.body && !command.retry) {
    check.Fail("body", "say what to change: 'body', 'retry' or both", "to change nothing, retry");
  }
  if (command.retry) {
    auto read = dsl::ReadRetryPolicy(command.retry->text());
    if (const auto* problems = std::get_if<dsl::Problems>(&read)) {
      for (const dsl::Problem& problem : *problems) {
        check.Fail("retry" + problem.pointer, problem.message, problem.suggestion);
      }
    } else {
      edit.retry = std::get<dsl::RetryOverrides>(read);
    }
  }
  if (command.body) {
    check.CheckPayload("body", *command.body);
    edit.body = std::move(command.body);
  }
  return edit;
}

namespace {

// How a pending operation ended, as an operator says; a refusal goes to `request`.
void ReadOperatorsWord(OperateCommand& command, Checker& check, runtime::OperatorRequest& request) {
  CompleteCommand completion;
  completion.outcome = command.outcome;
  completion.output = std::move(command.output);
  completion.code = std::move(command.code);
  completion.message = std::move(command.message);
  auto outcome = ReadOutcome(completion, check);
  if (auto* refused = std::get_if<engine::ReplyRefused>(&outcome)) {
    request.refusal = std::move(refused->failure);
  } else {
    request.output = std::move(std::get<engine::ReplyDone>(outcome).output);
  }
}

constexpr const char* WhichBranch(Verb verb) {
  switch (verb) {
    case Verb::kSkip: return "the branch whose operation is settled";
    case Verb::kComplete: return "the branch whose operation has ended";
    default: return "the branch to edit";
  }
}

// Whoever looks after others' transactions says why. A submitter or a deployer who has changed its
// mind about its own is a program, whose reason would be the same each time.
bool ActsForOthers(const identity::Principal& by) {
  return by.authenticated &&
         (by.role == identity::Role::kOperator || by.role == identity::Role::kAdmin);
}

}  // namespace

runtime::OperatorRequest ReadOperate(OperateCommand& command, Checker& check) {
  const bool edit = command.verb == Verb::kEdit;
  const bool complete = command.verb == Verb::kComplete;
  const bool resolve = command.verb == Verb::kResolve;
  const bool one_branch = edit || complete || command.verb == Verb::kSkip;
  const bool overrides = one_branch || resolve;
  if (overrides || ActsForOthers(*command.by)) {
    check.Require("reason", !command.reason.empty(), "say why, it is kept in the history");
  }
  if (overrides) {
    check.Require("expectedRevision", command.expected_revision.has_value(),
                  "the transaction's revision as you saw it, so that nothing else is overridden");
  }
  if (one_branch) {
    check.Require("branch", !command.branch.empty(), WhichBranch(command.verb));
  }

  runtime::OperatorRequest request;
  request.actor = ReadActor(*command.by, command.actor, command.reason, check);
  if (edit) {
    request.edit = ReadEdit(command, check);
  }
  if (resolve) {
    if (command.outcome != "COMMITTED" && command.outcome != "ABORTED") {
      check.Fail("outcome", "must be COMMITTED or ABORTED");
    } else {
      request.forced_outcome = StatusNamed(command.outcome);
    }
  }
  request.gid = Gid(std::move(command.gid));
  request.verb = command.verb;
  if (command.expected_revision) {
    request.expected_revision = Sequence(*command.expected_revision);
  }
  if (!command.branch.empty()) {
    request.branch = BranchId(std::move(command.branch));
  }
  if (complete) {
    ReadOperatorsWord(command, check, request);
  } else {
    check.CheckPayload("output", command.output);
    request.output = std::move(command.output);
  }
  return request;
}

}  // namespace entente::api
