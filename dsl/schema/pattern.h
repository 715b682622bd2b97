// Patterns as JSON Schema has them: regular expressions of ECMA-262.
#pragma once

#include <string>
#include <string_view>

namespace entente::dsl::schema_internal {

// `pattern` as RE2 reads it. What both write alike, and what RE2 alone knows (`(?i)`, `\A`,
// `\x{e9}`,
// `[[:alpha:]]`), stays as it is; what they read differently or RE2 writes differently is
// translated: `\s` is Unicode's white space, `.` stops at every line end, `\u00e9`, `\cJ`,
// `(?<name>`, `\p{Letter}`, `[^]`. Look-around and back-references are left for RE2 to refuse.
[[nodiscard]] std::string ToRe2(std::string_view pattern);

// Whether `text` is a regular expression of ECMA-262, also one that RE2 can not run: the format
// `regex`. Of what only old scripts may write (ECMA-262, annex B) a lone bracket or brace is taken,
// an escaped letter without a meaning is not.
[[nodiscard]] bool IsPattern(std::string_view text);

}  // namespace entente::dsl::schema_internal
