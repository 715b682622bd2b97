// Where a call goes: an origin and a request target.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::net {

// Scheme, host and port: what one connection reaches (RFC 6454).
struct Origin {
  bool tls = false;
  std::string host;  // Lower case; an IPv6 literal without its brackets.
  uint16_t port = 0;

  // "https://example.org:8443", the port only where it is not the scheme's own.
  [[nodiscard]] std::string ToString() const;
  // The Host field's value (RFC 9110, 7.2): the port only where it is not the scheme's own.
  [[nodiscard]] std::string HostField() const;

  friend auto operator<=>(const Origin&, const Origin&) = default;
};

struct Url {
  Origin origin;
  std::string target = "/";  // Path and query, as sent on the request line.
};

// Reads an absolute "http://" or "https://" URL (RFC 3986). Fails with kInvalidArgument, reason
// url.invalid, for anything else: another scheme, user information (a secret in a URL is logged
// sooner or later), a fragment, a port outside 1..65535, white space, control or non-ASCII bytes.
[[nodiscard]] Result<Url> ParseUrl(std::string_view text);

// The URL that `reference` stands for in an answer to a request of `base` (RFC 3986, 5.2), without
// its fragment. Only as good as the reference: read it with ParseUrl.
[[nodiscard]] std::string ResolveReference(const Url& base, std::string_view reference);

// Reads "host", "host:port" or "[v6]:port", as gRPC targets are written. `default_port` serves
// where none is given; 0 means that it must be. Fails as ParseUrl does.
[[nodiscard]] Result<Origin> ParseAuthority(std::string_view text, bool tls, uint16_t default_port);

}  // namespace entente::net

template <>
struct std::hash<entente::net::Origin> {
  size_t operator()(const entente::net::Origin& origin) const noexcept {
    return std::hash<std::string>()(origin.host) ^ (size_t{origin.port} << 17) ^
           static_cast<size_t>(origin.tls);
  }
};
