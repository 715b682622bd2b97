// Reading and writing JSON from the network with bounds.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace travel {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 16;

// One JSON document, or nothing when `text` is not one: bad syntax, bad UTF-8, or nesting deeper
// than kMaxJsonDepth (a deep document would overflow the stack when it is written again).
[[nodiscard]] std::optional<Json> ParseJson(std::string_view text);

// Compact, with sorted keys: equal documents give equal bytes. Bytes that are not UTF-8 are
// replaced, never an exception.
[[nodiscard]] std::string DumpJson(const Json& value);

// The members of an error answer: a stable word for programs, a sentence for people.
[[nodiscard]] Json ErrorJson(std::string_view error, std::string_view message);

}  // namespace travel
