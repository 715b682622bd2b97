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

TEST_CASE("what would act on its reader is shown as its escape, everything else as it is") {
  const auto utf8 = [](uint32_t code_point) {
    std::string text;
    AppendUtf8(text, code_point);
    return text;
  };
  for (const uint32_t acting :
       {0x00U,   0x07U,   0x08U,   0x1BU,   0x1FU,   0x7FU,   0x80U,   0x85U,    0x9BU,   0x9FU,
        0xADU,   0x61CU,  0x180EU, 0x200BU, 0x200DU, 0x200EU, 0x200FU, 0x2028U,  0x2029U, 0x202AU,
        0x202EU, 0x2060U, 0x2066U, 0x2069U, 0x206FU, 0xFEFFU, 0xFFF9U, 0xE0001U, 0xE007FU}) {
    CAPTURE(acting);
    const std::string shown = ShowText("a" + utf8(acting) + "b");
    CHECK(shown.starts_with("a\\u"));
    CHECK(shown.ends_with("b"));
    CHECK(shown.size() == (acting < 0x10000 ? 8 : 14));
    CHECK(ShowLines(utf8(acting)) == shown.substr(1, shown.size() - 2));
  }
  CHECK(ShowText("\x1b[2J") == "\\u001b[2J");
  CHECK(ShowText("\xF3\xA0\x80\x81") == "\\udb40\\udc01");
  for (const uint32_t plain : {0x20U, 0x7EU, 0xA0U, 0xACU, 0xAEU, 0xE9U, 0x5D0U, 0x200AU, 0x2010U,
                               0x2027U, 0x202FU, 0x205FU, 0x2070U, 0x65E5U, 0xFFFDU, 0x1F600U}) {
    CAPTURE(plain);
    CHECK(ShowText(utf8(plain)) == utf8(plain));
  }
  CHECK(ShowText("a\nb\tc\r\n") == "a b c  ");
  CHECK(ShowLines("a\nb\tc\r\n") == "a\nb\tc\r\n");
  CHECK(ShowText("\xFF\xC2") == "\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace entente
