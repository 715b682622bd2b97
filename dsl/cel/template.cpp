#include "dsl/cel/template.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "dsl/cel/error.h"
#include "dsl/cel/json_writer.h"

namespace entente::dsl::cel {
namespace {

struct Piece {
  std::string literal;                   // What stands before the expression.
  std::optional<Expression> expression;  // Nothing after the last literal.
};

struct TemplateNode;

// A string of one expression, whose type it keeps.
struct Whole {
  Expression expression;
  std::string pointer;
};
struct Text {
  std::vector<Piece> pieces;
  std::string pointer;
};
struct Array {
  std::vector<TemplateNode> elements;
};
struct Object {
  std::vector<std::pair<std::string, TemplateNode>> members;
};

// Whatever has no expression below it is one literal, to be copied as it is.
struct TemplateNode {
  std::variant<Json, Whole, Text, Array, Object> content;

  [[nodiscard]] bool is_literal() const { return std::holds_alternative<Json>(content); }
};

Status At(const Status& error, const std::string& pointer) {
  if (pointer.empty()) {
    return error;
  }
  return Status(error.code(), error.reason(), error.message() + " (at " + pointer + ")");
}

// What is put together is paid from the activation's budget, if it has one.
Status Pay(const Activation& activation, uint64_t units) {
  Budget* const budget = activation.budget();
  return budget == nullptr || budget->Charge(units) ? Status() : BudgetError();
}

Result<std::string> RenderPieces(const Text& text, const Activation& activation,
                                 const Template::Encoder* encode, size_t max_bytes) {
  std::string result;
  for (const Piece& piece : text.pieces) {
    result += piece.literal;
    if (piece.expression) {
      const Result<Value> value = piece.expression->Evaluate(activation);
      const Result<std::string> spliced =
          value.ok() ? ToText(*value) : Result<std::string>(value.status());
      if (!spliced.ok()) {
        return At(spliced.status(), text.pointer);
      }
      if (const Status paid = Pay(activation, Budget::CostOfBytes(spliced->size())); !paid.ok()) {
        return At(paid, text.pointer);
      }
      result += encode == nullptr ? *spliced : (*encode)(*value, *spliced);
    }
    if (result.size() > max_bytes) {
      return At(EvaluationError("the text is longer than the limit of " +
                                std::to_string(max_bytes) + " bytes"),
                text.pointer);
    }
  }
  return result;
}

// One rendering, bounded as a whole. Recursion is bounded by limits::kMaxJsonDepth.
class Renderer {
 public:
  Renderer(const Activation& activation, const JsonLimits& bounds)
      : activation_(activation), max_bytes_(bounds.max_bytes), writer_(bounds) {}

  Result<Json> Render(const TemplateNode& node) {
    return std::visit([this](const auto& content) { return RenderContent(content); }, node.content);
  }

 private:
  Result<Json> RenderContent(const Json& literal) { return writer_.Write(literal); }

  Result<Json> RenderContent(const Whole& whole) {
    const Result<Value> value = whole.expression.Evaluate(activation_);
    Result<Json> json = value.ok() ? writer_.Write(*value) : Result<Json>(value.status());
    const Status paid = PayForWriting();
    return json.ok() && paid.ok() ? std::move(json)
                                  : At(json.ok() ? paid : json.status(), whole.pointer);
  }

  // Writing a value copies it, which may be more than it took to find it.
  Status PayForWriting() {
    const uint64_t before = std::exchange(paid_, writer_.cost());
    return Pay(activation_, paid_ - before);
  }

  Result<Json> RenderContent(const Text& text) {
    ENTENTE_ASSIGN_OR_RETURN(std::string result,
                             RenderPieces(text, activation_, nullptr, max_bytes_));
    Result<Json> json = writer_.WriteString(std::move(result));
    return json.ok() ? std::move(json) : At(json.status(), text.pointer);
  }

  Result<Json> RenderContent(const Array& array) {
    ENTENTE_RETURN_IF_ERROR(writer_.Open(array.elements.size()));
    Json json = Json::array();
    for (const TemplateNode& element : array.elements) {
      ENTENTE_ASSIGN_OR_RETURN(Json rendered, Render(element));
      json.push_back(std::move(rendered));
    }
    writer_.Close();
    return json;
  }

  Result<Json> RenderContent(const Object& object) {
    ENTENTE_RETURN_IF_ERROR(writer_.Open(object.members.size()));
    Json json = Json::object();
    for (const auto& [key, member] : object.members) {
      ENTENTE_RETURN_IF_ERROR(writer_.CountKey(key));
      ENTENTE_ASSIGN_OR_RETURN(json[key], Render(member));
    }
    writer_.Close();
    return json;
  }

  const Activation& activation_;
  const size_t max_bytes_;
  JsonWriter writer_;
  uint64_t paid_ = 0;  // Of the writer's cost.
};

}  // namespace

struct Template::Tree {
  TemplateNode root;
  std::vector<TemplateReference> references;
};

// Recursion is bounded by limits::kMaxJsonDepth.
class Template::Compiler {
 public:
  explicit Compiler(RegexBudget* regexes) : regexes_(regexes) {}

  TemplateNode Compile(const Json& json, size_t depth) {
    if (depth > limits::kMaxJsonDepth) {
      errors_.push_back(
          {pointer_, 0,
           "the template nests deeper than " + std::to_string(limits::kMaxJsonDepth) + " levels"});
      return TemplateNode{Json()};
    }
    if (json.is_string()) {
      return CompileString(json.get_ref<const std::string&>());
    }
    if (json.is_array()) {
      return CompileArray(json, depth);
    }
    if (json.is_object()) {
      return CompileObject(json, depth);
    }
    return TemplateNode{json};
  }

