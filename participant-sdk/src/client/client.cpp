#include "entente/client.h"

#include <utility>

#include "base/json_number.h"
#include "base/limits.h"
#include "net/core/http_headers.h"
#include "participant-sdk/src/client/client_impl.h"
#include "participant-sdk/src/client/problem.h"
#include "participant-sdk/src/client/server_url.h"
#include "participant-sdk/src/client/token_file.h"

namespace entente::sdk {
namespace {

std::string_view VerbOf(Action action) {
  switch (action) {
    case Action::kCancel: return ":cancel";
    case Action::kPause: return ":pause";
    case Action::kResume: return ":resume";
    case Action::kRetry: return ":retry";
    case Action::kEdit: return ":edit";
    case Action::kSkip: return ":skip";
    case Action::kComplete: return ":complete";
    case Action::kResolve: return ":resolve";
  }
  CheckFailed("Action is a declared enumerator", __FILE__, __LINE__);
}

void AddText(const char* name, const std::string& value, Json& body) {
  if (!value.empty()) {
    body[name] = value;
  }
}

std::string NumberText(uint32_t number) {
  return number == 0 ? "" : std::to_string(number);
}

std::string InstantText(const std::optional<Instant>& instant) {
  return instant ? FormatInstant(*instant) : "";
}

std::string PageQuery(const PageRequest& page) {
  Query query;
  query.Add("limit", NumberText(page.limit)).Add("cursor", page.cursor);
  return query.text();
}

OutgoingRequest GetFrom(std::string target) {
  return {"GET", std::move(target)};
}
OutgoingRequest Post(std::string target, std::string body) {
  return {"POST", std::move(target), std::move(body)};
}

// What a list is filtered by.
Query FilterOf(const ListRequest& request) {
  Query query;
  query.Add("status", request.status).Add("mode", request.mode);
  query.Add("definition", request.definition).Add("label", request.label);
  if (request.incident) {
    query.Add("incident", *request.incident ? "true" : "false");
  }
  query.Add("since", InstantText(request.since)).Add("until", InstantText(request.until));
  if (request.paused) {
    query.Add("paused", *request.paused ? "true" : "false");
  }
  query.Add("unchangedSince", InstantText(request.unchanged_since));
  query.Add("attempts", NumberText(request.attempts)).Add("error", request.error);
  query.Add("participant", request.participant).Add("code", request.code);
  query.Add("step", request.step);
  query.Add("q", request.gid_prefix).Add("parent", request.parent);
  return query;
}

}  // namespace

std::string TransactionPath(std::string_view gid, std::string_view rest) {
  return "/v1/transactions/" + PercentEncode(gid) + std::string(rest);
}

// ---- One call.

Client::Impl::Impl(ClientOptions options) : options_(std::move(options)) {}

Status Client::Impl::Prepare() {
  if (!connection_) {
    ENTENTE_ASSIGN_OR_RETURN(connection_, Connect());
  }
  return {};
}

Result<std::unique_ptr<HttpConnection>> Client::Impl::Connect() const {
  ENTENTE_ASSIGN_OR_RETURN(net::Origin origin, ParseServer(options_.server));
  return HttpConnection::Make(
      std::move(origin),
      {options_.connect_timeout, options_.max_answer_bytes, options_.headers, options_.tls});
}

Result<OutgoingRequest> Client::Impl::WithToken(OutgoingRequest request) const {
  for (const auto& [name, value] : options_.headers) {
    if (net::EqualsIgnoringCase(name, "Authorization")) {
      return request;
    }
  }
  if (const std::string file = TokenFile(options_.token_file); !file.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(const std::string token, ReadToken(file));
    request.headers.emplace_back("Authorization", "Bearer " + token);
  }
  return request;
}

Result<Json> Client::Impl::ReadJson(std::string_view text, const OutgoingRequest& request) const {
  // Documents of a transaction stand a few levels inside an answer.
  Result<Json> json = ParseExactJson(text, {options_.max_answer_bytes, limits::kMaxJsonDepth + 8});
  if (json.ok()) {
    UseNativeNumbers(*json);
  } else {
    return Internal("client.bad_answer", "the answer to " + request.method + " " +
                                             connection_->origin().ToString() + request.target +
                                             " is not JSON (" + json.status().message() +
                                             "); is it the coordinator's HTTP address?");
  }
  return json;
}

Status Client::Impl::Failure(const OutgoingRequest& request, const HttpAnswer& answer) {
  retry_after_ = answer.retry_after();
  if (answer.Header("Content-Type").starts_with("application/problem+json")) {
    if (Result<Json> problem = ReadJson(answer.body, request); problem.ok()) {
      problem_ = std::move(problem).value();
    }
  }
  return StatusOfProblem(answer.status, problem_,
                         request.method + " " + connection_->origin().ToString() + request.target);
}

Result<HttpAnswer> Client::Impl::Ask(const OutgoingRequest& request, Duration extra_time,
                                     int also_good) {
  problem_ = Json();
  retry_after_ = Duration::zero();
  ENTENTE_RETURN_IF_ERROR(Prepare());
  ENTENTE_ASSIGN_OR_RETURN(const OutgoingRequest sent, WithToken(request));
  ENTENTE_ASSIGN_OR_RETURN(HttpAnswer answer,
                           connection_->Call(sent, options_.call_timeout + extra_time));
  answered_ = true;
  const bool good = answer.status >= 200 && answer.status < 300;
  if (!good && answer.status != also_good) {
    return Failure(request, answer);
  }
  return answer;
}

Result<std::string> Client::Impl::CallForText(const OutgoingRequest& request) {
  ENTENTE_ASSIGN_OR_RETURN(HttpAnswer answer, Ask(request, Duration::zero(), 0));
  return std::move(answer.body);
}

Result<Answered> Client::Impl::Call(const OutgoingRequest& request, Duration extra_time,
                                    int also_good) {
  ENTENTE_ASSIGN_OR_RETURN(HttpAnswer answer, Ask(request, extra_time, also_good));
  ENTENTE_ASSIGN_OR_RETURN(Json json, ReadJson(answer.body, request));
  if (!json.is_object()) {
    return Internal("client.bad_answer", "the answer to " + request.method + " " + request.target +
                                             " is JSON but not an object");
  }
  Document document{std::move(answer.body), std::move(json)};
  return Answered{std::move(answer), std::move(document)};
}

Result<Document> Client::Impl::CallForDocument(const OutgoingRequest& request) {
  ENTENTE_ASSIGN_OR_RETURN(Answered answered, Call(request));
  return std::move(answered.document);
}

Result<Transaction> Client::Impl::CallForTransaction(const OutgoingRequest& request,
                                                     Duration extra_time) {
  ENTENTE_ASSIGN_OR_RETURN(Answered answered, Call(request, extra_time));
  return Transaction(std::move(answered.document));
}

// ---- The methods.

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

const Json& Client::last_problem() const {
  return impl_->problem();
}

Status Client::Watch(std::string_view gid, uint64_t after_revision,
                     const std::function<bool(const Event&)>& on_event) {
  return impl_->Watch(gid, after_revision, on_event);
}

Result<Transaction> Client::Get(std::string_view gid, std::optional<Duration> wait) {
  Query query;
  if (wait) {
    query.Add("wait", FormatDuration(*wait));
  }
  return impl_->CallForTransaction(GetFrom(TransactionPath(gid) + query.text()),
                                   wait.value_or(Duration::zero()));
}

Result<Document> Client::List(const ListRequest& request) {
  Query query = FilterOf(request);
  query.Add("sort", request.sort);
  query.Add("limit", NumberText(request.limit)).Add("cursor", request.cursor);
  return impl_->CallForDocument(GetFrom("/v1/transactions" + query.text()));
}

Result<Document> Client::StartBulk(const BulkRequest& request) {
  const std::string query = FilterOf(request.filter).text();
  Json body{{"verb", request.verb}, {"filter", query.empty() ? query : query.substr(1)}};
  AddText("reason", request.reason, body);
  AddText("actor", request.actor, body);
  if (request.preview) {
    body["preview"] = true;
  }
  return impl_->CallForDocument(Post("/v1/bulk", DumpJson(body)));
}

Result<Document> Client::ListBulk() {
  return impl_->CallForDocument(GetFrom("/v1/bulk"));
}

Result<Document> Client::GetBulk(std::string_view id) {
  return impl_->CallForDocument(GetFrom("/v1/bulk/" + PercentEncode(id)));
}

Result<Document> Client::StopBulk(std::string_view id) {
  return impl_->CallForDocument(Post("/v1/bulk/" + PercentEncode(id) + ":stop", "{}"));
}

Result<Document> Client::History(std::string_view gid) {
  return impl_->CallForDocument(GetFrom(TransactionPath(gid, "/history")));
}

Result<Document> Client::BranchCall(std::string_view gid, std::string_view branch) {
  return impl_->CallForDocument(
      GetFrom(TransactionPath(gid, "/branches/" + PercentEncode(branch) + "/call")));
}

Result<Document> Client::Branches(std::string_view gid, const PageRequest& page) {
  return impl_->CallForDocument(GetFrom(TransactionPath(gid, "/branches") + PageQuery(page)));
}

Result<Transaction> Client::Act(Action action, const ActionRequest& request) {
  Json body = Json::object();
  AddText("reason", request.reason, body);
  AddText("actor", request.actor, body);
  AddText("branch", request.branch, body);
  AddText("outcome", request.outcome, body);
  AddText("code", request.code, body);
  AddText("message", request.message, body);
  if (request.expected_revision) {
    body["expectedRevision"] = *request.expected_revision;
  }
  if (request.body) {
    body["body"] = *request.body;
  }
  if (request.retry) {
    body["retry"] = *request.retry;
  }
  if (request.output) {
    body["output"] = *request.output;
  }
  return impl_->CallForTransaction(
      Post(TransactionPath(request.gid, VerbOf(action)), DumpJson(body)));
}

Result<Transaction> Client::Signal(std::string_view gid, std::string_view name, const Json& payload,
                                   std::string_view id) {
  Json body{{"name", name}, {"payload", payload}};
  AddText("id", std::string(id), body);
  return impl_->CallForTransaction(Post(TransactionPath(gid, ":signal"), DumpJson(body)));
}

Result<Document> Client::Complete(const CompletionRequest& request) {
  Json body{{"outcome", request.refused ? "refused" : "done"}};
  if (request.output) {
    body["output"] = *request.output;
  }
  AddText("code", request.code, body);
  AddText("message", request.message, body);
  return impl_->CallForDocument(
      Post("/v1/completions/" + PercentEncode(request.token), DumpJson(body)));
}

Result<Document> Client::PutDefinition(std::string_view name, std::string_view source) {
  return impl_->CallForDocument(
      {"PUT", "/v1/definitions/" + PercentEncode(name), std::string(source)});
}

Result<Document> Client::GetDefinition(std::string_view name, std::optional<uint32_t> version) {
  std::string target = "/v1/definitions/" + PercentEncode(name);
  if (version) {
    target += "/versions/" + std::to_string(*version);
  }
  return impl_->CallForDocument(GetFrom(std::move(target)));
}

Result<Document> Client::ListDefinitions(std::string_view name, const PageRequest& page) {
  std::string target = "/v1/definitions";
  if (!name.empty()) {
    target += "/" + PercentEncode(name) + "/versions";
  }
  return impl_->CallForDocument(GetFrom(target + PageQuery(page)));
}

Result<Document> Client::ValidateDefinition(std::string_view source) {
  return impl_->CallForDocument(Post("/v1/definitions:validate", std::string(source)));
}

Result<Document> Client::Incidents(const ListRequest& request) {
  Query query;
  query.Add("definition", request.definition).Add("mode", request.mode);
  query.Add("label", request.label).Add("limit", NumberText(request.limit));
  query.Add("cursor", request.cursor);
  return impl_->CallForDocument(GetFrom("/v1/incidents" + query.text()));
}

Result<Document> Client::Participants(const PageRequest& page) {
  return impl_->CallForDocument(GetFrom("/v1/participants" + PageQuery(page)));
}

Result<Document> Client::Nodes() {
  return impl_->CallForDocument(GetFrom("/v1/nodes"));
}

Result<Document> Client::CreateToken(const TokenRequest& request) {
  Json body{{"name", request.name}, {"role", request.role}};
  if (request.payloads) {
    body["payloads"] = true;
  }
  if (!request.definitions.empty()) {
    body["definitions"] = request.definitions;
  }
  if (!request.labels.empty()) {
    body["labels"] = request.labels;
  }
  AddText("expiresIn", request.expires_in, body);
  return impl_->CallForDocument(Post("/v1/tokens", DumpJson(body)));
}

Result<Document> Client::ListTokens() {
  return impl_->CallForDocument(GetFrom("/v1/tokens"));
}

Result<Document> Client::RevokeToken(std::string_view id) {
  return impl_->CallForDocument(Post("/v1/tokens/" + PercentEncode(id) + ":revoke", "{}"));
}

Result<Document> Client::DeadLetters(const PageRequest& page) {
  return impl_->CallForDocument(GetFrom("/v1/dead-letters" + PageQuery(page)));
}

Result<Document> Client::SendDeadLetters(const std::vector<std::string>& ids) {
  return impl_->CallForDocument(Post("/v1/dead-letters:send", DumpJson(Json{{"ids", ids}})));
}

Result<Document> Client::Audit(const AuditRequest& request) {
  Query query;
  query.Add("actor", request.actor).Add("action", request.action);
  query.Add("subject", request.subject).Add("outcome", request.outcome);
  query.Add("since", InstantText(request.since)).Add("until", InstantText(request.until));
  query.Add("limit", NumberText(request.limit)).Add("cursor", request.cursor);
  return impl_->CallForDocument(GetFrom("/v1/audit" + query.text()));
}

Result<Document> Client::ListKeys() {
  return impl_->CallForDocument(GetFrom("/v1/keys"));
}

Result<Document> Client::RotateKeys(const KeyRotation& rotation) {
  Json body = Json::object();
  AddText("notice", rotation.notice, body);
  if (rotation.revoke) {
    body["revoke"] = true;
  }
  return impl_->CallForDocument(Post("/v1/keys:rotate", DumpJson(body)));
}

Result<std::string> Client::Metrics() {
  return impl_->CallForText(GetFrom("/metrics"));
}

Result<Document> Client::Health() {
  ENTENTE_ASSIGN_OR_RETURN(Answered answered,
                           impl_->Call(GetFrom("/healthz"), Duration::zero(), /*also_good=*/503));
  return std::move(answered.document);
}

}  // namespace entente::sdk
