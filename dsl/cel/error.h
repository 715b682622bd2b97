// How an evaluation says what went wrong, in the words of the CEL specification.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// The reason of every failed evaluation or conversion.
inline constexpr std::string_view kErrorReason = "expression.error";

// kInvalidArgument with kErrorReason.
[[nodiscard]] Status EvaluationError(std::string message);

// kInvalidArgument "expression.too_costly": a Budget is spent.
[[nodiscard]] Status BudgetError();

// "Type conversion error from string to int: <why>".
[[nodiscard]] Status ConversionError(Kind from, Kind to, std::string_view why);

// `text` between single quotes, shortened when long, for use in a message.
[[nodiscard]] std::string Quote(std::string_view text);

}  // namespace entente::dsl::cel
