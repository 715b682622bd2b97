// What every HTTP request must satisfy before its route is even looked at, and what every answer
// carries: the defence against other sites' pages and rebound names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/api/problem.h"
#include "net/core/http_headers.h"
#include "net/http/http_server.h"

namespace entente::api {

struct GuardOptions {
  // Bound to loopback: a Host other than a loopback name or address, or one of `allowed_hosts`,
  // comes from a page whose name was rebound to us.
  bool loopback_only = true;
  // Further hosts, without ports. If not empty, others are refused on any address.
  std::vector<std::string> allowed_hosts;
  // Origins ("https://ops.example.org") whose pages may read and change state, beside our own.
  std::vector<std::string> allowed_origins;
  // This coordinator's id. What has it in Entente-Coordinator is a call of its own, or of another
  // node's of the same store, whose participant's address leads here: by a name, a balancer or a
  // proxy that no list of addresses knows. It would come with the coordinator's rights, past
  // whatever guards this API. Empty: it is not looked for.
  std::string coordinator = {};
};

// Refuses an unknown Host (request.host), a state change from a foreign page (request.origin), a
// call of the coordinator itself (address.own), and an encoded body (request.media_type).
[[nodiscard]] std::optional<Error> CheckRequest(const net::HttpServerRequest& request,
                                                const GuardOptions& options);

// What a call of the coordinator's own that arrives here is refused with (address.own).
[[nodiscard]] Status OwnCall();

// Refuses a body that is not declared as JSON (request.media_type), or that has no business there.
[[nodiscard]] std::optional<Error> CheckMediaType(const net::HttpServerRequest& request);

// Adds what a browser needs to let a page of an allowed origin read the answer (the CORS protocol
// of the Fetch standard). Nothing for others.
void AddCorsFields(const net::HttpServerRequest& request, const GuardOptions& options,
                   net::HttpHeaders& headers);

// Whether a browser asks if a page may send a request; and if one of this origin may.
[[nodiscard]] bool IsPreflight(const net::HttpServerRequest& request);
[[nodiscard]] std::optional<Error> CheckPreflight(const net::HttpServerRequest& request,
                                                  const GuardOptions& options);
// What it may send at a path that takes the methods `allow`.
void AddPreflightFields(std::string_view allow, net::HttpHeaders& headers);

// The fields of an answer with `content_type`.
[[nodiscard]] net::HttpHeaders AnswerHeaders(std::string_view content_type);

}  // namespace entente::api
