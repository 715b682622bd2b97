#include "coordinator/api/request_guard.h"

#include <algorithm>

#include "base/http_head.h"
#include "coordinator/api/text.h"

namespace entente::api {
namespace {

using net::EqualsIgnoringCase;

Error Refuse(StatusCode code, std::string reason, std::string message) {
  return {Status(code, std::move(reason), std::move(message)), {}, {}};
}

std::string Shown(std::string_view text) {
  constexpr size_t kMaxShownBytes = 100;
  return "'" + ToUtf8(text.substr(0, kMaxShownBytes)) + "'";
}

// `name` is a host that ParseHttpHost took: one of digits and dots is an IPv4 address.
bool IsLoopbackAddress(std::string_view name) {
  const bool digits = name.find_first_not_of("0123456789.") == std::string_view::npos;
  return EqualsIgnoringCase(name, "localhost") || name == "::1" ||
         (name.starts_with("127.") && digits);
}

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::any_of(list.begin(), list.end(),
                     [text](const std::string& entry) { return EqualsIgnoringCase(entry, text); });
}

bool ChangesState(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// A balancer's check, which may be HTTP/1.0 without a Host. No page makes a browser send that.
bool IsBareProbe(const net::HttpServerRequest& request) {
  const std::string_view target = request.target;
  return request.host.empty() && !ChangesState(request.method) &&
         (target == "/healthz" || target == "/readyz" || target == "/metrics");
}

Error RefuseOrigin(std::string_view origin) {
  return Refuse(StatusCode::kPermissionDenied, "request.origin",
                "a page of " + Shown(origin) +
                    " may not change anything here; if it should, allow its origin with `entente "
                    "serve --allow-origin`");
}

std::optional<Error> CheckHost(std::string_view host_field, const GuardOptions& options) {
  if (!options.loopback_only && options.allowed_hosts.empty()) {
    return std::nullopt;
  }
  const std::optional<HttpHost> host = ParseHttpHost(host_field);
  if (host && (Contains(options.allowed_hosts, host->name) ||
               (options.loopback_only && IsLoopbackAddress(host->name)))) {
    return std::nullopt;
  }
  return Refuse(StatusCode::kInvalidArgument, "request.host",
                "this coordinator is not known as " + Shown(host ? host->name : host_field) +
                    "; use its address, or allow the name with `entente serve --allow-host`");
}

// Browsers say where the page that sends a request came from, and no page can change that.
std::optional<Error> CheckOrigin(const net::HttpServerRequest& request, std::string_view host_field,
                                 const GuardOptions& options) {
  const std::string_view site = request.headers.Find("Sec-Fetch-Site").value_or("");
  const std::optional<std::string_view> origin = request.headers.Find("Origin");
  if (origin) {
    const std::string own = (request.tls ? "https://" : "http://") + std::string(host_field);
    if (EqualsIgnoringCase(*origin, own) || Contains(options.allowed_origins, *origin)) {
      return std::nullopt;
    }
  } else if (site != "cross-site" && site != "same-site") {
    return std::nullopt;
  }
  return RefuseOrigin(origin.value_or("another site"));
}

}  // namespace

Status OwnCall() {
  return {StatusCode::kPermissionDenied, "address.own",
          "this is a call of the coordinator's own, for a participant whose address leads to the "
          "coordinator itself: correct the definition"};
}

std::optional<Error> CheckRequest(const net::HttpServerRequest& request,
                                  const GuardOptions& options) {
  const std::string_view host_field = request.host;
  if (std::optional<Error> error = CheckHost(host_field, options); error && !IsBareProbe(request)) {
    return error;
  }
  if (ChangesState(request.method)) {
    if (std::optional<Error> error = CheckOrigin(request, host_field, options)) {
      return error;
    }
  }
  if (!options.coordinator.empty() &&
      request.headers.Find("Entente-Coordinator") == options.coordinator) {
    return Error{OwnCall(), {}, {}};
  }
  const std::string_view coding = request.headers.Find("Content-Encoding").value_or("identity");
  if (!EqualsIgnoringCase(coding, "identity")) {
    return Refuse(StatusCode::kInvalidArgument, "request.media_type",
                  "the body is encoded as " + Shown(coding) + "; send it as it is");
  }
  return std::nullopt;
}

std::optional<Error> CheckMediaType(const net::HttpServerRequest& request) {
  const std::string_view field = request.headers.Find("Content-Type").value_or("");
  std::string_view type = field.substr(0, field.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) {
    type.remove_suffix(1);
  }
  if (EqualsIgnoringCase(type, "application/json")) {
    return std::nullopt;
  }
  return Refuse(StatusCode::kInvalidArgument, "request.media_type",
                (field.empty() ? std::string("the body has no Content-Type")
                               : "the body's Content-Type is " + Shown(field)) +
                    "; send JSON as application/json");
}

void AddCorsFields(const net::HttpServerRequest& request, const GuardOptions& options,
                   net::HttpHeaders& headers) {
  if (options.allowed_origins.empty()) {
    return;
  }
  headers.Add("Vary", "Origin");
  const std::optional<std::string_view> origin = request.headers.Find("Origin");
  if (origin && Contains(options.allowed_origins, *origin)) {
    headers.Add("Access-Control-Allow-Origin", *origin);
    headers.Add("Access-Control-Expose-Headers", "Allow, Entente-Created, Location, Retry-After");
  }
}

bool IsPreflight(const net::HttpServerRequest& request) {
  return request.method == "OPTIONS" && request.headers.Has("Origin") &&
         request.headers.Has("Access-Control-Request-Method");
}

std::optional<Error> CheckPreflight(const net::HttpServerRequest& request,
                                    const GuardOptions& options) {
  const std::string_view origin = request.headers.Find("Origin").value_or("");
  return Contains(options.allowed_origins, origin) ? std::nullopt
                                                   : std::optional(RefuseOrigin(origin));
}

void AddPreflightFields(std::string_view allow, net::HttpHeaders& headers) {
  headers.Add("Access-Control-Allow-Methods", allow);
  headers.Add("Access-Control-Allow-Headers",
              "Content-Type, Entente-Signal-Id, Last-Event-ID, traceparent");
  headers.Add("Access-Control-Max-Age", "600");
}

net::HttpHeaders AnswerHeaders(std::string_view content_type) {
  return {{"Content-Type", content_type},
          {"X-Content-Type-Options", "nosniff"},
          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"}};
}

}  // namespace entente::api
