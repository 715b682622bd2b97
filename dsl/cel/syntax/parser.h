// Recursive descent over CEL's grammar. Private to dsl/cel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/cel/syntax/ast.h"
#include "dsl/cel/syntax/lexer.h"

namespace entente::dsl::cel {

// Parses one expression. Every Parse... function returns null after recording the error, which
// stays the first one. The recursion is bounded by limits::kMaxExpressionDepth.
class Parser {
 public:
  // `text` and `regexes` outlive the parser; the expression starts at `position`. Null: a budget of
  // its own.
  Parser(std::string_view text, size_t position, RegexBudget* regexes)
      : text_(text), lexer_(text, position), regexes_(regexes == nullptr ? &own_ : regexes) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // Parses up to the end of the text or, if `until_brace`, up to and with a closing brace, whose
  // end is then `end()`.
  [[nodiscard]] std::variant<std::shared_ptr<const Program>, ParseError> Parse(bool until_brace);
  [[nodiscard]] size_t end() const { return token_.end; }

 private:
  // Tokens.
  bool Advance();
  bool Expect(std::string_view punctuation);
  bool TakeIf(std::string_view punctuation, bool* taken);
  NodePtr Unexpected(std::string_view wanted);
  NodePtr Fail(size_t offset, std::string message);

  // Grammar, from loose to tight.
  NodePtr ParseExpression();
  NodePtr ParseConditional();
  NodePtr ParseLogical(bool is_or);
  NodePtr ParseRelation();
  NodePtr ParseArithmetic(bool additive);
  NodePtr ParseUnary();
  NodePtr ParseMember(bool negative);
  NodePtr ParsePrimary(bool negative);
  NodePtr ParseList();
  NodePtr ParseMap();
  NodePtr ParseName();
  NodePtr ParseNumber(bool negative);
  NodePtr ParseSelection(NodePtr operand);
  NodePtr ParseIndex(NodePtr operand);

  // Calls; the current token is the one after the opening parenthesis.
  NodePtr ParseFunctionCall(const Token& name);
  NodePtr ParseMethodCall(NodePtr receiver, const Token& name);
  NodePtr ParseHas(size_t offset);
  NodePtr ParseComprehension(NodePtr range, Macro macro, const Token& name);
  // The variables of a macro and the comma behind them: one, or two where the macro takes two or
  // may and the text has two.
  bool ParseVariables(Macro macro, const Token& name, std::vector<std::string>* variables);
  bool IsSecondVariable() const;
  NodePtr ParseInstead(NodePtr optional, Macro macro, const Token& name);
  NodePtr ParseBind(size_t offset);
  // Whether a call of `name` on `receiver` is one of a function with a namespace: `math.abs(x)`.
  // Then the receiver is no value, and forgotten.
  bool TakeNamespace(const Node& receiver, Token* name);
  // `optional` receives which arguments have a "?" before them; null: none may.
  bool ParseArguments(std::string_view closing, std::vector<NodePtr>* arguments,
                      std::vector<bool>* optional = nullptr);
  NodePtr MakeCall(const Token& name, bool is_method, std::vector<NodePtr> arguments);
  NodePtr MakeMatch(const Token& name, NodePtr subject, const std::string& pattern,
                    size_t pattern_offset);

  // Nodes.
  NodePtr Make(decltype(Node::content) content, size_t offset, size_t children_height);
  NodePtr MakeConstant(Value value, size_t offset);
  NodePtr MakeFreePath(std::string name, size_t offset);
  NodePtr Extend(NodePtr operand, std::string field, size_t offset);

  std::string_view text_;
  Lexer lexer_;
  RegexBudget own_;
  RegexBudget* regexes_;
  Token token_;
  size_t depth_ = 0;
  std::vector<std::string> scopes_;  // Macro variables in sight; the position is the slot.
  size_t slot_count_ = 0;
  std::vector<ReferencePath> references_;
  std::optional<ParseError> error_;
};

}  // namespace entente::dsl::cel
