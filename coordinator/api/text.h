// Small text helpers of the codecs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace entente::api {

// `text` with every byte that is not part of well-formed UTF-8 replaced by U+FFFD, so that it may
// stand in JSON and in a proto3 string.
[[nodiscard]] std::string ToUtf8(std::string_view text);

// The same, cut to limits::kMaxErrorTextBytes: what is told of a mistake may quote what is wrong.
[[nodiscard]] std::string ShortText(std::string_view text);

// Undoes percent-encoding (RFC 3986, 2.1); in a query '+' is a space. Nothing if an escape is cut
// off or not hexadecimal, or if the result is not UTF-8 or has a NUL.
[[nodiscard]] std::optional<std::string> PercentDecode(std::string_view text, bool in_query);

// "did you mean 'x'?" for the candidate that is nearest to `word`, or an empty string if none is
// near.
[[nodiscard]] std::string SuggestName(std::string_view word,
                                      std::span<const std::string_view> candidates);

}  // namespace entente::api
