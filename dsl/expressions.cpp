#include "dsl/expressions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "dsl/read/object_reader.h"

namespace entente::dsl {
namespace {

// Names that nothing is bound to: constants are evaluated without any.
const cel::Activation& NoNames() {
  static const cel::Activation activation;
  return activation;
}

std::string Identity(const cel::Value& /*value*/, std::string_view text) {
  return std::string(text);
}

}  // namespace

std::optional<cel::Expression> ExpressionCompiler::Whole(const Json& value,
                                                         const std::string& pointer,
                                                         const Scope& scope, cel::Kind wanted) {
  const auto* text = value.get_ptr<const std::string*>();
  if (text == nullptr || !text->starts_with("${")) {
    const std::string found =
        text == nullptr ? std::string(TypeName(value)) : "the text " + Quote(*text);
    problems_.AtValue(pointer, "wrong_type",
                      std::string(scope.place) + " must be one expression, not " + found,
                      "write \"${...}\"");
    return std::nullopt;
  }
  size_t position = 2;
  auto parsed = cel::Expression::ParseUntilBrace(*text, &position, environment_.regexes());
  if (const auto* error = std::get_if<cel::ParseError>(&parsed)) {
    problems_.InString(pointer, error->offset, "bad_expression", error->message);
    return std::nullopt;
  }
  if (position != text->size()) {
    problems_.InString(pointer, position, "bad_expression",
                       std::string(scope.place) + " must be one expression with nothing after it",
                       "put all of it into one \"${...}\"");
    return std::nullopt;
  }
  auto expression = std::get<cel::Expression>(std::move(parsed));
  for (const cel::ReferencePath& path : expression.references()) {
    CheckReference(path, pointer, scope);
  }
  CheckSkipped(expression.references(), pointer, scope);
  if (expression.references().empty()) {
    const Result<cel::Value> result = expression.Evaluate(NoNames());
    if (!result.ok()) {
      problems_.AtValue(pointer, "expression_fails",
                        std::string(scope.place) + " always fails: " + result.status().message());
    } else if (result->kind() != wanted) {
      problems_.AtValue(pointer, "wrong_type",
                        std::string(scope.place) + " must be a " +
                            std::string(cel::KindName(wanted)) + ", but is always a " +
                            std::string(cel::KindName(result->kind())));
    }
  }
  return expression;
}

std::optional<cel::Template> ExpressionCompiler::Document(const Json& value,
                                                          const std::string& pointer,
                                                          const Scope& scope) {
  auto compiled = cel::Template::Compile(value, environment_.regexes());
  if (const auto* errors = std::get_if<std::vector<cel::TemplateError>>(&compiled)) {
    for (const cel::TemplateError& error : *errors) {
      problems_.InString(pointer + error.pointer, error.offset, "bad_expression", error.message);
    }
    CheckStrings(value, pointer, scope);
    return std::nullopt;
  }
  auto document = std::get<cel::Template>(std::move(compiled));
  std::map<std::string, std::vector<cel::ReferencePath>> by_string;
  for (const cel::TemplateReference& reference : document.references()) {
    CheckReference(reference.path, pointer + reference.pointer, scope);
    by_string[reference.pointer].push_back(reference.path);
  }
  for (const auto& [at, paths] : by_string) {
    CheckSkipped(paths, pointer + at, scope);
  }
  return document;
}

// That one string is wrong must not hide what the others name. Recursion is bounded by the depth of
// a definition.
void ExpressionCompiler::CheckStrings(const Json& value, const std::string& pointer,
                                      const Scope& scope) {
  if (const auto* members = value.get_ptr<const Json::object_t*>()) {
    for (const auto& [key, member] : *members) {
      CheckStrings(member, pointer + "/" + EscapePointerToken(key), scope);
    }
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      CheckStrings(value[i], pointer + "/" + std::to_string(i), scope);
    }
  } else if (value.is_string()) {
    const auto compiled = cel::Template::Compile(value);
    if (const auto* text = std::get_if<cel::Template>(&compiled)) {
      for (const cel::TemplateReference& reference : text->references()) {
        CheckReference(reference.path, pointer, scope);
      }
    }
  }
}

std::optional<cel::Template> ExpressionCompiler::Text(const Json& value, const std::string& pointer,
                                                      const Scope& scope,
                                                      std::optional<std::string>* literal) {
  if (!value.is_string()) {
    problems_.AtValue(
        pointer, "wrong_type",
        std::string(scope.place) + " must be a string, not " + std::string(TypeName(value)));
    return std::nullopt;
  }
  std::optional<cel::Template> text = Document(value, pointer, scope);
  if (text && text->references().empty()) {
    Result<std::string> rendered = text->RenderText(NoNames(), Identity);
    if (!rendered.ok()) {
      problems_.AtValue(pointer, "expression_fails",
                        std::string(scope.place) + " always fails: " + rendered.status().message());
    } else if (literal != nullptr) {
      *literal = *std::move(rendered);
    }
  }
  return text;
}

std::optional<ExpressionCompiler::Place> ExpressionCompiler::TakeOwnOutputRead() {
  return std::exchange(own_output_read_, std::nullopt);
}

cel::Template LiteralTemplate(const Json& value) {
  auto compiled = cel::Template::Compile(value);
  ENTENTE_CHECK(std::holds_alternative<cel::Template>(compiled));
  return std::get<cel::Template>(std::move(compiled));
}

}  // namespace entente::dsl
