// Arithmetic on JSON numbers as JSON Schema means it: by mathematical value, not by C++ type.
#pragma once

#include <compare>
#include <cstdint>

#include "base/json.h"

namespace entente::dsl::schema_internal {

// Whether `value` is a number without a fraction, as 3 and 3.0 are.
[[nodiscard]] bool IsInteger(const Json& value);

// The number, which IsInteger and fits in 64 bits, and is not negative.
[[nodiscard]] uint64_t WholeOf(const Json& value);

// Orders two numbers exactly, also an integer beyond 2^53 and a double, or numbers that documents
// keep as text (base/json_number.h). NaN, which no JSON text
// holds, comes before everything, so that this is a total order.
[[nodiscard]] std::strong_ordering CompareNumbers(const Json& a, const Json& b);

// Whether `value` is a number greater than zero, of at most 19 digits that count.
[[nodiscard]] bool IsDivisor(const Json& value);

// Whether `value` is a whole multiple of `divisor`, which IsDivisor. Both are taken as
// the decimals people write, not as the binary fractions nearest to them.
[[nodiscard]] bool IsMultipleOf(const Json& value, const Json& divisor);

}  // namespace entente::dsl::schema_internal
