#include <array>

#include <catch2/catch.hpp>

#include "coordinator/api/json_writer.h"
#include "coordinator/api/text.h"

namespace entente::api {
namespace {

TEST_CASE("bytes that are not UTF-8 are replaced and the rest is kept") {
  CHECK(ToUtf8("caf\xC3\xA9") == "caf\xC3\xA9");
  CHECK(ToUtf8("a\xFF"
               "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(ToUtf8("\xE2\x82") == "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("percent-encoding is undone, and refused where it is broken") {
  CHECK(PercentDecode("a%20b%2Fc", false) == "a b/c");
  CHECK(PercentDecode("a+b", false) == "a+b");
  CHECK(PercentDecode("a+b", true) == "a b");
  CHECK_FALSE(PercentDecode("%4", false));
  CHECK_FALSE(PercentDecode("%zz", false));
  CHECK_FALSE(PercentDecode("%FF", false));
  CHECK_FALSE(PercentDecode("a%00b", false));
}

TEST_CASE("a near name is suggested and a far one is not") {
  constexpr std::array<std::string_view, 3> kNames{"definition", "deadline", "expectedRevision"};
  CHECK(SuggestName("defintion", kNames) == "did you mean 'definition'?");
  CHECK(SuggestName("expected_revision", kNames) == "did you mean 'expectedRevision'?");
  CHECK(SuggestName("colour", kNames).empty());
  CHECK(SuggestName(std::string(1000, 'd'), kNames).empty());
}

TEST_CASE("the writer puts commas where they belong and escapes what needs it") {
  std::string text;
  JsonWriter json(text);
  json.BeginObject();
  json.Key("a");
  json.BeginArray();
  json.Number(1);
  json.Bool(false);
  json.String("x\"\\\n\x01 \xC3\xA9 \xFF");
  json.EndArray();
  json.OptionalString("left out", "");
  json.AnyKey("q\"");
  json.Value(Json{{"b", nullptr}});
  json.Key("d");
  json.Seconds(std::chrono::microseconds(1'500'000));
  json.Key("e");
  json.Decimal(0.25);
  json.EndObject();
  CHECK(Json::parse(text) == Json{{"a", {1, false, "x\"\\\n\x01 \xC3\xA9 \xEF\xBF\xBD"}},
                                  {"q\"", {{"b", nullptr}}},
                                  {"d", "1.5s"},
                                  {"e", 0.25}});
}

}  // namespace
}  // namespace entente::api
