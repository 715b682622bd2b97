// Addresses of participants, taken apart and checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dsl/read/names.h"

namespace entente::dsl {

// Whether an address names a service, whose hosts and ports DNS knows (net/dns/service_url.h):
// "http+srv://...", "https+srv://..." or "grpc+srv://...".
[[nodiscard]] bool NamesService(std::string_view address);

// "http://host[:port][/prefix]", or https. IPv6 hosts stand in brackets. Or a service's:
// "http+srv://name[/prefix]", or https+srv.
[[nodiscard]] std::optional<BadName> CheckHttpUrl(std::string_view url);

// A URL that CheckHttpUrl or, with a scheme, CheckGrpcTarget took, with scheme and host in lower
// case: two spellings of one address are one participant.
[[nodiscard]] std::string NormalizedHttpUrl(std::string_view url);

// "host:port", where IPv6 hosts stand in brackets, or "grpc+srv://name".
[[nodiscard]] std::optional<BadName> CheckGrpcTarget(std::string_view target);

// The path of a request, literal parts only: what RFC 3986 lets stand in a path and a query.
// Returns the offset of the first byte that it does not, or nothing.
[[nodiscard]] std::optional<size_t> FindBadPathByte(std::string_view path);

// Whether a segment of `path` is "." or "..", which a server would take for a step upwards, also
// where its dots are percent-encoded (RFC 3986, 6.2.2.2). What follows a '?' does not count.
[[nodiscard]] bool HasDotSegment(std::string_view path);

// Whether `value` can be a header's value: no control characters but the tab.
[[nodiscard]] bool IsHeaderValue(std::string_view value);

}  // namespace entente::dsl
