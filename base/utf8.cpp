#include "base/utf8.h"

namespace entente {

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
  static constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
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
