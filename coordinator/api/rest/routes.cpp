#include "coordinator/api/rest/routes.h"

#include <algorithm>
#include <array>

#include "coordinator/api/text.h"

namespace entente::api {
namespace {

// The first is the one that has to be fastest.
constexpr std::array kRoutes{
    Route{Method::kPost, "/v1/transactions", Action::kSubmit, Body::kRequired},
    Route{Method::kGet, "/v1/transactions", Action::kListTransactions, Body::kNone},
    Route{Method::kGet, "/v1/transactions/{gid}", Action::kGetTransaction, Body::kNone},
    Route{Method::kGet, "/v1/transactions:count", Action::kCountTransactions, Body::kNone},
    Route{Method::kPost, "/v1/transactions:begin", Action::kBegin, Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}/branches", Action::kEnlist, Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}:commit", Action::kCommit, Body::kOptional},
    Route{Method::kPost, "/v1/transactions/{gid}:abort", Action::kAbort, Body::kOptional},
    Route{Method::kGet, "/v1/transactions/{gid}/branches", Action::kListBranches, Body::kNone},
    Route{Method::kGet, "/v1/transactions/{gid}/decision", Action::kGetDecision, Body::kNone},
    Route{Method::kGet, "/v1/transactions/{gid}/history", Action::kGetHistory, Body::kNone},
    Route{Method::kGet, "/v1/transactions/{gid}/events", Action::kWatchTransaction, Body::kNone},
    Route{Method::kPost, "/v1/transactions/{gid}:cancel", Action::kCancel, Body::kOptional},
    Route{Method::kPost, "/v1/transactions/{gid}:pause", Action::kPause, Body::kOptional},
    Route{Method::kPost, "/v1/transactions/{gid}:resume", Action::kResume, Body::kOptional},
    Route{Method::kPost, "/v1/transactions/{gid}:retry", Action::kRetry, Body::kOptional},
    Route{Method::kGet, "/v1/transactions/{gid}/branches/{branch}/call", Action::kGetBranchCall,
          Body::kNone},
    Route{Method::kPost, "/v1/transactions/{gid}:edit", Action::kEdit, Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}:skip", Action::kSkip, Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}:complete", Action::kCompleteBranch,
          Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}:resolve", Action::kResolve, Body::kRequired},
    Route{Method::kPost, "/v1/transactions/{gid}:signal", Action::kSignal, Body::kRequired},
    Route{Method::kPost, "/v1/bulk", Action::kStartBulk, Body::kRequired},
    Route{Method::kGet, "/v1/bulk", Action::kListBulk, Body::kNone},
    Route{Method::kGet, "/v1/bulk/{id}", Action::kGetBulk, Body::kNone},
    Route{Method::kPost, "/v1/bulk/{id}:stop", Action::kStopBulk, Body::kOptional},
    Route{Method::kPost, "/v1/completions/{token}", Action::kComplete, Body::kRequired},
    Route{Method::kPost, "/v1/callbacks/{token}", Action::kComplete, Body::kRequired},
    Route{Method::kPost, "/v1/definitions:validate", Action::kValidateDefinition, Body::kRequired},
    Route{Method::kPost, "/v1/definitions:dry-run", Action::kDryRun, Body::kRequired},
    Route{Method::kGet, "/v1/definitions", Action::kListDefinitions, Body::kNone},
    Route{Method::kPut, "/v1/definitions/{name}", Action::kPutDefinition, Body::kRequired},
    Route{Method::kGet, "/v1/definitions/{name}", Action::kGetDefinition, Body::kNone},
    Route{Method::kGet, "/v1/definitions/{name}/versions", Action::kListVersions, Body::kNone},
    Route{Method::kGet, "/v1/definitions/{name}/versions/{version}", Action::kGetVersion,
          Body::kNone},
    Route{Method::kGet, "/v1/incidents", Action::kListIncidents, Body::kNone},
    Route{Method::kGet, "/v1/participants", Action::kListParticipants, Body::kNone},
    Route{Method::kGet, "/v1/nodes", Action::kListNodes, Body::kNone},
    Route{Method::kGet, "/v1/dead-letters", Action::kListDeadLetters, Body::kNone},
    Route{Method::kPost, "/v1/dead-letters:send", Action::kSendDeadLetters, Body::kOptional},
    Route{Method::kGet, "/v1/events", Action::kWatchEvents, Body::kNone},
    Route{Method::kGet, "/v1/session", Action::kGetSession, Body::kNone},
    Route{Method::kGet, "/v1/tokens", Action::kListTokens, Body::kNone},
    Route{Method::kPost, "/v1/tokens", Action::kCreateToken, Body::kRequired},
    Route{Method::kPost, "/v1/tokens/{id}:revoke", Action::kRevokeToken, Body::kOptional},
    Route{Method::kGet, "/v1/audit", Action::kListAudit, Body::kNone},
    Route{Method::kGet, "/v1/keys", Action::kListKeys, Body::kNone},
    Route{Method::kPost, "/v1/keys:rotate", Action::kRotateKeys, Body::kOptional},
    Route{Method::kGet, "/healthz", Action::kHealth, Body::kNone},
    Route{Method::kGet, "/readyz", Action::kReady, Body::kNone},
    Route{Method::kGet, "/metrics", Action::kMetrics, Body::kNone},
    Route{Method::kGet, "/openapi.json", Action::kOpenApi, Body::kNone},
};

