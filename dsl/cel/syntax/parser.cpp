#include "dsl/cel/syntax/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/cel/error.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {
namespace {

struct RelationName {
  std::string_view text;
  RelationOp op;
};
constexpr std::array<RelationName, 6> kRelations = {{{"==", RelationOp::kEqual},
                                                     {"!=", RelationOp::kNotEqual},
                                                     {"<", RelationOp::kLess},
                                                     {"<=", RelationOp::kLessEqual},
                                                     {">", RelationOp::kGreater},
                                                     {">=", RelationOp::kGreaterEqual}}};

std::optional<RelationOp> RelationOf(const Token& token) {
  if (token.IsName("in")) {
    return RelationOp::kIn;
  }
  for (const RelationName& relation : kRelations) {
    if (token.Is(relation.text)) {
      return relation.op;
    }
  }
  return std::nullopt;
}

std::optional<ArithmeticOp> ArithmeticOf(const Token& token, bool additive) {
  if (additive) {
    if (token.Is("+")) {
      return ArithmeticOp::kAdd;
    }
    return token.Is("-") ? std::optional(ArithmeticOp::kSubtract) : std::nullopt;
  }
  if (token.Is("*")) {
    return ArithmeticOp::kMultiply;
  }
  if (token.Is("/")) {
    return ArithmeticOp::kDivide;
  }
  return token.Is("%") ? std::optional(ArithmeticOp::kModulo) : std::nullopt;
}

size_t HeightOf(const std::vector<NodePtr>& nodes) {
  size_t height = 0;
  for (const NodePtr& node : nodes) {
    height = std::max(height, node->height);
  }
  return height;
}

}  // namespace

std::variant<std::shared_ptr<const Program>, ParseError> Parser::Parse(bool until_brace) {
  auto program = std::make_shared<Program>();
  if (Advance()) {
    program->root = ParseExpression();
  }
  if (program->root != nullptr && until_brace && !token_.Is("}")) {
    static_cast<void>(Unexpected("an operator, or '}' to close '${'"));
  } else if (program->root != nullptr && !until_brace && token_.kind != TokenKind::kEnd) {
    static_cast<void>(Unexpected("an operator or the end"));
  }
  if (error_) {
    return *error_;
  }
  std::erase_if(references_, [](const ReferencePath& path) { return path.names.empty(); });
  program->references = std::move(references_);
  program->slot_count = slot_count_;
  return program;
}

bool Parser::Advance() {
  if (std::optional<ParseError> error = lexer_.Next(&token_)) {
    error_ = std::move(error);
    return false;
  }
  return true;
}

bool Parser::TakeIf(std::string_view punctuation, bool* taken) {
  *taken = token_.Is(punctuation);
  return !*taken || Advance();
}

bool Parser::Expect(std::string_view punctuation) {
  if (!token_.Is(punctuation)) {
    static_cast<void>(Unexpected("'" + std::string(punctuation) + "'"));
    return false;
  }
  return Advance();
}

NodePtr Parser::Unexpected(std::string_view wanted) {
  std::string found = "end of the expression";
  if (token_.kind != TokenKind::kEnd) {
    found = Quote(text_.substr(token_.offset, token_.end - token_.offset));
  }
  return Fail(token_.offset, "unexpected " + found + "; expected " + std::string(wanted));
}

NodePtr Parser::Fail(size_t offset, std::string message) {
  if (!error_) {
    error_ = ParseError{offset, std::move(message)};
  }
  return nullptr;
}

NodePtr Parser::Make(decltype(Node::content) content, size_t offset, size_t children_height) {
  const size_t height = children_height + 1;
  if (height > limits::kMaxExpressionDepth) {
    return Fail(offset, "the expression nests deeper than " +
                            std::to_string(limits::kMaxExpressionDepth) + " levels");
  }
  return std::make_unique<Node>(Node{std::move(content), offset, height});
}

NodePtr Parser::MakeConstant(Value value, size_t offset) {
  return Make(Constant{std::move(value)}, offset, 0);
}

