#include "base/json.h"

#include <catch2/catch.hpp>
#include <string>
#include <tuple>

#include "base/limits.h"

namespace entente {
namespace {

constexpr JsonLimits kLimits{1024, 4};

Json Parsed(std::string_view text) {
  Result<Json> result = ParseJson(text, kLimits);
  INFO(text << " -> " << result.status());
  REQUIRE(result.ok());
  return std::move(result).value();
}

Status Refusal(std::string_view text, const JsonLimits& limits = kLimits) {
  const Result<Json> result = ParseJson(text, limits);
  INFO(text);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == StatusCode::kInvalidArgument);
  return result.status();
}

std::string Nested(size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST_CASE("every kind of JSON value is read") {
  CHECK(Parsed("null").is_null());
  CHECK(Parsed(" true ") == Json(true));
  CHECK(Parsed("-12") == Json(-12));
  CHECK(Parsed("18446744073709551615") == Json(UINT64_MAX));
  CHECK(Parsed("2.5e3") == Json(2500.0));
  CHECK(Parsed(R"("a\u00e9\n")") == Json("a\u00e9\n"));
  CHECK(Parsed("[]") == Json::array());
  CHECK(Parsed("{}") == Json::object());
  CHECK(DumpJson(Parsed(R"({"b":[1,{"c":null},[]],"a":{"":"x"},"d":2})")) ==
        R"({"a":{"":"x"},"b":[1,{"c":null},[]],"d":2})");
}

TEST_CASE("equal documents serialize to equal bytes") {
  CHECK(DumpJson(Parsed(R"({ "b": 1, "a": [1.50, "x"] })")) ==
        DumpJson(Parsed(R"({"a":[1.5,"\u0078"],"b":1})")));
}

TEST_CASE("a syntax error names its line and column") {
  const auto [text, place] = GENERATE(table<std::string, std::string>({
      {"", "line 1, column 1: "},
      {"{", "line 1, column 2: "},
      {"{\n  \"a\": 1,\n  b: 2\n}", "line 3, column 3: "},
      {"[\"\u00e9\u00e9\", x]", "line 1, column 8: "},
      {"[1,]", "line 1, column 4: "},
      {"{}\n{}", "line 2, column 1: "},
      {"1 2", "line 1, column 3: "},
  }));
  const Status status = Refusal(text);
  CHECK(status.reason() == "json.syntax");
  CHECK_THAT(status.message(), Catch::StartsWith(place));
}

TEST_CASE("what RFC 8259 does not allow is a syntax error") {
  const std::string text =
      GENERATE(as<std::string>(), "01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "'a'", "{a:1}",
               "[1 2]", "{\"a\":1,}", "// c\n1", "/* c */ 1", "\"a\nb\"", "\"\\x41\"",
               "\"\\ud800\"", "tru", "\xEF\xBB\xBF{}", "]", "{\"a\"}", "\"a");
  CHECK(Refusal(text).reason() == "json.syntax");
}

TEST_CASE("a NUL byte does not hide what follows it") {
  using std::literals::string_literals::operator""s;
  const Status status = Refusal("{}\0 garbage"s);
  CHECK(status.reason() == "json.syntax");
  CHECK_THAT(status.message(), Catch::StartsWith("line 1, column 3: "));
  CHECK(Refusal("{} \0"s).reason() == "json.syntax");
}

TEST_CASE("a number that no double can hold is refused") {
  const std::string text = GENERATE(as<std::string>(), "1e309", "[-1e999]");
  const Status status = Refusal(text);
  CHECK(status.reason() == "json.syntax");
  CHECK_THAT(status.message(), Catch::Contains("range of a double"));
  CHECK(Refusal(std::string(400, '9')).reason() == "json.syntax");
}

TEST_CASE("a duplicate key is refused where it stands, an equal key elsewhere is not") {
  const Status status = Refusal("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}");
  CHECK(status.reason() == "json.duplicate_key");
  CHECK_THAT(status.message(), Catch::StartsWith("line 3, column 4: ") && Catch::Contains("'a'"));
  CHECK(Refusal(R"({"a":1,"\u0061":2})").reason() == "json.duplicate_key");
}

TEST_CASE("a very long duplicate key is cut in the message, between characters") {
  std::string key = "x";
  for (int i = 0; i < 50; ++i) {
    key += "\u00e9";
  }
  const Status status = Refusal("{\"" + key + "\":1,\"" + key + "\":2}");
  CHECK(status.message().size() < 160);
  CHECK(DumpJson(Json(status.message())).find("\uFFFD") == std::string::npos);
}

TEST_CASE("text that is not UTF-8 is refused at the first bad byte") {
  const std::string bad =
      GENERATE(as<std::string>(), "\xFF", "\xC0\xAF", "\xC3", "\xED\xA0\x80", "\xF5\x80\x80\x80",
               "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80");
  const Status status = Refusal("[\"ok\",\n\"" + bad + "\"]");
  CHECK(status.reason() == "json.bad_utf8");
  CHECK_THAT(status.message(), Catch::StartsWith("line 2, column 2: "));
  CHECK(Refusal("[" + bad + "]").reason() == "json.bad_utf8");
}

TEST_CASE("well-formed characters of every length are kept") {
  const std::string text = "\"\x7F\u0080\u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF\"";
  CHECK(DumpJson(Parsed(text)) == text);
}

TEST_CASE("nesting is allowed up to the limit and refused beyond it") {
  CHECK(Parsed(Nested(4)).is_array());
  const Status status = Refusal(Nested(5));
  CHECK(status.reason() == "json.too_deep");
  CHECK_THAT(status.message(), Catch::StartsWith("line 1, column 5: ") && Catch::Contains("4"));
  CHECK(Refusal(R"({"a":{"a":{"a":{"a":{}}}}})").reason() == "json.too_deep");
  CHECK(Parsed("[[],[],[[],[[]]]]").size() == 3);
}

TEST_CASE("a million open brackets neither overflow the stack nor the limit") {
  const JsonLimits unbounded{size_t{4} << 20, size_t{4} << 20};
  const std::string open(1'000'000, '[');
  CHECK(Refusal(open, unbounded).reason() == "json.syntax");
  CHECK(Refusal(open, {unbounded.max_bytes, 64}).reason() == "json.too_deep");
  CHECK(ParseJson(Nested(1'000'000), unbounded).ok());
}

TEST_CASE("a text over the byte limit is refused whatever it holds") {
  CHECK(Parsed(std::string(1023, ' ') + "1") == Json(1));
  const Status status = Refusal(std::string(1024, ' ') + "1");
  CHECK(status.reason() == "json.too_large");
  CHECK_THAT(status.message(), Catch::Contains("1025") && Catch::Contains("1024"));
}

TEST_CASE("serializing text that is not UTF-8 replaces it") {
  CHECK(DumpJson(Json("a\xFF")) == "\"a\uFFFD\"");
}

TEST_CASE("tokens of a JSON Pointer are escaped") {
  CHECK(EscapePointerToken("a/b~c") == "a~1b~0c");
  CHECK(EscapePointerToken("~1") == "~01");
  CHECK(EscapePointerToken("").empty());
  const Json value = {{"a/b~c", 7}};
  CHECK(value[Json::json_pointer("/" + EscapePointerToken("a/b~c"))] == 7);
}

}  // namespace
}  // namespace entente
