#include "coordinator/api/rest/rest.h"

#include <utility>

#include <boost/asio/dispatch.hpp>

#include "coordinator/api/credential.h"
#include "coordinator/api/rest/page.h"
#include "coordinator/api/rest/rest_exchange.h"

namespace entente::api {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProblemJson = "application/problem+json";
constexpr std::string_view kEventStream = "text/event-stream";

Error Refusal(StatusCode code, std::string reason, std::string message) {
  return {Status(code, std::move(reason), std::move(message)), {}, {}};
}

bool IsEventStream(Action action) {
  return action == Action::kWatchTransaction || action == Action::kWatchEvents;
}

// Routes an HttpServer's requests; the state of one worker.
class RestHandler final : public net::HttpHandler {
 public:
  RestHandler(RestApi::Shared& shared, boost::asio::io_context& io,
              std::shared_ptr<net::HttpEntrance> for_streams)
      : shared_(shared),
        streams_(std::make_shared<StreamSet>(
            io, shared.options.heartbeat, shared.options.max_event_streams, shared.event_streams)),
        for_streams_(std::move(for_streams)) {}

  void Handle(net::HttpServerRequest request, net::Responder responder) override {
    auto exchange =
        std::make_shared<Exchange>(std::move(request), std::move(responder), shared_, streams_);
    if (const std::optional<Error> error =
            CheckRequest(exchange->request(), shared_.options.guard)) {
      exchange->Fail(*error);
      return;
    }
    if (exchange->request().method == "OPTIONS") {
      TellOptions(*exchange);
      return;
    }
    RouteMatch match = FindRoute(exchange->request().method, exchange->path());
    if (match.route == nullptr) {
      if (const dashboard::Asset* asset = PageAt(*exchange)) {
        AnswerPage(*exchange, *asset);
        return;
      }
      FailUnrouted(*exchange, match.allow);
      return;
    }
    if (for_streams_ != nullptr && IsEventStream(match.route->action)) {
      exchange->MoveTo(for_streams_);
      return;
    }
    if (Status admitted = exchange->Admit(RuleOf(match.route->action)); !admitted.ok()) {
      exchange->Fail({std::move(admitted), {}, {}});
      return;
    }
    if (const std::optional<Error> error = CheckBody(exchange->request(), match.route->body)) {
      exchange->Fail(*error);
      return;
    }
    exchange->set_parameters(std::move(match.parameters));
    Perform(match.route->action, exchange);
  }

 private:
  // Which methods the path has; and for a browser, whether another site's page may use them.
  void TellOptions(Exchange& exchange) {
    const bool preflight = IsPreflight(exchange.request());
    if (preflight) {
      if (const std::optional<Error> error =
              CheckPreflight(exchange.request(), shared_.options.guard)) {
        exchange.Fail(*error);
        return;
      }
    }
    const bool everything = exchange.path() == "*";
    const std::string allow =
        everything ? "GET, HEAD, POST, PUT"
                   : AllowedAt(exchange, FindRoute("OPTIONS", exchange.path()).allow);
    if (allow.empty()) {
      FailUnrouted(exchange, allow);
      return;
    }
    net::HttpHeaders headers = AnswerHeaders(kJson);
    headers.Add("Allow", allow + ", OPTIONS");
    if (preflight) {
      AddPreflightFields(allow, headers);
    }
    exchange.AnswerWith(204, std::move(headers), "");
  }

  static const dashboard::Asset* PageAt(const Exchange& exchange) {
    const std::string& method = exchange.request().method;
    return method == "GET" || method == "HEAD" ? dashboard::Find(exchange.path()) : nullptr;
  }

  // What the pages of the dashboard add to what the routes allow at a path.
  static std::string AllowedAt(const Exchange& exchange, const std::string& routed) {
    const bool page = routed.empty() && dashboard::Find(exchange.path()) != nullptr;
    return page ? "GET, HEAD" : routed;
  }

  static void FailUnrouted(Exchange& exchange, const std::string& routed) {
    const std::string allow = AllowedAt(exchange, routed);
    const bool post = exchange.request().method == "POST";
    if (const std::string verbs = post ? VerbsAt(exchange.path()) : ""; !verbs.empty()) {
      exchange.Fail(Refusal(StatusCode::kNotFound, "request.no_route",
                            "there is no such verb at this path; there are " + verbs));
    } else if (allow.empty()) {
      exchange.Fail(Refusal(StatusCode::kNotFound, "request.no_route",
                            "there is nothing at this path; /openapi.json lists what there is"));
    } else {
      exchange.Fail(Refusal(StatusCode::kInvalidArgument, "request.method",
                            "the method is not for this path; use " + allow),
                    allow + ", OPTIONS");
    }
  }

  static std::optional<Error> CheckBody(const net::HttpServerRequest& request, Body body) {
    if (request.body.empty()) {
      if (body != Body::kRequired) {
        return std::nullopt;
      }
      return Refusal(StatusCode::kInvalidArgument, "request.no_body",
                     "the request has no body; send JSON as application/json");
    }
    if (body == Body::kNone) {
      return Refusal(StatusCode::kInvalidArgument, "request.body",
                     "this request takes no body; send it without");
    }
    return CheckMediaType(request);
  }

  RestApi::Shared& shared_;
  // Shared with the exchanges, which find it gone when the worker has stopped serving.
  std::shared_ptr<StreamSet> streams_;
  const std::shared_ptr<net::HttpEntrance> for_streams_;  // Null: they are served here.
};

}  // namespace

