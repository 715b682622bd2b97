#include "dsl/cel/error.h"

#include <utility>

#include "base/limits.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {

Status EvaluationError(std::string message) {
  return InvalidArgument(std::string(kErrorReason), std::move(message));
}

Status BudgetError() {
  return InvalidArgument("expression.too_costly",
                         "the evaluation takes more than " +
                             std::to_string(limits::kMaxExpressionCost) +
                             " steps; make the expression or its data smaller");
}

Status ConversionError(Kind from, Kind to, std::string_view why) {
  std::string message = "Type conversion error from ";
  message += KindName(from);
  message += " to ";
  message += KindName(to);
  message += ": ";
  message += why;
  return EvaluationError(std::move(message));
}

std::string Quote(std::string_view text) {
  constexpr size_t kMaxQuotedBytes = 60;
  std::string quoted = "'";
  if (text.size() <= kMaxQuotedBytes) {
    quoted += text;
  } else {
    quoted += text.substr(0, Utf8Boundary(text, kMaxQuotedBytes));
    quoted += "...";
  }
  quoted += '\'';
  return quoted;
}

}  // namespace entente::dsl::cel
