// Numbers of CEL: reading and writing them, and comparing across int, uint and double.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Decimal digits with an optional sign, all of `text`; nothing when malformed or out of range.
[[nodiscard]] std::optional<int64_t> ParseInt(std::string_view text);
[[nodiscard]] std::optional<uint64_t> ParseUint(std::string_view text);

// A decimal number such as "-1.5e3", or NaN or Infinity with a sign. Too small becomes zero; too
// large is nothing, like what is malformed.
[[nodiscard]] std::optional<double> ParseDouble(std::string_view text);

// The shortest text that reads back as the same double; without an exponent between 1e-6 and 1e21.
[[nodiscard]] std::string FormatDouble(double number);

[[nodiscard]] bool IsNumber(const Value& value);

// The order of two numbers on one number line, whatever their kinds (an integer meets a double as
// the nearest double); NaN is unordered.
[[nodiscard]] std::partial_ordering CompareNumbers(const Value& left, const Value& right);

}  // namespace entente::dsl::cel
