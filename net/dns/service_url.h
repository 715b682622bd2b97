// Addresses that name a service, whose hosts and ports DNS knows.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "net/core/url.h"

namespace entente::net {

struct ServiceUrl {
  std::string
      name;  // What is looked up: "_booking._tcp.example.com". Lower case, no dot at the end.
  // What the service is called, wherever its records lead: the name's domain, without the labels of
  // service and protocol, at the scheme's own port. This is what certificates must be for (RFC
  // 6125, 6.2.1: the source domain; who answers for DNS must not choose another), what the Host
  // field says, and what secrets are released to.
  Origin origin;
  std::string path;  // Below which requests go; no slash at the end.
};

// Whether it is written as an address that ParseServiceUrl reads: "...+srv://".
[[nodiscard]] bool IsServiceUrl(std::string_view text);

// Reads "http+srv://NAME[/path]", "https+srv://NAME[/path]" and "grpc+srv://NAME", where NAME is
// "_service._protocol.domain" (RFC 2782) or any other name that has SRV records, such as Consul's
// "booking.service.consul". `tls` is of grpc alone. Fails with kInvalidArgument, reason
// url.invalid.
[[nodiscard]] Result<ServiceUrl> ParseServiceUrl(std::string_view text, bool tls);

}  // namespace entente::net
