#include "base/utf8.h"

#include <algorithm>
#include <array>

namespace entente {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Range {
  uint32_t first;
  uint32_t last;
};

// In order. Of Unicode 15: Cc, and what of Cf, Zl and Zp turns or hides text.
constexpr std::array kActing = {
    Range{0x0000, 0x001F}, Range{0x007F, 0x009F}, Range{0x00AD, 0x00AD},   Range{0x061C, 0x061C},
    Range{0x180E, 0x180E}, Range{0x200B, 0x200F}, Range{0x2028, 0x202E},   Range{0x2060, 0x206F},
    Range{0xFEFF, 0xFEFF}, Range{0xFFF9, 0xFFFB}, Range{0xE0000, 0xE007F},
};

bool Acts(uint32_t code_point) {
  const auto range = std::find_if(kActing.begin(), kActing.end(),
                                  [code_point](Range r) { return code_point <= r.last; });
  return range != kActing.end() && code_point >= range->first;
}

// Of one well-formed character.
uint32_t CodePoint(std::string_view character) {
  const auto byte = [character](size_t at) -> uint32_t {
    return static_cast<unsigned char>(character[at]);
  };
  if (character.size() == 1) {
    return byte(0);
  }
  uint32_t code_point = byte(0) & (0xFFU >> (character.size() + 1));
  for (size_t i = 1; i < character.size(); ++i) {
    code_point = (code_point << 6) | (byte(i) & 0x3FU);
  }
  return code_point;
}

void AppendEscape(std::string& text, uint32_t unit) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  text += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    text += kDigits[(unit >> shift) & 0xFU];
  }
}

std::string Show(std::string_view text, bool keeps_lines) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = Utf8CharacterBytes(text);
    const std::string_view character = text.substr(0, std::max<size_t>(bytes, 1));
    const uint32_t code_point = bytes == 0 ? 0xFFFD : CodePoint(character);
    if (bytes == 0) {
      shown += kReplacement;
    } else if (code_point == '\n' || code_point == '\t' || code_point == '\r') {
      shown += keeps_lines ? character.front() : ' ';
    } else if (!Acts(code_point)) {
      shown += character;
    } else if (code_point < 0x10000) {
      AppendEscape(shown, code_point);
    } else {
      AppendEscape(shown, 0xD800 + ((code_point - 0x10000) >> 10));
      AppendEscape(shown, 0xDC00 + ((code_point - 0x10000) & 0x3FFU));
    }
    text.remove_prefix(character.size());
  }
  return shown;
}

}  // namespace

size_t Utf8CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const auto continues = [&byte](size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  const unsigned second = byte(1);
  if (lead < 0x80U) {
    return text.empty() ? 0 : 1;
  }
  if (lead >= 0xC2U && lead <= 0xDFU && continues(1)) {
    return 2;
  }
  // The bounds on the second byte exclude overlong forms, surrogates and what is past U+10FFFF.
  if (lead >= 0xE0U && lead <= 0xEFU && continues(1) && continues(2) &&
      (lead != 0xE0U || second >= 0xA0U) && (lead != 0xEDU || second <= 0x9FU)) {
    return 3;
  }
  if (lead >= 0xF0U && lead <= 0xF4U && continues(1) && continues(2) && continues(3) &&
      (lead != 0xF0U || second >= 0x90U) && (lead != 0xF4U || second <= 0x8FU)) {
    return 4;
  }
  return 0;
}

size_t ValidUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (const size_t bytes = Utf8CharacterBytes(text.substr(at))) {
    at += bytes;
  }
  return at;
}

std::string ToUtf8(std::string_view bytes, size_t max_bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t valid = Utf8CharacterBytes(bytes);
    const std::string_view next = valid == 0 ? kReplacement : bytes.substr(0, valid);
    if (text.size() + next.size() > max_bytes) {
      break;
    }
    text += next;
    bytes.remove_prefix(valid == 0 ? 1 : valid);
  }
  return text;
}

std::string ShowText(std::string_view text) {
  return Show(text, /*keeps_lines=*/false);
}

std::string ShowLines(std::string_view text) {
  return Show(text, /*keeps_lines=*/true);
}

void AppendUtf8(std::string& text, uint32_t code_point) {
  const auto append = [&text](uint32_t byte) { text += static_cast<char>(byte); };
  if (code_point < 0x80) {
    append(code_point);
  } else if (code_point < 0x800) {
    append(0xC0 | (code_point >> 6));
    append(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    append(0xE0 | (code_point >> 12));
    append(0x80 | ((code_point >> 6) & 0x3F));
    append(0x80 | (code_point & 0x3F));
  } else {
    append(0xF0 | (code_point >> 18));
    append(0x80 | ((code_point >> 12) & 0x3F));
    append(0x80 | ((code_point >> 6) & 0x3F));
    append(0x80 | (code_point & 0x3F));
  }
}

}  // namespace entente
