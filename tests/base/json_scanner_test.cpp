#include "base/json_scanner.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace entente {
namespace {

constexpr size_t kDepth = 8;

bool Scans(const std::string& text, Json& value) {
  return JsonScanner(text).Scan(kDepth, value);
}

bool SameTypes(const Json& a, const Json& b) {
  if (a.type() != b.type() || a.size() != b.size()) {
    return false;
  }
  if (a.is_structured()) {
    for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
      if (!SameTypes(*left, *right)) {
        return false;
      }
    }
  }
  return true;
}

const std::vector<std::string> kDocuments = {
    R"({"traveller":"Ada","nights":4,"rooms":[{"beds":2,"view":"sea"},{}],"price":1234.5,"x":null})",
    R"([0,-0,-1,18,123456789012345678,-123456789012345678,0.5,-2.5e-3,1E5,1e+5,0e0,-0.0])",
    R"(["","a\"b\\c\/d\b\f\n\r\t","\u00e9\u20ac\ud83d\ude00\u0000","é€😀"])",
    " \t\r\n{ \"b\" : [ ] , \"a\" : { } , \"\" : [ [ 1 , 2 ] , true , false , null ] } \n",
    R"([[[[[[[[]]]]]]]])",
    "7",
    "\"x\"",
    "true",
};

TEST_CASE("ordinary documents are read as the library reads them") {
  for (const std::string& text : kDocuments) {
    INFO(text);
    Json value;
    REQUIRE(Scans(text, value));
    CHECK(value == Json::parse(text));
    CHECK(SameTypes(value, Json::parse(text)));
    CHECK(DumpJson(value) == DumpJson(Json::parse(text)));
  }
}

TEST_CASE("what needs a closer look is left to the library") {
  const std::string text = GENERATE(
      as<std::string>(), "", " ", "1234567890123456789", "1e999", "1e-999", "[[[[[[[[[]]]]]]]]]",
      "{\"a\":1,\"a\":2}", "\xEF\xBB\xBF{}", "[1,]", "{\"a\":1,}", "{,}", "[,]", "01", "-", "1.",
      "1e", "1e+", ".5", "+1", "tru", "nul", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "[1", "\"a",
      "\"\\", "\"\\u12", "\"\\u12g4\"", "\"\\u+123\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
      "\"\\udc00\"", "\"\\q\"", "\"\n\"", "\"\xFF\"", "\"\xC3\"", "1 2", "{} x", "]", "{]", "[}",
      "{\"a\" 1}", "{1:2}", "[1 2]");
  Json value;
  CHECK_FALSE(Scans(text, value));
}

TEST_CASE("a NUL byte is never taken for the end") {
  using std::literals::string_literals::operator""s;
  Json value;
  CHECK_FALSE(Scans("1\0"s, value));
  CHECK_FALSE(Scans("{}\0{}"s, value));
}

// A document with one to three bytes replaced, removed or doubled.
std::string Mutated(std::string text, std::mt19937& random) {
  static const std::string kBytes("{}[]\",:\\/ \n0123456789.-+eEtrufalsn\x01\x7F\x80\xC3\xA9\xED\0",
                                  42);
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random() % bound); };
  for (size_t edits = 1 + below(3); edits > 0 && !text.empty(); --edits) {
    const size_t at = below(text.size());
    switch (below(4)) {
      case 0: text.erase(at, 1 + below(3)); break;
      case 1: text.insert(at, text.substr(at, 1 + below(5))); break;
      default: text[at] = kBytes[below(kBytes.size())];
    }
  }
  return text;
}

TEST_CASE("the scanner accepts nothing that the library refuses or reads differently") {
  std::mt19937 random(20260102);
  size_t accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    const std::string text = Mutated(kDocuments[round % kDocuments.size()], random);
    Json value;
    if (!Scans(text, value)) {
      continue;
    }
    ++accepted;
    const Json expected = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (expected.is_discarded() || value != expected || !SameTypes(value, expected)) {
      FAIL("'" << text << "' was read as " << DumpJson(value));
    }
  }
  CHECK(accepted > 5'000);
}

TEST_CASE("keys may come in any order") {
  Json value;
  REQUIRE(Scans(R"({"c":1,"a":2,"b":{"z":1,"y":2},"d":3})", value));
  CHECK(DumpJson(value) == R"({"a":2,"b":{"y":2,"z":1},"c":1,"d":3})");
  CHECK_FALSE(Scans(R"({"c":1,"a":2,"b":3,"a":4})", value));
}

}  // namespace
}  // namespace entente
