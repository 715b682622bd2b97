#include "dsl/source_map.h"

#include <catch2/catch.hpp>

namespace entente::dsl {
namespace {

TEST_CASE("a value's position is that of its first character") {
  const std::string_view text = "{\n  \"a\": [1, {\"b\": true}],\n  \"c\": \"x\"\n}";
  const SourceMap map(text);
  CHECK(map.OfValue("") == Position{1, 1});
  CHECK(map.OfValue("/a") == Position{2, 8});
  CHECK(map.OfValue("/a/0") == Position{2, 9});
  CHECK(map.OfValue("/a/1/b") == Position{2, 18});
  CHECK(map.OfValue("/c") == Position{3, 8});
}

TEST_CASE("a member's name has a position of its own") {
  const SourceMap map("{\n  \"a\": [1, {\"b\": true}]\n}");
  CHECK(map.OfKey("/a") == Position{2, 3});
  CHECK(map.OfKey("/a/1/b") == Position{2, 13});
  CHECK(map.OfKey("/a/0") == Position{2, 9});
}

TEST_CASE("a member that is missing is shown at its nearest ancestor") {
  const SourceMap map("{\"a\": {\"b\": 1}}");
  CHECK(map.OfValue("/a/x/y") == Position{1, 7});
  CHECK(map.OfKey("/a/x") == Position{1, 7});
  CHECK(map.OfValue("/a/b/0") == Position{1, 13});
}

TEST_CASE("pointers are unescaped and keys decoded") {
  const SourceMap map("{\"a/b\": 1, \"t~\": 2, \"\\u00e9\\n\": 3, \"\": 4}");
  CHECK(map.OfValue("/a~1b") == Position{1, 9});
  CHECK(map.OfValue("/t~0") == Position{1, 18});
  CHECK(map.OfValue("/\xC3\xA9\n") == Position{1, 33});
  CHECK(map.OfValue("/") == Position{1, 40});
}

TEST_CASE("a name is not mistaken for one that begins alike") {
  const SourceMap map(R"({"a": "b", "ab": 1, "a\": \"": 2})");
  CHECK(map.OfValue("/a") == Position{1, 7});
  CHECK(map.OfValue("/ab") == Position{1, 18});
  CHECK(map.OfValue("/a\": \"") == Position{1, 32});
  CHECK(map.OfValue("/abc") == Position{1, 1});
}

TEST_CASE("columns count characters, not bytes") {
  const SourceMap map("{\"\xC3\xA9\xE2\x82\xAC\": 1}");
  CHECK(map.OfValue("/\xC3\xA9\xE2\x82\xAC") == Position{1, 8});
}

TEST_CASE("an offset in a string is found behind its escapes") {
  // Decoded: a"<smiling face>b
  const SourceMap map(R"(["a\"\ud83d\ude00b"])");
  CHECK(map.InString("/0", 0) == Position{1, 3});
  CHECK(map.InString("/0", 1) == Position{1, 4});
  CHECK(map.InString("/0", 2) == Position{1, 6});
  CHECK(map.InString("/0", 6) == Position{1, 18});
  CHECK(map.InString("/0", 7) == Position{1, 19});
  CHECK(map.InString("/0", 100) == Position{1, 19});
}

TEST_CASE("an offset in what is no string is the value itself") {
  const SourceMap map("[12, {}]");
  CHECK(map.InString("/0", 1) == Position{1, 2});
  CHECK(map.InString("/1", 0) == Position{1, 6});
  CHECK(map.InString("/7", 0) == Position{1, 1});
}

}  // namespace
}  // namespace entente::dsl