NodePtr Parser::ParseExpression() {
  if (depth_ >= limits::kMaxExpressionDepth) {
    return Fail(token_.offset, "the expression nests deeper than " +
                                   std::to_string(limits::kMaxExpressionDepth) + " levels");
  }
  ++depth_;
  NodePtr node = ParseConditional();
  --depth_;
  return node;
}

NodePtr Parser::ParseConditional() {
  NodePtr condition = ParseLogical(true);
  if (condition == nullptr || !token_.Is("?")) {
    return condition;
  }
  const size_t offset = token_.offset;
  NodePtr when_true = Advance() ? ParseLogical(true) : nullptr;
  NodePtr when_false = when_true != nullptr && Expect(":") ? ParseExpression() : nullptr;
  if (when_false == nullptr) {
    return nullptr;
  }
  const size_t height = std::max({condition->height, when_true->height, when_false->height});
  return Make(Conditional{std::move(condition), std::move(when_true), std::move(when_false)},
              offset, height);
}

NodePtr Parser::ParseLogical(bool is_or) {
  const auto parse_operand = [this, is_or] {
    return is_or ? ParseLogical(false) : ParseRelation();
  };
  const std::string_view op = is_or ? "||" : "&&";
  NodePtr first = parse_operand();
  if (first == nullptr || !token_.Is(op)) {
    return first;
  }
  const size_t offset = token_.offset;
  std::vector<NodePtr> operands;
  operands.push_back(std::move(first));
  while (token_.Is(op)) {
    NodePtr operand = Advance() ? parse_operand() : nullptr;
    if (operand == nullptr) {
      return nullptr;
    }
    operands.push_back(std::move(operand));
  }
  const size_t height = HeightOf(operands);
  return Make(Logical{is_or, std::move(operands)}, offset, height);
}

NodePtr Parser::ParseRelation() {
  NodePtr left = ParseArithmetic(true);
  while (left != nullptr) {
    const std::optional<RelationOp> op = RelationOf(token_);
    if (!op) {
      return left;
    }
    const size_t offset = token_.offset;
    NodePtr right = Advance() ? ParseArithmetic(true) : nullptr;
    if (right == nullptr) {
      return nullptr;
    }
    const size_t height = std::max(left->height, right->height);
    left = Make(Relation{*op, std::move(left), std::move(right)}, offset, height);
  }
  return nullptr;
}

NodePtr Parser::ParseArithmetic(bool additive) {
  const auto parse_operand = [this, additive] {
    return additive ? ParseArithmetic(false) : ParseUnary();
  };
  NodePtr first = parse_operand();
  if (first == nullptr || !ArithmeticOf(token_, additive)) {
    return first;
  }
  const size_t offset = token_.offset;
  size_t height = first->height;
  Arithmetic chain{std::move(first), {}};
  while (const std::optional<ArithmeticOp> op = ArithmeticOf(token_, additive)) {
    NodePtr operand = Advance() ? parse_operand() : nullptr;
    if (operand == nullptr) {
      return nullptr;
    }
    height = std::max(height, operand->height);
    chain.rest.emplace_back(*op, std::move(operand));
  }
  return Make(std::move(chain), offset, height);
}

NodePtr Parser::ParseUnary() {
  const size_t offset = token_.offset;
  const bool is_not = token_.Is("!");
  const std::string_view op = is_not ? "!" : "-";
  size_t count = 0;
  while (token_.Is(op)) {
    ++count;
    if (!Advance()) {
      return nullptr;
    }
  }
  // A minus belongs to the number it stands before: the smallest int has no positive counterpart.
  const bool negative =
      !is_not && count > 0 && (token_.kind == TokenKind::kInt || token_.kind == TokenKind::kDouble);
  count -= negative ? 1 : 0;
  NodePtr node = ParseMember(negative);
  // Pairs cancel out, but the operand must still be of the right kind: one pair stays.
  for (size_t i = count == 0 ? 0 : 2 - count % 2; node != nullptr && i > 0; --i) {
    const size_t height = node->height;
    node = is_not ? Make(Not{std::move(node)}, offset, height)
                  : Make(Negate{std::move(node)}, offset, height);
  }
  return node;
}

