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

bool EvalContext::ChargeContent(const Value& value) {
  switch (value.kind()) {
    case Kind::kString: return ChargeBytes(value.string_value().size());
    case Kind::kBytes: return ChargeBytes(value.bytes_value().size());
    case Kind::kDecimal: return ChargeBytes(value.written()->size());
    default: return true;
  }
}

bool EvalContext::FailBudget() {
  if (!fatal_) {
    error_ = BudgetError();
    fatal_ = true;
  }
  return false;
}

const RE2* EvalContext::Regex(const std::string& pattern) {
  if (regex_ != nullptr && regex_->pattern() == pattern) {
    return regex_.get();
  }
  // Compiling is far dearer than matching, and how dear shows only afterwards; one pattern is
  // bounded by its memory.
  constexpr uint64_t kCompileCost = 100;
  constexpr uint64_t kCostPerInstruction = 4;
  if (!Charge(kCompileCost + pattern.size())) {
    return nullptr;
  }
  regex_ = CompileRegex(pattern);
  if (!Charge(kCostPerInstruction * RegexInstructions(*regex_))) {
    return nullptr;
  }
  if (!regex_->ok()) {
    Fail(DescribeBadRegex(*regex_));
    regex_.reset();
  }
  return regex_.get();
}

bool EvalContext::Search(const RE2& regex, const std::string& text, Value* found) {
  // At worst RE2 looks at every instruction for every byte.
  constexpr uint64_t kInstructionsPerUnit = 8;
  const uint64_t per_byte = 1 + RegexInstructions(regex) / kInstructionsPerUnit;
  if (!ChargeBytes(text.size() * per_byte)) {
    return false;
  }
  *found = Value::Bool(RE2::PartialMatch(text, regex));
  return true;
}

std::unique_ptr<const RE2> CompileRegex(std::string_view pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(int64_t{limits::kMaxRegexMemoryBytes});
  return std::make_unique<const RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
}

size_t RegexInstructions(const RE2& regex) {
  // Of its memory RE2 gives two thirds to the program, of 16 bytes an instruction.
  constexpr size_t kMostInstructions = limits::kMaxRegexMemoryBytes * 2 / 3 / 16;
  if (regex.ok()) {
    return static_cast<size_t>(regex.ProgramSize());
  }
  return regex.error_code() == RE2::ErrorPatternTooLarge ? kMostInstructions : 1;
}

std::string DescribeBadRegex(const RE2& regex) {
  return "invalid regular expression " + Quote(regex.pattern()) + ": " + regex.error();
}

}  // namespace entente::dsl::cel
