// The JSON value type and the strict reader every input passes through.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/status.h"

namespace entente {

// Objects are kept sorted by key, so equal documents serialize to equal bytes.
using Json = nlohmann::json;

struct JsonLimits {
  size_t max_bytes;
  size_t max_depth;
};

// Parses exactly one RFC 8259 document. Refused with kInvalidArgument, saying where (line and
// column) and why: more than max_bytes, nesting deeper than max_depth, a duplicate key in an
// object, text that is not UTF-8, a number outside the range of double, anything after the
// document. Never recurses, so no input can overflow the stack. Reasons: json.too_large,
// json.too_deep, json.duplicate_key, json.bad_utf8, json.syntax.
[[nodiscard]] Result<Json> ParseJson(std::string_view text, const JsonLimits& limits);

// The same, but no number is changed or refused: whatever is more than an integer of 64 bits is
// kept as its text (json_number.h). For payloads and definitions, whose numbers are other people's.
[[nodiscard]] Result<Json> ParseExactJson(std::string_view text, const JsonLimits& limits);

// Compact serialization, of numbers in either form. Bytes that are not UTF-8 (which ParseJson never
// lets in) are replaced by U+FFFD, so this never throws.
[[nodiscard]] std::string DumpJson(const Json& value);

// `token` escaped as one JSON Pointer reference token (RFC 6901): "~" and "/" are replaced.
[[nodiscard]] std::string EscapePointerToken(std::string_view token);

}  // namespace entente
