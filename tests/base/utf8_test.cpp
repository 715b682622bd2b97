#include "base/utf8.h"

#include <catch2/catch.hpp>
#include <string>

namespace entente {
namespace {

TEST_CASE("every code point is written as a character of the right length and read back") {
  for (uint32_t code_point = 0; code_point <= 0x10FFFF;
       code_point += code_point < 0x900 ? 1 : 127) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
      continue;
    }
    std::string text;
    AppendUtf8(text, code_point);
    const size_t expected = code_point < 0x80      ? 1
                            : code_point < 0x800   ? 2
                            : code_point < 0x10000 ? 3
                                                   : 4;
    if (text.size() != expected || Utf8CharacterBytes(text + "x") != expected) {
      FAIL("code point " << code_point);
    }
  }
  std::string text;
  AppendUtf8(text, 0x20AC);
  CHECK(text == "\u20AC");
  AppendUtf8(text, 0x10FFFF);
  CHECK(text == "\u20AC\U0010FFFF");
}

TEST_CASE("a prefix ends before the first ill-formed byte") {
  CHECK(ValidUtf8Prefix("") == 0);
  CHECK(ValidUtf8Prefix("abc") == 3);
  CHECK(ValidUtf8Prefix("a\u00e9\u20ac\U0001F600") == 10);
  CHECK(ValidUtf8Prefix("ab\xFF"
                        "cd") == 2);
  CHECK(ValidUtf8Prefix("ab\xE2\x82") == 2);
  CHECK(ValidUtf8Prefix("\xC0\x80") == 0);
  CHECK(ValidUtf8Prefix("\xED\xA0\x80") == 0);
  CHECK(ValidUtf8Prefix("\xF4\x90\x80\x80") == 0);
  CHECK(Utf8CharacterBytes("") == 0);
}

}  // namespace
TEST_CASE("text from outside becomes UTF-8 within its bound") {
  CHECK(ToUtf8("plain", 80) == "plain");
  CHECK(ToUtf8("caf\xC3\xA9", 80) == "caf\xC3\xA9");
  CHECK(ToUtf8("caf\xC3\xA9", 4) == "caf");
  CHECK(ToUtf8("caf\xE9", 80) == "caf\xEF\xBF\xBD");
  CHECK(ToUtf8("\xFF\xFE", 5) == "\xEF\xBF\xBD");
  CHECK(ToUtf8("", 0).empty());
}

}  // namespace entente
