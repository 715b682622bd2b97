#include "dsl/cel/expression.h"

#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "dsl/cel/evaluator.h"
#include "dsl/cel/json_writer.h"
#include "dsl/cel/syntax/parser.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {
namespace {

std::optional<ParseError> CheckText(std::string_view text) {
  if (text.size() > limits::kMaxExpressionBytes) {
    return ParseError{0, "the expression is longer than " +
                             std::to_string(limits::kMaxExpressionBytes) + " bytes"};
  }
  if (const size_t valid = ValidUtf8Prefix(text); valid != text.size()) {
    return ParseError{valid, "the expression is not valid UTF-8"};
  }
  return std::nullopt;
}

}  // namespace

Expression::Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

Expression::ParseResult Expression::Parse(std::string_view text, RegexBudget* regexes) {
  if (std::optional<ParseError> error = CheckText(text)) {
    return *std::move(error);
  }
  Parser parser(text, 0, regexes);
  auto parsed = parser.Parse(false);
  if (ParseError* error = std::get_if<ParseError>(&parsed)) {
    return std::move(*error);
  }
  return Expression(std::get<std::shared_ptr<const Program>>(std::move(parsed)));
}

Expression::ParseResult Expression::ParseUntilBrace(std::string_view text, size_t* position,
                                                    RegexBudget* regexes) {
  // Where it ends only the parser can tell, so the text is cut at the most an expression may have;
  // what an expression that long would say then is that it does not end.
  const size_t start = *position;
  const size_t most = start + limits::kMaxExpressionBytes + 1;
  const std::string_view seen = text.substr(0, Utf8Boundary(text, most));
  Parser parser(seen, start, regexes);
  auto parsed = parser.Parse(true);
  if (ParseError* error = std::get_if<ParseError>(&parsed)) {
    if (seen.size() < text.size() && error->offset >= seen.size()) {
      return ParseError{start, "the expression is longer than " +
                                   std::to_string(limits::kMaxExpressionBytes) + " bytes"};
    }
    return std::move(*error);
  }
  *position = parser.end();
  return Expression(std::get<std::shared_ptr<const Program>>(std::move(parsed)));
}

const std::vector<ReferencePath>& Expression::references() const& {
  return program_->references;
}

Result<Value> Expression::Evaluate(const Activation& activation) const {
  Evaluator evaluator(*program_, activation);
  Value value;
  if (!evaluator.Evaluate(*program_->root, &value)) {
    return evaluator.context().TakeError();
  }
  return value;
}

Result<Json> Expression::EvaluateToJson(const Activation& activation, size_t max_bytes) const {
  ENTENTE_ASSIGN_OR_RETURN(const Value value, Evaluate(activation));
  return JsonWriter({max_bytes, limits::kMaxJsonDepth}).Write(value);
}

}  // namespace entente::dsl::cel