// Takes the segment before the next slash off the front.
std::string_view TakeSegment(std::string_view& path) {
  path.remove_prefix(1);  // The slash.
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// The value of a pattern's "{name}" or "{name}:verb" within `segment`, still encoded.
std::optional<std::string_view> MatchParameter(std::string_view pattern, std::string_view segment) {
  const std::string_view verb = pattern.substr(pattern.find('}') + 1);
  if (segment.size() <= verb.size() || !segment.ends_with(verb)) {
    return std::nullopt;
  }
  segment.remove_suffix(verb.size());
  return segment;
}

bool EndsInVerb(std::string_view segment) {
  return segment.find(':') != std::string_view::npos &&
         std::any_of(kRoutes.begin(), kRoutes.end(), [segment](const Route& route) {
           const size_t verb = route.pattern.rfind("}:");
           return verb != std::string_view::npos &&
                  segment.ends_with(route.pattern.substr(verb + 1));
         });
}

// The encoded parameters, if `path` has the shape of `pattern`.
bool MatchPath(std::string_view pattern, std::string_view path,
               std::vector<std::string_view>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    const std::string_view expected = TakeSegment(pattern);
    const std::string_view segment = TakeSegment(path);
    if (!expected.starts_with('{')) {
      if (expected != segment) {
        return false;
      }
      continue;
    }
    const std::optional<std::string_view> value = MatchParameter(expected, segment);
    if (!value || (expected.ends_with('}') && EndsInVerb(*value))) {
      return false;  // The path of a verb is of that verb alone.
    }
    parameters.push_back(*value);
  }
  return pattern.empty() && path.empty();
}

bool DecodeParameters(const std::vector<std::string_view>& encoded,
                      std::vector<std::string>& decoded) {
  for (const std::string_view text : encoded) {
    std::optional<std::string> value = PercentDecode(text, /*in_query=*/false);
    if (!value) {
      return false;
    }
    decoded.push_back(std::move(*value));
  }
  return true;
}

void AddAllowed(Method method, std::string& allow) {
  if (!allow.empty()) {
    allow += ", ";
  }
  allow += method == Method::kGet ? "GET, HEAD" : MethodName(method);
}

}  // namespace

std::span<const Route> Routes() {
  return kRoutes;
}

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kPut: return "PUT";
    case Method::kPost: return "POST";
  }
  return "";
}

std::string VerbsAt(std::string_view path) {
  const size_t end = path.rfind('/') + 1;
  std::string verbs;
  if (path.find(':', end) == std::string_view::npos) {
    return verbs;
  }
  for (const Route& route : kRoutes) {
    const size_t verb = route.pattern.rfind("}:");
    const bool here = verb != std::string_view::npos &&
                      route.pattern.substr(0, route.pattern.find('{')) == path.substr(0, end);
    if (here) {
      verbs += (verbs.empty() ? "" : ", ") + std::string(route.pattern.substr(verb + 1));
    }
  }
  return verbs;
}

RouteMatch FindRoute(std::string_view method, std::string_view path) {
  RouteMatch match;
  if (!path.starts_with('/')) {
    return match;
  }
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::vector<std::string_view> encoded;
  for (const Route& route : kRoutes) {
    if (!MatchPath(route.pattern, path, encoded)) {
      continue;
    }
    if (MethodName(route.method) != wanted) {
      AddAllowed(route.method, match.allow);
      continue;
    }
    if (DecodeParameters(encoded, match.parameters)) {
      match.route = &route;
    }
    match.allow.clear();
    return match;
  }
  return match;
}

}  // namespace entente::api
