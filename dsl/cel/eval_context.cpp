#include "dsl/cel/eval_context.h"

#include "dsl/cel/error.h"

namespace entente::dsl::cel {

bool EvalContext::Fail(Status error) {
  // Once the budget is spent that stays the error, whatever is reported on the way out.
  if (!fatal_) {
    error_ = std::move(error);
  }
  return false;
}

bool EvalContext::Fail(std::string message) {
  return Fail(EvaluationError(std::move(message)));
}

bool EvalContext::FailOverload(std::string_view name, std::span<const Value> arguments,
                               bool is_method) {
  std::string message = "no such overload: '";
  message += name;
  message += "' applied to '";
  if (is_method && !arguments.empty()) {
    message += KindName(arguments.front().kind());
    message += '.';
    arguments = arguments.subspan(1);
  }
  message += '(';
  for (size_t i = 0; i < arguments.size(); ++i) {
    message += i == 0 ? "" : ", ";
    message += KindName(arguments[i].kind());
  }
  message += ")'";
  return Fail(std::move(message));
}

bool EvalContext::FailBudget() {
  if (!fatal_) {
    error_ = InvalidArgument("expression.too_costly",
                             "the evaluation takes more than " +
                                 std::to_string(limits::kMaxExpressionCost) +
                                 " steps; make the expression or its data smaller");
    fatal_ = true;
  }
  return false;
}

const RE2* EvalContext::Regex(const std::string& pattern) {
  if (regex_ != nullptr && regex_->pattern() == pattern) {
    return regex_.get();
  }
  // Compiling is far dearer than matching.
  constexpr uint64_t kCompileCost = 100;
  if (!Charge(kCompileCost + pattern.size())) {
    return nullptr;
  }
  regex_ = CompileRegex(pattern);
  if (!regex_->ok()) {
    Fail(DescribeBadRegex(*regex_));
    regex_.reset();
  }
  return regex_.get();
}

std::unique_ptr<const RE2> CompileRegex(std::string_view pattern) {
  constexpr int64_t kMaxRegexMemory = int64_t{1} << 20;
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxRegexMemory);
  return std::make_unique<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

std::string DescribeBadRegex(const RE2& regex) {
  return "invalid regular expression " + Quote(regex.pattern()) + ": " + regex.error();
}

}  // namespace entente::dsl::cel
