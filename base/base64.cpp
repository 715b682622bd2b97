#include "base/base64.h"

#include <cstdint>
#include <utility>

namespace entente {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

}  // namespace

std::string EncodeBase64(std::string_view octets) {
  std::string text;
  text.reserve((octets.size() + 2) / 3 * 4);
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group =
          (group << 8) | (i + j < octets.size() ? static_cast<unsigned char>(octets[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= octets.size() ? kAlphabet[(group >> (18 - 6 * j)) & 0x3F] : '=';
    }
  }
  return text;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.ends_with('=')) {
    if (text.size() % 4 != 0) {
      return std::nullopt;
    }
    text.remove_suffix(text.ends_with("==") ? 2 : 1);
  }
  if (text.size() % 4 == 1) {
    return std::nullopt;
  }
  std::string octets;
  uint32_t bits = 0;
  int bit_count = 0;
  for (const char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      octets.push_back(static_cast<char>((bits >> bit_count) & 0xFF));
    }
  }
  return octets;
}

std::string EncodeBase64Url(std::string_view octets) {
  std::string text((octets.size() * 4 + 2) / 3, '\0');
  for (size_t from = 0, to = 0; from < octets.size(); from += 3) {
    uint32_t group = 0;
    for (size_t i = from; i < from + 3; ++i) {
      group = (group << 8) | (i < octets.size() ? static_cast<unsigned char>(octets[i]) : 0);
    }
    for (int shift = 18; shift >= 0 && to < text.size(); shift -= 6) {
      text[to++] = kUrlAlphabet[(group >> shift) & 0x3F];
    }
  }
  return text;
}

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string octets;
  uint32_t window = 0;
  int bits = 0;
  for (const char c : text) {
    const size_t digit = kUrlAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    window = (window << 6) | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      octets.push_back(static_cast<char>((window >> bits) & 0xFF));
    }
  }
  // A digit too many, or bits that no byte needs: other text would stand for the same bytes.
  const bool canonical = bits < 6 && (window & ((1U << bits) - 1)) == 0;
  return canonical ? std::optional(std::move(octets)) : std::nullopt;
}

}  // namespace entente