NodePtr Parser::ParseMember(bool negative) {
  NodePtr node = ParsePrimary(negative);
  while (node != nullptr) {
    if (token_.Is(".")) {
      node = Advance() ? ParseSelection(std::move(node)) : nullptr;
    } else if (token_.Is("[")) {
      node = Advance() ? ParseIndex(std::move(node)) : nullptr;
    } else if (token_.Is("{") && std::holds_alternative<Path>(node->content)) {
      return Fail(token_.offset, "messages can not be constructed; use a map: {\"name\": value}");
    } else {
      break;
    }
  }
  return node;
}

NodePtr Parser::ParseSelection(NodePtr operand) {
  bool optional = false;
  if (!TakeIf("?", &optional)) {
    return nullptr;
  }
  const Token name = token_;
  if ((name.kind != TokenKind::kName && name.kind != TokenKind::kEscapedName) || IsKeyword(name)) {
    return Unexpected("a field name");
  }
  bool is_call = false;
  if (!Advance() || (name.kind == TokenKind::kName && !optional && !TakeIf("(", &is_call))) {
    return nullptr;
  }
  if (optional) {
    const size_t height = operand->height;
    return Make(Select{std::move(operand), name.text, false, true}, name.offset, height);
  }
  return is_call ? ParseMethodCall(std::move(operand), name)
                 : Extend(std::move(operand), name.text, name.offset);
}

NodePtr Parser::ParseIndex(NodePtr operand) {
  bool optional = false;
  NodePtr index = TakeIf("?", &optional) ? ParseExpression() : nullptr;
  if (index == nullptr || !Expect("]")) {
    return nullptr;
  }
  const size_t offset = index->offset;
  if (const Constant* constant = std::get_if<Constant>(&index->content);
      constant != nullptr && constant->value.kind() == Kind::kString && !optional &&
      std::holds_alternative<Path>(operand->content)) {
    return Extend(std::move(operand), constant->value.string_value(), offset);
  }
  const size_t height = std::max(operand->height, index->height);
  return Make(Index{std::move(operand), std::move(index), optional}, offset, height);
}

NodePtr Parser::Extend(NodePtr operand, std::string field, size_t offset) {
  Path* path = std::get_if<Path>(&operand->content);
  if (path == nullptr || path->presence_test) {
    const size_t height = operand->height;
    return Make(Select{std::move(operand), std::move(field)}, offset, height);
  }
  path->names.push_back(field);
  if (path->slot) {
    return operand;
  }
  if (path->type_name) {
    path->type_name.reset();
    path->reference = references_.size();
    references_.push_back(ReferencePath{{path->names.front()}, operand->offset});
  }
  ReferencePath& reference = references_[path->reference];
  reference.names.push_back(std::move(field));
  for (const Kind kind : {Kind::kTimestamp, Kind::kDuration}) {
    const std::string_view name = KindName(kind);
    if (path->names.size() == 3 &&
        path->names[0] + "." + path->names[1] + "." + path->names[2] == name) {
      reference.names.clear();
      return MakeConstant(Value::Type(kind), operand->offset);
    }
  }
  return operand;
}

bool Parser::ParseArguments(std::string_view closing, std::vector<NodePtr>* arguments,
                            std::vector<bool>* optional) {
  bool closed = false;
  bool is_first = true;
  while (TakeIf(closing, &closed) && !closed) {
    if (!is_first && !Expect(",")) {
      return false;
    }
    // A list may end in a comma.
    if (!is_first && closing == "]" && token_.Is(closing)) {
      continue;
    }
    is_first = false;
    bool marked = false;
    if (optional != nullptr && !TakeIf("?", &marked)) {
      return false;
    }
    NodePtr argument = ParseExpression();
    if (argument == nullptr) {
      return false;
    }
    arguments->push_back(std::move(argument));
    if (optional != nullptr) {
      optional->push_back(marked);
    }
    if (!token_.Is(closing) && !token_.Is(",")) {
      static_cast<void>(Unexpected("',' or '" + std::string(closing) + "'"));
      return false;
    }
  }
  return closed;
}

}  // namespace entente::dsl::cel
