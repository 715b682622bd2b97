// A total order of JSON values in which equal means equal as JSON Schema says.
#pragma once

#include <compare>

#include "base/json.h"

namespace entente::dsl::schema_internal {

// Numbers compare by value (1 equals 1.0), strings by their bytes, arrays element by element,
// objects by their sorted members; true does not equal 1. Recurses as deep as the values are
// nested.
[[nodiscard]] std::strong_ordering CompareJson(const Json& a, const Json& b);

}  // namespace entente::dsl::schema_internal
