#include "dsl/cel/utf8.h"

#include <algorithm>

namespace entente::dsl::cel {
namespace {

constexpr bool IsContinuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

// The length a lead byte announces; 0 when it is not one.
constexpr size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return 2;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    return 4;
  }
  return 0;
}

// Whether the second byte keeps clear of overlong forms, surrogates and what is past U+10FFFF.
constexpr bool SecondByteFits(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0: return second >= 0xA0;
    case 0xED: return second <= 0x9F;
    case 0xF0: return second >= 0x90;
    case 0xF4: return second <= 0x8F;
    default: return true;
  }
}

}  // namespace

size_t FindInvalidUtf8(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    const auto lead = static_cast<unsigned char>(text[position]);
    const size_t length = SequenceLength(lead);
    if (length == 0 || position + length > text.size()) {
      return position;
    }
    for (size_t i = 1; i < length; ++i) {
      if (!IsContinuation(text[position + i])) {
        return position;
      }
    }
    if (length > 1 && !SecondByteFits(lead, static_cast<unsigned char>(text[position + 1]))) {
      return position;
    }
    position += length;
  }
  return std::string_view::npos;
}

size_t CountCodePoints(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !IsContinuation(byte); }));
}

size_t ByteOffset(std::string_view text, size_t index) {
  size_t position = 0;
  while (index > 0 && position < text.size()) {
    ++position;
    while (position < text.size() && IsContinuation(text[position])) {
      ++position;
    }
    --index;
  }
  return position;
}

size_t Utf8Boundary(std::string_view text, size_t limit) {
  if (limit >= text.size()) {
    return text.size();
  }
  while (limit > 0 && IsContinuation(text[limit])) {
    --limit;
  }
  return limit;
}

uint32_t NextCodePoint(std::string_view text, size_t* position) {
  const auto lead = static_cast<unsigned char>(text[(*position)++]);
  const size_t length = SequenceLength(lead);
  if (length <= 1) {
    return lead;
  }
  uint32_t code_point = lead & (0x7Fu >> length);
  for (size_t i = 1; i < length && *position < text.size(); ++i) {
    code_point = (code_point << 6) | (static_cast<unsigned char>(text[(*position)++]) & 0x3Fu);
  }
  return code_point;
}

void AppendCodePoint(std::string& text, uint32_t code_point) {
  const auto append = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
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

}  // namespace entente::dsl::cel
