// Whatever text and data come in, an answer or an error comes out. Seeded, so a failure repeats.

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/cel/expression.h"
#include "dsl/cel/template.h"

namespace entente::dsl::cel {
namespace {

const Json& Data() {
  static const Json data = Json::parse(
      R"({"a": {"b": [1, 2.5, "x", null, true, {"c": 18446744073709551615}]}, "s": "ñandú",
          "l": ["p", "q", ""], "n": null, "at": "2026-11-21T13:10:00Z"})");
  return data;
}

// Parses, and evaluates what parses. Returns whether it parsed.
bool Try(const std::string& text) {
  const Expression::ParseResult parsed = Expression::Parse(text);
  if (const ParseError* error = std::get_if<ParseError>(&parsed)) {
    REQUIRE(error->offset <= text.size());
    REQUIRE_FALSE(error->message.empty());
    return false;
  }
  const Result<Json> result = std::get<Expression>(parsed).EvaluateToJson(Activation(Data()));
  REQUIRE((result.ok() || !result.status().message().empty()));
  return true;
}

std::string RandomBytes(std::mt19937_64& random, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text.push_back(static_cast<char>(random() & 0xFF));
  }
  return text;
}

constexpr std::string_view kTokens[] = {
    "a",          ".b",         "s",           "l",          "n",
    "at",         "x",          "1",           "2u",         "-1",
    "0",          "1.5",        "'t'",         "b'\\xff'",   "''",
    "null",       "true",       "false",       "[",          "]",
    "(",          ")",          "{",           "}",          ",",
    ":",          "?",          "+",           "-",          "*",
    "/",          "%",          "==",          "!=",         "<",
    "<=",         " in ",       "&&",          "||",         "!",
    ".",          ".all(x,",    ".map(x,",     ".filter(x,", ".exists(x,",
    "size(",      "string(",    "int(",        "has(",       ".split(",
    ".join(",     ".replace(",  ".substring(", ".trim()",    "type(",
    "double(",    "[0]",        "['b']",       "timestamp(", "duration(",
    ".getHours(", "'UTC'",      ".matches(",   "uint(",      "9223372036854775807",
    "'1h'",       ".reverse()", ".indexOf(",   ".charAt(",   "bytes(",
    "dyn(",       "\"\\u00e9\""};

std::string RandomTokens(std::mt19937_64& random, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += kTokens[random() % std::size(kTokens)];
  }
  return text;
}

// An expression that parses, whatever it means.
std::string RandomExpression(std::mt19937_64& random, size_t depth) {
  const auto sub = [&random, depth] { return RandomExpression(random, depth - 1); };
  static constexpr std::string_view kLeaves[] = {"a",
                                                 "a.b",
                                                 "s",
                                                 "l",
                                                 "n",
                                                 "at",
                                                 "x",
                                                 "1",
                                                 "2u",
                                                 "-1",
                                                 "0",
                                                 "1.5",
                                                 "'tñ'",
                                                 "''",
                                                 "null",
                                                 "true",
                                                 "[]",
                                                 "{}",
                                                 "b'z'",
                                                 "int",
                                                 "1e300",
                                                 "9223372036854775807",
                                                 "timestamp(at)",
                                                 "duration('1h')"};
  static constexpr std::string_view kInfix[] = {
      "+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", " in ", "&&", "||"};
  static constexpr std::string_view kUnary[] = {"size(",      "string(",   "int(",  "uint(",
                                                "double(",    "type(",     "bool(", "bytes(",
                                                "timestamp(", "duration(", "dyn("};
  static constexpr std::string_view kMethods[] = {
      ".all(x, ",   ".exists(x, ", ".map(x, ",  ".filter(x, ", ".exists_one(x, ",
      ".contains(", ".split(",     ".join(",    ".matches(",   ".substring(",
      ".indexOf(",  ".charAt(",    ".getHours("};
  if (depth == 0) {
    return std::string(kLeaves[random() % std::size(kLeaves)]);
  }
  switch (random() % 9) {
    case 0: return "(" + sub() + std::string(kInfix[random() % std::size(kInfix)]) + sub() + ")";
    case 1: return std::string(kUnary[random() % std::size(kUnary)]) + sub() + ")";
    case 2:
      return "(" + sub() + ")" + std::string(kMethods[random() % std::size(kMethods)]) + sub() +
             ")";
    case 3: return "[" + sub() + ", " + sub() + "]";
    case 4: return "{" + sub() + ": " + sub() + "}";
    case 5: return "(" + sub() + ")[" + sub() + "]";
    case 6: return "(" + sub() + " ? " + sub() + " : " + sub() + ")";
    case 7: return "!(" + sub() + ")";
    default: return "(" + sub() + ").replace(" + sub() + ", " + sub() + ")";
  }
}

TEST_CASE("random bytes never crash the parser") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 5000; ++i) {
    Try(RandomBytes(random, random() % 80));
  }
}

TEST_CASE("random tokens never crash the parser") {
  std::mt19937_64 random(2);
  size_t parsed = 0;
  for (int i = 0; i < 20000; ++i) {
    parsed += Try(RandomTokens(random, 1 + random() % 14)) ? 1 : 0;
  }
  CHECK(parsed > 100);
}

TEST_CASE("random expressions are evaluated to a value or an error") {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = RandomExpression(random, 1 + random() % 4);
    INFO(text);
    REQUIRE(Try(text));
  }
}

TEST_CASE("expressions with a byte changed never crash") {
  std::mt19937_64 random(4);
  for (int i = 0; i < 20000; ++i) {
    std::string text = RandomExpression(random, 3);
    text[random() % text.size()] = static_cast<char>(random() & 0xFF);
    Try(text);
  }
}

TEST_CASE("random templates render or report") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (size_t parts = 1 + random() % 4; parts > 0; --parts) {
      static constexpr std::string_view kGlue[] = {"${", "}", "$", "$${", "lit", "{", "'"};
      text += kGlue[random() % std::size(kGlue)];
      text += random() % 2 == 0 ? RandomTokens(random, 2) : RandomExpression(random, 1) + "}";
    }
    INFO(text);
    const Template::CompileResult compiled = Template::Compile(Json::array({text, 1}));
    if (const Template* result = std::get_if<Template>(&compiled)) {
      const Result<Json> rendered = result->Render(Activation(Data()));
      REQUIRE((rendered.ok() || !rendered.status().message().empty()));
    } else {
      const auto& errors = std::get<std::vector<TemplateError>>(compiled);
      REQUIRE(errors.size() == 1);
      REQUIRE(errors[0].pointer == "/0");
      REQUIRE(errors[0].offset <= text.size());
    }
  }
}

}  // namespace
}  // namespace entente::dsl::cel
