// URIs as text (RFC 3986): taking one apart, checking it, resolving one against another.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente::dsl::schema_internal {

// The parts of a URI reference; all but the path may be absent, which is not the same as empty.
// Views the text it was split from.
struct UriParts {
  std::optional<std::string_view> scheme;
  std::optional<std::string_view> authority;
  std::string_view path;
  std::optional<std::string_view> query;
  std::optional<std::string_view> fragment;
};

// Any text has parts (RFC 3986, appendix B).
[[nodiscard]] UriParts SplitUri(std::string_view text);

enum class UriAlphabet { kAscii, kUnicode };  // URI, IRI (RFC 3987).

// Whether `text` is a URI reference by the grammar, with a scheme or without.
[[nodiscard]] bool IsUriReference(std::string_view text, UriAlphabet alphabet);
// Whether it is one with a scheme.
[[nodiscard]] bool IsUri(std::string_view text, UriAlphabet alphabet);

// `reference` resolved against `base` (RFC 3986, 5.2), without its fragment. With an empty base it
// is the reference itself.
[[nodiscard]] std::string ResolveUri(std::string_view base, std::string_view reference);

// Undoes percent-encoding; nothing if a '%' is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> PercentDecoded(std::string_view text);

// Addresses in text form (RFC 3986, 3.2.2; RFC 4291, 2.2).
[[nodiscard]] bool IsIpv4(std::string_view text);
[[nodiscard]] bool IsIpv6(std::string_view text);

}  // namespace entente::dsl::schema_internal