  std::vector<TemplateError>& errors() { return errors_; }
  std::vector<TemplateReference>& references() { return references_; }

 private:
  TemplateNode CompileArray(const Json& json, size_t depth) {
    Array array;
    bool all_literal = true;
    for (size_t i = 0; i < json.size(); ++i) {
      array.elements.push_back(CompileBelow(json[i], std::to_string(i), depth));
      all_literal = all_literal && array.elements.back().is_literal();
    }
    // Strings with an escaped "${" are literal too, so the copy is made of what was compiled.
    if (!all_literal) {
      return TemplateNode{std::move(array)};
    }
    Json literal = Json::array();
    for (TemplateNode& element : array.elements) {
      literal.push_back(std::move(std::get<Json>(element.content)));
    }
    return TemplateNode{std::move(literal)};
  }

  TemplateNode CompileObject(const Json& json, size_t depth) {
    Object object;
    bool all_literal = true;
    for (const auto& [key, member] : json.get_ref<const Json::object_t&>()) {
      object.members.emplace_back(key, CompileBelow(member, EscapePointerToken(key), depth));
      all_literal = all_literal && object.members.back().second.is_literal();
    }
    if (!all_literal) {
      return TemplateNode{std::move(object)};
    }
    Json literal = Json::object();
    for (auto& [key, member] : object.members) {
      literal[key] = std::move(std::get<Json>(member.content));
    }
    return TemplateNode{std::move(literal)};
  }

  TemplateNode CompileBelow(const Json& json, const std::string& token, size_t depth) {
    const size_t length = pointer_.size();
    pointer_ += '/';
    pointer_ += token;
    TemplateNode node = Compile(json, depth + 1);
    pointer_.resize(length);
    return node;
  }

  TemplateNode CompileString(const std::string& text) {
    Text result{{}, pointer_};
    Piece piece;
    size_t position = 0;
    while (position < text.size()) {
      const size_t dollar = std::min(text.find('$', position), text.size());
      piece.literal.append(text, position, dollar - position);
      position = dollar;
      if (text.compare(position, 3, "$${") == 0) {
        piece.literal += "${";
        position += 3;
      } else if (text.compare(position, 2, "${") == 0) {
        position += 2;
        piece.expression = CompileExpression(text, &position);
        if (!piece.expression) {
          return TemplateNode{Json()};
        }
        result.pieces.push_back(std::move(piece));
        piece = Piece();
      } else if (position < text.size()) {
        piece.literal += '$';
        ++position;
      }
    }
    if (result.pieces.empty()) {
      return TemplateNode{Json(std::move(piece.literal))};
    }
    if (result.pieces.size() == 1 && result.pieces[0].literal.empty() && piece.literal.empty()) {
      return TemplateNode{Whole{*std::move(result.pieces[0].expression), pointer_}};
    }
    result.pieces.push_back(std::move(piece));
    return TemplateNode{std::move(result)};
  }

  std::optional<Expression> CompileExpression(const std::string& text, size_t* position) {
    Expression::ParseResult parsed = Expression::ParseUntilBrace(text, position, regexes_);
    if (ParseError* error = std::get_if<ParseError>(&parsed)) {
      errors_.push_back({pointer_, error->offset, std::move(error->message)});
      return std::nullopt;
    }
    Expression expression = std::get<Expression>(std::move(parsed));
    for (const ReferencePath& path : expression.references()) {
      references_.push_back({pointer_, path});
    }
    return expression;
  }

  RegexBudget* regexes_;
  std::string pointer_;
  std::vector<TemplateError> errors_;
  std::vector<TemplateReference> references_;
};

Template::Template(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}

Template::CompileResult Template::Compile(const Json& json, RegexBudget* regexes) {
  RegexBudget own;
  Compiler compiler(regexes == nullptr ? &own : regexes);
  TemplateNode root = compiler.Compile(json, 0);
  if (!compiler.errors().empty()) {
    return std::move(compiler.errors());
  }
  return Template(
      std::make_shared<const Tree>(Tree{std::move(root), std::move(compiler.references())}));
}

Result<Json> Template::Render(const Activation& activation, const JsonLimits& bounds) const {
  if (const Json* literal = std::get_if<Json>(&tree_->root.content)) {
    return *literal;
  }
  return Renderer(activation, bounds).Render(tree_->root);
}

Result<std::string> Template::RenderText(const Activation& activation, const Encoder& encode,
                                         size_t max_bytes) const {
  ENTENTE_CHECK(is_text());
  if (const Json* literal = std::get_if<Json>(&tree_->root.content)) {
    return literal->get<std::string>();
  }
  if (const Whole* whole = std::get_if<Whole>(&tree_->root.content)) {
    const Text text{{Piece{"", whole->expression}}, whole->pointer};
    return RenderPieces(text, activation, &encode, max_bytes);
  }
  return RenderPieces(std::get<Text>(tree_->root.content), activation, &encode, max_bytes);
}

bool Template::is_text() const {
  const auto& content = tree_->root.content;
  const Json* literal = std::get_if<Json>(&content);
  return std::holds_alternative<Whole>(content) || std::holds_alternative<Text>(content) ||
         (literal != nullptr && literal->is_string());
}

bool Template::is_expression() const {
  return std::holds_alternative<Whole>(tree_->root.content);
}

bool Template::is_literal() const {
  return tree_->root.is_literal();
}

const std::vector<TemplateReference>& Template::references() const& {
  return tree_->references;
}

}  // namespace entente::dsl::cel
