// A participant in the words of HTTP.
#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <utility>

#include "entente/participant.h"
#include "participant-sdk/src/participant/await.h"
#include "participant-sdk/src/participant/input_numbers.h"

namespace entente::sdk {
namespace {

// What a handler may have polled.
constexpr size_t kMaxLocationBytes = 2048;

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string FindHeader(const HttpHeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoringCase(key, name)) {
      return value;
    }
  }
  return {};
}

HttpResponse Problem(int status, std::string_view code, const std::string& detail) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/problem+json");
  response.body = DumpJson(Json{{"status", status}, {"code", code}, {"detail", detail}});
  return response;
}

// Too early: 401, as any other 4xx, would say that the operation was refused, and abort its
// transaction for a key that was not handed on.
HttpResponse Unverified(const Status& why) {
  HttpResponse response = Problem(425, why.reason(), why.message());
  response.headers.emplace_back("Entente-Unverified", why.reason());
  return response;
}

HttpResponse Good(int status, const Json& body) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = DumpJson(body);
  return response;
}

// A handler must not begin another header, and a shortened or changed address is none.
bool IsLocation(std::string_view text) {
  return text.size() <= kMaxLocationBytes &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

struct AnswerWriter {
  Outcome::Fault fault;
  std::string completion_token;  // As it came; the coordinator compares it.

  HttpResponse operator()(const DoneAnswer& done) const {
    HttpResponse response = Good(200, done.output);
    if (done.expires) {
      response.headers.emplace_back("Entente-Expires", FormatInstant(*done.expires));
    }
    return response;
  }

  HttpResponse operator()(const RefusedAnswer& refused) const {
    const int status = fault == Outcome::Fault::kBadRequest ? 400
                       : fault == Outcome::Fault::kNotFound ? 404
                                                            : 409;
    return Problem(status, refused.code, refused.message);
  }

  HttpResponse operator()(const PendingAnswer& pending) const {
    if (!IsLocation(pending.location)) {
      return Problem(500, "handler.bad_answer",
                     "the handler's location to poll is longer than " +
                         std::to_string(kMaxLocationBytes) +
                         " bytes, or holds what an address can not: blanks, control characters or "
                         "unescaped letters beyond ASCII");
    }
    HttpResponse response = Good(202, nullptr);
    if (!completion_token.empty()) {
      response.headers.emplace_back("Entente-Pending", completion_token);
    }
    if (!pending.location.empty()) {
      response.headers.emplace_back("Location", pending.location);
    }
    return response;
  }

  HttpResponse operator()(const RetryAnswer& retry) const {
    // A 503 holds up every call of the service, also the commit or undo that frees what this one
    // waits for.
    const int status = fault == Outcome::Fault::kHandler     ? 500
                       : retry.scope == RetryScope::kService ? 503
                                                             : 425;
    HttpResponse response = Problem(status, retry.code, retry.message);
    if (retry.after > Duration::zero()) {
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry.after).count();
      response.headers.emplace_back("Retry-After", std::to_string(seconds));
    }
    return response;
  }

  HttpResponse operator()(const ReadOnlyAnswer&) const {
    HttpResponse response = Good(200, Json{{"vote", "read-only"}});
    response.headers.emplace_back("Entente-Vote", "read-only");
    return response;
  }

  HttpResponse operator()(const HeuristicAnswer& heuristic) const {
    const std::string name(HeuristicName(heuristic.outcome));
    HttpResponse response = Problem(409, "heuristic." + name, heuristic.message);
    response.headers.emplace_back("Entente-Heuristic", name);
    return response;
  }
};

// Whether the participant's path leads to a handler, and what follows it there.
std::optional<std::pair<std::string_view, std::string_view>> ParsePath(std::string_view target,
                                                                       std::string_view prefix) {
  target = target.substr(0, target.find('?'));
  if (!target.starts_with(prefix)) {
    return std::nullopt;
  }
  target.remove_prefix(prefix.size());
  const size_t slash = target.find('/', 1);
  if (!target.starts_with('/') || slash == std::string_view::npos || slash + 1 == target.size()) {
    return std::nullopt;
  }
  return std::pair(target.substr(1, slash - 1), target.substr(slash + 1));
}

struct Route {
  std::string_view handler;
  Operation operation = Operation::kAction;
};

std::optional<Route> ParseTarget(std::string_view target, std::string_view prefix) {
  const auto path = ParsePath(target, prefix);
  const auto operation = path ? ParseOperation(path->second) : std::nullopt;
  return operation ? std::optional(Route{path->first, *operation}) : std::nullopt;
}

}  // namespace

void Participant::HandleAsync(const HttpRequest& request, HttpWaiter waiter) const {
  if (verifier_ != nullptr) {
    if (const Status verified = verifier_->Verify(request); !verified.ok()) {
      return waiter.done(Unverified(verified));
    }
  }
  const FactSource fact = [&request](std::string_view name) {
    return FindHeader(request.headers, name);
  };
  const std::string token = fact("entente-completion-token");
  if (request.method == "GET" || request.method == "HEAD") {
    const auto path = ParsePath(request.target, prefix_);
    if (path && polls_.contains(path->first)) {
      const Outcome outcome = DispatchPoll(path->first, path->second, fact);
      return waiter.done(std::visit(AnswerWriter{outcome.fault, token}, outcome.answer));
    }
  }
  const auto route = ParseTarget(request.target, prefix_);
  if (!route) {
    return waiter.done(Problem(404, "handler.unknown",
                               "no operation has this address; operations are at POST " + prefix_ +
                                   "/{handler}/{operation}"));
  }
  if (request.method != "POST") {
    HttpResponse response =
        Problem(405, "call.bad_method",
                "operations are called by POST, not " + request.method.substr(0, 20));
    response.headers.emplace_back("Allow", "POST");
    return waiter.done(std::move(response));
  }
  Json input;
  if (!request.body.empty()) {
    Result<Json> parsed = ParseJson(request.body, limits::kUndoJson);
    if (!parsed.ok()) {
      return waiter.done(Problem(parsed.status().reason() == "json.too_large" ? 413 : 400,
                                 parsed.status().reason(), parsed.status().message()));
    }
    input = std::move(parsed).value();
    UnifyNumbers(input);
  }
  DispatchAsync(route->handler, route->operation, fact, std::move(input),
                {[done = std::move(waiter.done), token](const Outcome& outcome) {
                   done(std::visit(AnswerWriter{outcome.fault, token}, outcome.answer));
                 },
                 std::move(waiter.wanted)});
}

HttpResponse Participant::Handle(const HttpRequest& request) const {
  const auto deadline = ParseDeadline(FindHeader(request.headers, "entente-deadline"));
  const auto give_up_at = GiveUpAt(deadline.ok() ? *deadline : std::nullopt);
  const auto awaited = std::make_shared<Awaited<HttpResponse>>();
  HandleAsync(request, {[awaited](HttpResponse response) { awaited->Give(std::move(response)); },
                        [awaited] { return awaited->wanted(); }});
  std::optional<HttpResponse> response = awaited->Take(give_up_at);
  return response ? std::move(*response)
                  : Problem(425, "call.too_late", "the call was not answered by its deadline");
}

}  // namespace entente::sdk
