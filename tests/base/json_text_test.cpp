#include "base/json_text.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace entente {
namespace {

constexpr JsonLimits kTextLimits{1 << 20, 64};

JsonText TextOf(std::string_view text) {
  return JsonText::Parse(text, kTextLimits).value();
}

TEST_CASE("a text is compact, its keys are in order, and its digits are kept") {
  CHECK(TextOf(R"( { "b" : [ 1.50 , {} ] , "a" : 18446744073709551616 } )").text() ==
        R"({"a":18446744073709551616,"b":[1.50,{}]})");
  CHECK(JsonText().text() == "null");
  CHECK(TextOf("null").is_null());
  CHECK(TextOf("null").bytes() == 0);
  CHECK(JsonText(Json()).is_null());
}

TEST_CASE("values are equal by their digits") {
  CHECK(TextOf(R"({"a":1,"b":2})") == TextOf(R"({"b":2,"a":1})"));
  CHECK(TextOf("18446744073709551616") != TextOf("18446744073709551617"));
  CHECK(TextOf("1.0") != TextOf("1"));
  CHECK(TextOf("\"\\u00e9\"") == TextOf("\"é\""));
}

TEST_CASE("what is refused when it enters is refused as any JSON is") {
  CHECK(JsonText::Parse(R"({"a":1,"a":2})", kTextLimits).status().reason() == "json.duplicate_key");
  CHECK(JsonText::Parse("\"\xFF\"", kTextLimits).status().reason() == "json.bad_utf8");
  CHECK(JsonText::Parse("[[[]]]", {100, 2}).status().reason() == "json.too_deep");
  CHECK(JsonText::Parse("[1,2]", {4, 2}).status().reason() == "json.too_large");
}

TEST_CASE("a text takes its own size, however many values it has") {
  std::string text = "[";
  while (text.size() < kTextLimits.max_bytes - 4) {
    text += "[],";
  }
  text += "[]]";
  const JsonText value = TextOf(text);
  CHECK(value.text() == text);
  CHECK(value.text().capacity() < text.size() + 64);
}

TEST_CASE("a part is found without building the rest") {
  const JsonText value = TextOf(
      R"({"":0,"a":{"b":[1,"}",{"c":"\"]"}],"c":1e400},"é\"\\":{"x":"y"},"list":[],"n":null,"z":"end"})");
  struct Case {
    std::vector<std::string> names;
    std::string text;
    size_t depth;
  };
  for (const Case& one : std::vector<Case>{
           {{"a", "b"}, R"([1,"}",{"c":"\"]"}])", 2},
           {{"a", "c"}, "1e400", 2},
           {{""}, "0", 1},
           {{"é\"\\", "x"}, "\"y\"", 2},
           {{"list", "x"}, "[]", 1},
           {{"n", "x"}, "null", 1},
           {{"z"}, "\"end\"", 1},
           {{"a", "missing", "c"}, R"({"b":[1,"}",{"c":"\"]"}],"c":1e400})", 1},
       }) {
    INFO(one.text);
    const JsonText::Part part = value.Select(one.names);
    CHECK(part.text == one.text);
    CHECK(part.depth == one.depth);
  }
  CHECK(value.Select(std::vector<std::string>{"missing"}).depth == 0);
  CHECK(JsonText().Select(std::vector<std::string>{"a"}).text == "null");
  CHECK(TextOf("[{\"a\":1}]").Select(std::vector<std::string>{"a"}).depth == 0);
}

TEST_CASE("a stored text is taken as it is, or refused") {
  CHECK(JsonText::FromStored("")->is_null());
  CHECK(JsonText::FromStored("null")->is_null());
  CHECK(JsonText::FromStored("[1.10]")->text() == "[1.10]");
  CHECK(DumpJson(JsonText::FromStored("[1.10,1e400]")->Read()) == "[1.10,1e400]");
  CHECK_FALSE(JsonText::FromStored("{\"a\"").ok());
}

TEST_CASE("an array of texts") {
  const std::vector<JsonText> elements = {TextOf("1e400"), JsonText(), TextOf("{}")};
  CHECK(JsonText::ArrayOf(elements).text() == "[1e400,null,{}]");
  CHECK(JsonText::ArrayOf({}).text() == "[]");
}

}  // namespace
}  // namespace entente
