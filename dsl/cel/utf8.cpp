#include "dsl/cel/utf8.h"

#include <algorithm>

namespace entente::dsl::cel {
namespace {

constexpr bool IsContinuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

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
  if (lead < 0x80) {
    return lead;
  }
  // A lead byte has as many leading ones as the sequence has bytes, then a zero.
  uint32_t code_point = lead & (lead < 0xE0 ? 0x1Fu : lead < 0xF0 ? 0x0Fu : 0x07u);
  while (*position < text.size() && IsContinuation(text[*position])) {
    code_point = (code_point << 6) | (static_cast<unsigned char>(text[*position]) & 0x3Fu);
    ++*position;
  }
  return code_point;
}

}  // namespace entente::dsl::cel
