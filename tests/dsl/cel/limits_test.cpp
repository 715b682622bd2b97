// What keeps an expression from costing more than its author is owed.

#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/cel/expression.h"

namespace entente::dsl::cel {
namespace {

Status ErrorOf(const std::string& text, const Json& data = Json::object()) {
  const Expression::ParseResult parsed = Expression::Parse(text);
  REQUIRE(std::holds_alternative<Expression>(parsed));
  return std::get<Expression>(parsed).EvaluateToJson(Activation(data)).status();
}

std::string ParseErrorOf(const std::string& text) {
  const Expression::ParseResult parsed = Expression::Parse(text);
  const ParseError* error = std::get_if<ParseError>(&parsed);
  return error == nullptr ? "" : error->message;
}

std::string Repeat(const std::string& text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i) {
    result += text;
  }
  return result;
}

TEST_CASE("an expression longer than the limit is refused") {
  const std::string most = "'" + std::string(limits::kMaxExpressionBytes - 2, 'x') + "'";
  CHECK(ParseErrorOf(most).empty());
  CHECK(ParseErrorOf(most + " ") == "the expression is longer than 16384 bytes");
}

TEST_CASE("an embedded expression longer than the limit is refused") {
  const std::string text = "${" + Repeat("1 + ", 5000) + "1}";
  size_t position = 2;
  const auto parsed = Expression::ParseUntilBrace(text, &position);
  REQUIRE(std::holds_alternative<ParseError>(parsed));
  CHECK(std::get<ParseError>(parsed).message == "the expression is longer than 16384 bytes");
}

TEST_CASE("nesting past the limit is refused however it is written") {
  const std::string message = "the expression nests deeper than 64 levels";
  const std::vector<std::string> texts = {
      Repeat("(", 10000) + "1",           Repeat("[", 10000),
      Repeat("{'a':", 3000) + "1",        Repeat("size(", 3000) + "1",
      Repeat("true ? 1 : ", 1000) + "1",  "1" + Repeat(" < 1", 1000),
      "a" + Repeat("[0]", 1000),          "a" + Repeat(".trim()", 1000),
      "[1]" + Repeat(".map(x, x)", 1000), "1" + Repeat(".f", 1) + Repeat(".g", 100),
  };
  for (const std::string& text : texts) {
    INFO(text.substr(0, 40));
    CHECK(ParseErrorOf(text) == message);
  }
}

TEST_CASE("invalid UTF-8 is refused with its place") {
  const Expression::ParseResult parsed = Expression::Parse("'ab\xff'");
  REQUIRE(std::holds_alternative<ParseError>(parsed));
  CHECK(std::get<ParseError>(parsed).offset == 3);
  for (const std::string bad :
       {"'\xc0\xaf'", "'\xed\xa0\x80'", "'\xf4\x90\x80\x80'", "'\xe2\x82'"}) {
    CHECK(ParseErrorOf(bad) == "the expression is not valid UTF-8");
  }
}

std::string NestedLoops(size_t levels, const std::string& body) {
  std::string text = body;
  for (size_t i = 0; i < levels; ++i) {
    text = "[0,1,2,3,4,5,6,7,8,9].all(v" + std::to_string(i) + ", " + text + ")";
  }
  return text;
}

TEST_CASE("nested loops stop at the cost limit") {
  CHECK(ErrorOf(NestedLoops(4, "true")).ok());
  const Status error = ErrorOf(NestedLoops(9, "true"));
  CHECK(error.code() == StatusCode::kInvalidArgument);
  CHECK(error.reason() == "expression.too_costly");
  CHECK(error.message() ==
        "the evaluation takes more than 1000000 steps; make the expression or its data smaller");
}

TEST_CASE("a spent budget is not absorbed like other errors") {
  const std::string loops = NestedLoops(9, "true");
  CHECK(ErrorOf(loops + " || true").reason() == "expression.too_costly");
  CHECK(ErrorOf("[1, 2].exists(x, (" + loops + ") || x == 2)").reason() == "expression.too_costly");
}

TEST_CASE("strings and lists that double stop at the cost limit") {
  // Each level makes its element twice as long.
  CHECK(ErrorOf("['abcdefgh']" + Repeat(".map(x, x + x)", 40)).reason() == "expression.too_costly");
  CHECK(ErrorOf("[[1]]" + Repeat(".map(x, x + x)", 40)).reason() == "expression.too_costly");
  CHECK(ErrorOf("['aaaaaaaaaaaaaaaa']" + Repeat(".map(x, x.replace('', 'aaaaaaaaaaaaaaaa'))", 12))
            .reason() == "expression.too_costly");
  CHECK(ErrorOf("['a']" + Repeat(".map(x, [x, x].join(x))", 30)).reason() ==
        "expression.too_costly");
  CHECK(ErrorOf("[[1, 1]]" + Repeat(".map(x, [x, x])", 40) + ".flatten(64)").reason() ==
        "expression.too_costly");
}

TEST_CASE("a range is paid for before it is made") {
  CHECK(ErrorOf("lists.range(1000000000000000)").reason() == "expression.too_costly");
}

TEST_CASE("values that share their parts can not explode when compared or written out") {
  // 2^40 leaves in a handful of lists.
  const std::string shared = "[1]" + Repeat(".map(x, [x, x])", 40);
  CHECK(ErrorOf(shared).message() ==
        "the result is larger than the limit of 4194304 bytes of JSON");
  CHECK(ErrorOf(shared + " == " + shared).reason() == "expression.too_costly");
  const Json data = {{"s", std::string(1 << 20, 'x')}};
  CHECK(ErrorOf("[s, s, s, s, s]", data).message() ==
        "the result is larger than the limit of 4194304 bytes of JSON");
  CHECK(ErrorOf("[s, s, s]", data).ok());
}

TEST_CASE("values do not nest deeper than JSON may") {
  const std::string deeper = Repeat("[", 20) + "x" + Repeat("]", 20);
  CHECK(ErrorOf("[1].map(x, " + deeper + ")").ok());
  CHECK(ErrorOf("[1]" + Repeat(".map(x, " + deeper + ")", 5)).message() ==
        "a value nests deeper than 64 levels");
}

TEST_CASE("whatever touches bytes is paid by the byte") {
  // Two long texts that differ in the last byte; each operation looks at all of them.
  Json data = {{"a", std::string(480'000, 'a') + "x"}, {"b", std::string(480'000, 'a') + "y"}};
  data["l"] = std::vector<int>(200, 1);
  data["bytes"] = data["a"];
  data["m"] = Json::object({{data["a"].get<std::string>(), 1}});
  for (const std::string each : {"a == b",
                                 "a != b",
                                 "a < b",
                                 "a >= b",
                                 "a in [b]",
                                 "b in m",
                                 "[a] == [b]",
                                 "{'k': a} == {'k': b}",
                                 "{a: 1} == {b: 1}",
                                 "bytes(a) == bytes(b)",
                                 "a.contains(b)",
                                 "a.indexOf(b) == 0",
                                 "a.lastIndexOf(b) == 0",
                                 "a.startsWith(b)",
                                 "a.endsWith(b)",
                                 "a.replace(b, '') == ''",
                                 "size(a.split(b)) == 0",
                                 "[a, b].join('') == ''",
                                 "a + b == ''",
                                 "size(a) == 0",
                                 "a.trim() == ''",
                                 "a.reverse() == ''",
                                 "a.upperAscii() == ''",
                                 "a.charAt(0) == ''",
                                 "a.substring(1) == ''",
                                 "a.matches('y$')",
                                 "strings.quote(a) == ''",
                                 "base64.encode(a) == ''",
                                 "'%s'.format([a]) == ''",
                                 "'%x'.format([a]) == ''",
                                 "[a, b].sort() == []",
                                 "[a, b].distinct() == []",
                                 "m.merge(m) == {}",
                                 "a in m"}) {
    INFO(each);
    CHECK(ErrorOf("l.map(x, (" + each + ") ? 1 : 2)", data).reason() == "expression.too_costly");
  }
  for (const std::string each : {"int(a)", "uint(a)", "double(a)", "timestamp(a)", "duration(a)"}) {
    INFO(each);
    CHECK(ErrorOf("l.exists(x, " + each + " == " + each + ")", data).reason() ==
          "expression.too_costly");
  }
}

TEST_CASE("evaluations that share a budget cost together no more than one may") {
  const Json data = {{"a", std::string(480'000, 'a')}};
  const Expression expression = std::get<Expression>(Expression::Parse("a == a + ''"));
  Budget budget;
  Activation activation(data);
  activation.SetBudget(&budget);
  size_t evaluated = 0;
  while (expression.Evaluate(activation).ok()) {
    ++evaluated;
  }
  CHECK(evaluated > 3);
  CHECK(evaluated < 30);
  budget.Allow(limits::kMaxExpressionCost);
  CHECK(expression.Evaluate(activation).ok());
}

TEST_CASE("a hostile pattern costs no more than its length") {
  // RE2 matches in linear time and refuses patterns whose automaton would be too large.
  const Json data = {{"p", Repeat("(a*)*", 50) + "b"},
                     {"s", std::string(50000, 'a')},
                     {"large", "((a{100}){100}){100}"}};
  CHECK(ErrorOf("s.matches(p)", data).ok());
  CHECK_FALSE(ErrorOf("s.matches(large)", data).ok());
  Json many = Json::array();
  for (int i = 0; i < 20000; ++i) {
    many.push_back("p" + std::to_string(i));
  }
  CHECK(ErrorOf("l.exists(x, 'q'.matches(x))", {{"l", many}}).reason() == "expression.too_costly");
}

TEST_CASE("regular expressions share a budget of what they compile to") {
  const std::string message =
      "the regular expressions come to more than the limit of 250000 instructions together when "
      "compiled; use fewer or simpler ones";
  RegexBudget budget;
  const auto parse_error = [&budget](const std::string& text) {
    const Expression::ParseResult parsed = Expression::Parse(text, &budget);
    const ParseError* error = std::get_if<ParseError>(&parsed);
    return error == nullptr ? "" : error->message;
  };
  const std::string large = R"(s.matches(r'[\p{L}]{1,20}'))";
  CHECK(parse_error(large).empty());
  const size_t one = budget.spent;
  CHECK(one > 10'000);
  size_t parsed = 1;
  while (parse_error(large).empty()) {
    ++parsed;
  }
  CHECK(parsed == limits::kMaxRegexInstructions / one);
  CHECK(parse_error("s.matches('a')") == message);
  // Alone it has a budget of its own.
  CHECK(ParseErrorOf(large).empty());
  CHECK(ParseErrorOf(large + Repeat(" || " + large, limits::kMaxRegexInstructions / one)) ==
        message);
}

TEST_CASE("a pattern that is too large to compile is paid for too") {
  RegexBudget budget;
  const auto parsed = Expression::Parse(R"(s.matches(r'[\p{L}]{1,500}'))", &budget);
  REQUIRE(std::holds_alternative<ParseError>(parsed));
  CHECK(std::get<ParseError>(parsed).message.find("pattern too large") != std::string::npos);
  CHECK(budget.spent > 40'000);
}

TEST_CASE("patterns that are data cost what compiling and matching them takes") {
  Json large = Json::array();
  for (int i = 0; i < 20; ++i) {
    large.push_back("[\\p{L}]{1,20}" + std::to_string(i));
  }
  CHECK(ErrorOf("l.exists(x, 'q'.matches(x))", {{"l", large}}).reason() == "expression.too_costly");
  CHECK(ErrorOf("'q'.matches(l[0])", {{"l", large}}).ok());
  // A large automaton is slow on a long text, constant or not.
  const Json data = {{"s", std::string(500'000, 'a')}, {"p", "(a|b).{900}zz"}};
  CHECK(ErrorOf("s.matches(p)", data).reason() == "expression.too_costly");
  CHECK(ErrorOf("s.matches('(a|b).{900}zz')", data).reason() == "expression.too_costly");
  CHECK(ErrorOf("s.matches('^[a-z]*$')", data).ok());
}

}  // namespace
}  // namespace entente::dsl::cel
