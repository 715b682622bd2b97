// Expression: a compiled expression of CEL, the Common Expression Language
// (https://github.com/google/cel-spec, doc/langdef.md), evaluated without static types.
//
// Covered: the whole language but for protocol buffer messages and regional timezone names; the
// standard functions and macros; of the usual extensions charAt, indexOf, join, lastIndexOf,
// lowerAscii, replace, reverse, split, substring, trim and upperAscii. Expressions are total: no
// clock, no I/O, and a bound on size, depth and evaluation cost (base/limits.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "dsl/cel/activation.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Why a text is not an expression.
struct ParseError {
  size_t offset;        // Of the first byte concerned, from the start of the text.
  std::string message;  // For the author: what is wrong and, where it can be told, what to do.
};

// A free name and the selections that follow it, as far as they are constant:
// `steps["car"].output.x` is {"steps", "car", "output", "x"}; `steps[i].output` is {"steps"}.
struct ReferencePath {
  std::vector<std::string> names;  // Never empty; the first is the free name.
  size_t offset;                   // Of the name in the text.

  friend bool operator==(const ReferencePath&, const ReferencePath&) = default;
};

// What the regular expressions that stand in several expressions may come to together when they are
// compiled, and have come to, in instructions.
struct RegexBudget {
  size_t limit = limits::kMaxRegexInstructions;
  size_t spent = 0;
};

struct Program;  // The syntax tree, private to dsl/cel.

// A value type; immutable, cheap to copy (copies share one syntax tree, which nothing else could
// own: definitions and running transactions drop theirs in any order), safe to use from several
// threads at once.
class Expression {
 public:
  using ParseResult = std::variant<Expression, ParseError>;

  // Compiles all of `text`. Unknown functions and macros, wrong numbers of arguments and invalid
  // constant regular expressions are found here; unbound names and types only by Evaluate. Without
  // `regexes` the expression has a budget of its own.
  [[nodiscard]] static ParseResult Parse(std::string_view text, RegexBudget* regexes = nullptr);

  // Compiles the expression that starts at `*position` and is followed by '}', and moves
  // `*position` past that brace. Braces inside strings, comments and maps do not count as its end.
  // Offsets, also those of references(), count from the start of `text`, which is valid UTF-8.
  [[nodiscard]] static ParseResult ParseUntilBrace(std::string_view text, size_t* position,
                                                   RegexBudget* regexes = nullptr);

  // Every free name, once per place where it stands, in the order of the text. Variables of
  // macros and the names of types (int, string, list, ...) are not free.
  [[nodiscard]] const std::vector<ReferencePath>& references() const&;
  const std::vector<ReferencePath>& references() const&& = delete;  // It would dangle.

  // The value under `activation`. Fails with kInvalidArgument "expression.error" in the words of
  // the specification ("no such key: 'x'", "divide by zero", "no such overload: ...", "undeclared
  // reference to 'x'"), or "expression.too_costly" past limits::kMaxExpressionCost. The result
  // may be a view of the activation's documents, but never of the expression or the activation.
  [[nodiscard]] Result<Value> Evaluate(const Activation& activation) const;

  // Evaluate and ToJson in one, the JSON being at most `max_bytes`.
  [[nodiscard]] Result<Json> EvaluateToJson(
      const Activation& activation, size_t max_bytes = limits::kMaxExpressionResultBytes) const;

 private:
  explicit Expression(std::shared_ptr<const Program> program);

  std::shared_ptr<const Program> program_;
};

}  // namespace entente::dsl::cel
