// One form of numbers for handlers, whichever way a call came. Internal to the SDK.
#pragma once

#include "base/json.h"

namespace entente::sdk {

// Every whole number up to this size is a double, and no other one is taken for it.
inline constexpr double kMaxExactWhole = 9007199254740992.0;  // 2^53

// A whole number within that size as an integer, any other as it is. JSON has one kind of number,
// and over gRPC, where all are doubles, 2 and 2.0 can not be told apart.
[[nodiscard]] Json NumberOf(double number);

// The same for each number in `json`, which is nested no deeper than ParseJson lets it be.
void UnifyNumbers(Json& json);

}  // namespace entente::sdk