RestApi::RestApi(runtime::Coordinator& coordinator, RestOptions options)
    : shared_(std::make_unique<Shared>(coordinator, std::move(options))) {}

RestApi::~RestApi() = default;

std::unique_ptr<net::HttpHandler> RestApi::HandlerFor(
    boost::asio::io_context& io, std::shared_ptr<net::HttpEntrance> for_streams) {
  return std::make_unique<RestHandler>(*shared_, io, std::move(for_streams));
}

size_t RestApi::event_streams() const {
  return shared_->event_streams.load();
}

StreamSet::~StreamSet() {
  while (!streams_.empty()) {
    Remove(*streams_.begin());
  }
}

std::shared_ptr<SseStream> StreamSet::Add() {
  if (open_.fetch_add(1) >= limit_) {
    open_.fetch_sub(1);
    return nullptr;
  }
  std::shared_ptr<SseStream> stream = SseStream::Create(io_, heartbeat_);
  streams_.insert(stream);
  return stream;
}

std::function<void(std::function<void()>)> StreamSet::here() const {
  return [&io = io_](std::function<void()> work) { boost::asio::dispatch(io, std::move(work)); };
}

void StreamSet::Remove(const std::shared_ptr<SseStream>& stream) {
  const std::shared_ptr<SseStream> removed = stream;
  if (streams_.erase(removed) != 0) {
    open_.fetch_sub(1);
    removed->Stop();
  }
}

Exchange::Exchange(net::HttpServerRequest request, net::Responder responder,
                   RestApi::Shared& shared, std::weak_ptr<StreamSet> streams)
    : request_(std::move(request)),
      responder_(std::move(responder)),
      shared_(shared),
      streams_(std::move(streams)) {
  const std::string_view target = request_.target;
  const size_t mark = target.find('?');
  path_ = target.substr(0, mark);
  query_ = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

Status Exchange::Admit(const AccessRule& rule) {
  asked_ = rule.name;
  if (rule.reach == Reach::kOpen) {
    return {};
  }
  ENTENTE_ASSIGN_OR_RETURN(by_, tokens().WhoIs(CredentialOf(request_.headers)));
  known_ = true;
  if (rule.recorded) {
    auto recorded = std::make_shared<identity::Principal>(*by_);
    recorded->peer = request_.peer;
    by_ = std::move(recorded);
  }
  return CheckAccess(rule, *by_);
}

GrpcStats Exchange::grpc_stats() const {
  const auto& stats = shared_.options.grpc_stats;
  return stats ? stats() : GrpcStats();
}

void Exchange::WriteMeasurements(observe::Exposition& out) const {
  if (shared_.options.measurements) {
    shared_.options.measurements(out);
  }
}

net::ServerLoad::Stats Exchange::HttpStats() const {
  const auto& load = shared_.options.http_load;
  return load == nullptr ? net::ServerLoad::Stats() : load->stats();
}

std::shared_ptr<runtime::Hangup> Exchange::ClientHangup() {
  auto hangup = std::make_shared<runtime::Hangup>();
  if (responder_.peer_gone()) {
    hangup->Happen();
  } else {
    responder_.OnPeerGone([hangup] { hangup->Happen(); });
  }
  return hangup;
}

void Exchange::Answer(int status, std::string body) {
  AnswerWith(status, AnswerHeaders(kJson), std::move(body));
}

void Exchange::AnswerText(std::string_view content_type, std::string body) {
  AnswerWith(200, AnswerHeaders(content_type), std::move(body));
}

void Exchange::AnswerWith(int status, net::HttpHeaders headers, std::string body) {
  if (!streams_.expired()) {
    AddCorsFields(request_, shared_.options.guard, headers);
  }
  std::move(responder_).Respond({status, std::move(headers), std::move(body)});
}

void Exchange::Fail(const Error& error, std::string_view allow) {
  if (streams_.expired()) {
    return;  // The worker stopped serving: nobody is there to be answered, nor what `shared_` was.
  }
  const int status = HttpStatusOf(error.status);
  if (status == 500 && shared_.options.on_defect) {
    shared_.options.on_defect(error.status, request_.target);
  }
  if ((status == 401 || status == 403) && shared_.options.on_refused) {
    shared_.options.on_refused({error.status, asked_, known_ ? by_.get() : nullptr, request_.peer});
  }
  net::HttpHeaders headers = AnswerHeaders(kProblemJson);
  if (IsRetryable(error.status)) {
    headers.Add("Retry-After", kRetryAfterSeconds);
  }
  if (!allow.empty()) {
    headers.Add("Allow", allow);
  }
  if (status == 401) {
    headers.Add("WWW-Authenticate", "Bearer realm=\"entente\"");  // RFC 6750, 3.
  }
  AnswerWith(status, std::move(headers), ProblemJson(error, path_));
}

void Exchange::MoveTo(std::shared_ptr<net::HttpEntrance> to) {
  std::move(responder_).MoveTo(std::move(to), std::move(request_));
}

net::ResponseStream Exchange::Stream() {
  net::HttpHeaders headers = AnswerHeaders(kEventStream);
  AddCorsFields(request_, shared_.options.guard, headers);
  return std::move(responder_).Stream(200, headers);
}

}  // namespace entente::api
