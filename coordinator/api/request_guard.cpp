#include "coordinator/api/request_guard.h"

#include <algorithm>

#include "coordinator/api/text.h"

namespace entente::api {
namespace {

using transport::EqualsIgnoringCase;

Error Refuse(StatusCode code, std::string reason, std::string message) {
  return {Status(code, std::move(reason), std::move(message)), {}, {}};
}

std::string Shown(std::string_view text) {
  constexpr size_t kMaxShownBytes = 100;
  return "'" + ToUtf8(text.substr(0, kMaxShownBytes)) + "'";
}

// "example.org:80" and "[::1]:80" without the port and the brackets.
std::string_view HostOf(std::string_view host_field) {
  if (host_field.starts_with('[')) {
    return host_field.substr(1, host_field.find(']') - 1);
  }
  return host_field.substr(0, host_field.find(':'));
}

bool IsLoopbackAddress(std::string_view host) {
  constexpr std::string_view kNetwork = "127.";
  const bool digits = std::all_of(host.begin(), host.end(),
                                  [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
  return EqualsIgnoringCase(host, "localhost") || host == "::1" ||
         (host.starts_with(kNetwork) && digits);
}

bool Contains(const std::vector<std::string>& list, std::string_view text) {
  return std::any_of(list.begin(), list.end(),
                     [text](const std::string& entry) { return EqualsIgnoringCase(entry, text); });
}

bool ChangesState(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

std::optional<Error> CheckHost(std::string_view host_field, const GuardOptions& options) {
  if (!options.loopback_only && options.allowed_hosts.empty()) {
    return std::nullopt;
  }
  const std::string_view host = HostOf(host_field);
  if (Contains(options.allowed_hosts, host) || (options.loopback_only && IsLoopbackAddress(host))) {
    return std::nullopt;
  }
  return Refuse(StatusCode::kInvalidArgument, "request.host",
                "this coordinator is not known as " + Shown(host) +
                    "; use its address, or allow the name with `entente serve --allow-host`");
}

// Browsers say where the page that sends a request came from, and no page can change that.
std::optional<Error> CheckOrigin(const transport::HttpServerRequest& request,
                                 std::string_view host_field, const GuardOptions& options) {
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
  return Refuse(
      StatusCode::kPermissionDenied, "request.origin",
      "a page of " + Shown(origin.value_or("another site")) +
          " may not change anything here; if it should, allow its origin with `entente serve "
          "--allow-origin`");
}

}  // namespace

std::optional<Error> CheckRequest(const transport::HttpServerRequest& request,
                                  const GuardOptions& options) {
  const std::string_view host_field = request.headers.Find("Host").value_or("");
  if (std::optional<Error> error = CheckHost(host_field, options)) {
    return error;
  }
  if (ChangesState(request.method)) {
    if (std::optional<Error> error = CheckOrigin(request, host_field, options)) {
      return error;
    }
  }
  const std::string_view coding = request.headers.Find("Content-Encoding").value_or("identity");
  if (!EqualsIgnoringCase(coding, "identity")) {
    return Refuse(StatusCode::kInvalidArgument, "request.media_type",
                  "the body is encoded as " + Shown(coding) + "; send it as it is");
  }
  return std::nullopt;
}

std::optional<Error> CheckMediaType(const transport::HttpServerRequest& request) {
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

transport::HttpHeaders AnswerHeaders(std::string_view content_type) {
  return {{"Content-Type", content_type},
          {"X-Content-Type-Options", "nosniff"},
          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"}};
}

}  // namespace entente::api
