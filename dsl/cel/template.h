// Template: a JSON value whose strings may hold expressions as ${...}.
//
// A string that is exactly one ${...} takes the expression's type; in any other string the values
// are spliced in as text (ToText). "$${" stands for a literal "${". Object keys are literal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "dsl/cel/activation.h"
#include "dsl/cel/expression.h"

namespace entente::dsl::cel {

// A mistake in a template and its place.
struct TemplateError {
  std::string pointer;  // JSON Pointer (RFC 6901) of the string, from the template's root.
  size_t offset;        // Byte in that string's value.
  std::string message;
};

// A free name that a template reads; path.offset counts bytes in the string's value.
struct TemplateReference {
  std::string pointer;
  ReferencePath path;
};

// A value type; immutable, cheap to copy (copies share one tree), safe to use from several
// threads at once. Owns all it needs; the Json it was compiled from may go.
class Template {
 public:
  using CompileResult = std::variant<Template, std::vector<TemplateError>>;

  // Turns a spliced value, whose text is `text`, into what stands in the result, such as its
  // percent-encoding.
  using Encoder = std::function<std::string(const Value& value, std::string_view text)>;

  // Compiles the strings of `json`. On failure the first mistake of every wrong string.
  // Without `regexes` the template has a budget of its own.
  [[nodiscard]] static CompileResult Compile(const Json& json, RegexBudget* regexes = nullptr);

  // The value with all expressions evaluated, as a whole within `bounds` as JSON: more is never put
  // together. Fails as Expression::Evaluate and ToJson do, the message ending in the JSON Pointer
  // of the string concerned. A template without expressions never fails and costs a copy.
  [[nodiscard]] Result<Json> Render(const Activation& activation,
                                    const JsonLimits& bounds = limits::kPayloadJson) const;

  // The text of a template that is_text(), every value spliced (also a string that is one
  // expression) passed through `encode`, the literal text not. At most `max_bytes`.
  [[nodiscard]] Result<std::string> RenderText(const Activation& activation, const Encoder& encode,
                                               size_t max_bytes = limits::kMaxPayloadBytes) const;

  // Whether the template is one string.
  [[nodiscard]] bool is_text() const;
  // Whether the template is a string that is exactly one expression.
  [[nodiscard]] bool is_expression() const;
  // Whether it has no expressions.
  [[nodiscard]] bool is_literal() const;
  // In the order of the document.
  [[nodiscard]] const std::vector<TemplateReference>& references() const&;
  const std::vector<TemplateReference>& references() const&& = delete;  // It would dangle.

 private:
  struct Tree;
  class Compiler;

  explicit Template(std::shared_ptr<const Tree> tree);

  std::shared_ptr<const Tree> tree_;
};

}  // namespace entente::dsl::cel
