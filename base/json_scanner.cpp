#include "base/json_scanner.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base/json_number.h"
#include "base/utf8.h"

namespace entente {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Bytes that stand for themselves in a string: ASCII except quote, backslash and controls.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < 0x80; ++c) {
    plain[c] = c != '"' && c != '\\';
  }
  return plain;
}();

bool IsPlain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

}  // namespace

bool JsonScanner::Scan(size_t max_depth, Json& root) {
  max_depth_ = std::min(max_depth, kMaxOpen);
  Json* slot = &root;
  while (slot != nullptr) {
    SkipSpace();
    if (at_ == end_) {
      return false;
    }
    bool complete = true;
    const bool read = *at_ == '{' || *at_ == '[' ? Open(slot, complete) : Value(*slot);
    if (!read || (complete && !Next(slot))) {
      return false;
    }
  }
  SkipSpace();
  return at_ == end_;
}

bool JsonScanner::Open(Json*& slot, bool& complete) {
  if (depth_ == max_depth_) {
    return false;
  }
  const bool is_object = *at_ == '{';
  ++at_;
  *slot = Json(is_object ? Json::value_t::object : Json::value_t::array);
  SkipSpace();
  complete = Take(is_object ? '}' : ']');
  if (complete) {
    return true;
  }
  open_[depth_++] = slot;
  slot = is_object ? Member(*slot) : Element(*slot);
  return slot != nullptr;
}

bool JsonScanner::Next(Json*& slot) {
  while (depth_ > 0) {
    Json& container = *open_[depth_ - 1];
    SkipSpace();
    if (Take(',')) {
      SkipSpace();
      slot = container.is_object() ? Member(container) : Element(container);
      return slot != nullptr;
    }
    if (!Take(container.is_object() ? '}' : ']')) {
      return false;
    }
    --depth_;
  }
  slot = nullptr;
  return true;
}

Json* JsonScanner::Member(Json& object) {
  std::string key;
  if (at_ == end_ || *at_ != '"' || !String(key)) {
    return nullptr;
  }
  SkipSpace();
  if (!Take(':')) {
    return nullptr;
  }
  auto& members = object.get_ref<Json::object_t&>();
  const size_t count = members.size();
  // Documents that we wrote have their keys in order; for others the hint costs nothing.
  const auto member = members.try_emplace(members.end(), std::move(key), nullptr);
  return members.size() == count ? nullptr : &member->second;
}

Json* JsonScanner::Element(Json& array) {
  return &array.get_ref<Json::array_t&>().emplace_back(nullptr);
}

bool JsonScanner::Value(Json& slot) {
  switch (*at_) {
    case '"': {
      std::string text;
      if (!String(text)) {
        return false;
      }
      slot = std::move(text);
      return true;
    }
    case 't': slot = true; return TakeWord("true");
    case 'f': slot = false; return TakeWord("false");
    case 'n': return TakeWord("null");
    default: return Number(slot);
  }
}

bool JsonScanner::String(std::string& text) {
  ++at_;
  for (;;) {
    const char* const begin = at_;
    while (at_ != end_ && IsPlain(*at_)) {
      ++at_;
    }
    text.append(begin, at_);
    if (at_ == end_) {
      return false;
    }
    if (Take('"')) {
      return true;
    }
    if (*at_ == '\\') {
      if (!Escape(text)) {
        return false;
      }
      continue;
    }
    const size_t bytes = Utf8CharacterBytes({at_, static_cast<size_t>(end_ - at_)});
    if (bytes < 2) {  // Ill-formed, or a control character.
      return false;
    }
    text.append(at_, bytes);
    at_ += bytes;
  }
}

bool JsonScanner::Escape(std::string& text) {
  if (end_ - at_ < 2) {
    return false;
  }
  const char escaped = at_[1];
  at_ += 2;
  switch (escaped) {
    case '"':
    case '\\':
    case '/': text += escaped; return true;
    case 'b': text += '\b'; return true;
    case 'f': text += '\f'; return true;
    case 'n': text += '\n'; return true;
    case 'r': text += '\r'; return true;
    case 't': text += '\t'; return true;
    case 'u': break;
    default: return false;
  }
  uint32_t high = 0;
  if (!HexQuad(high) || (high >= 0xDC00 && high <= 0xDFFF)) {
    return false;
  }
  if (high < 0xD800 || high > 0xDBFF) {
    AppendUtf8(text, high);
    return true;
  }
  uint32_t low = 0;
  if (!TakeWord("\\u") || !HexQuad(low) || low < 0xDC00 || low > 0xDFFF) {
    return false;
  }
  AppendUtf8(text, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
  return true;
}

bool JsonScanner::HexQuad(uint32_t& value) {
  if (end_ - at_ < 4) {
    return false;
  }
  const auto result = std::from_chars(at_, at_ + 4, value, 16);
  const bool whole = result.ec == std::errc() && result.ptr == at_ + 4;
  at_ += 4;
  return whole;
}

bool JsonScanner::Number(Json& slot) {
  // Any number of so many digits fits in 64 bits.
  static constexpr ptrdiff_t kMaxDigits = 18;
  const char* const begin = at_;
  const bool negative = Take('-');
  const char* const digits = at_;
  uint64_t magnitude = 0;
  while (at_ != end_ && IsDigit(*at_)) {
    magnitude = magnitude * 10 + static_cast<uint64_t>(*at_ - '0');
    ++at_;
  }
  if (at_ == digits || (*digits == '0' && at_ - digits > 1)) {
    return false;
  }
  if (at_ != end_ && (*at_ == '.' || *at_ == 'e' || *at_ == 'E')) {
    return Fraction(begin, slot);
  }
  if (at_ - digits > kMaxDigits) {
    return numbers_ == Numbers::kExact && LongInteger(begin, slot);
  }
  if (negative && magnitude == 0 && numbers_ == Numbers::kExact) {
    slot = MakeNumberText({begin, at_});  // No integer of ours has that sign.
    return true;
  }
  if (negative) {
    slot = -static_cast<int64_t>(magnitude);
  } else {
    slot = magnitude;
  }
  return true;
}

bool JsonScanner::LongInteger(const char* begin, Json& slot) {
  const std::string_view text(begin, at_);
  slot = ExactNumber(text).value_or(Json());
  if (slot.is_null()) {
    slot = MakeNumberText(text);
  }
  return true;
}

bool JsonScanner::Fraction(const char* begin, Json& slot) {
  const auto take_digits = [this] {
    const char* const first = at_;
    while (at_ != end_ && IsDigit(*at_)) {
      ++at_;
    }
    return at_ != first;
  };
  if (Take('.') && !take_digits()) {
    return false;
  }
  if (Take('e') || Take('E')) {
    if (!Take('-')) {
      Take('+');
    }
    if (!take_digits()) {
      return false;
    }
  }
  if (numbers_ == Numbers::kExact) {
    slot = MakeNumberText({begin, at_});
    return true;
  }
  double number = 0;
  const auto result = std::from_chars(begin, at_, number);
  if (result.ec != std::errc() || result.ptr != at_) {
    return false;
  }
  slot = number;
  return true;
}

void JsonScanner::SkipSpace() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) {
    ++at_;
  }
}

bool JsonScanner::Take(char c) {
  if (at_ == end_ || *at_ != c) {
    return false;
  }
  ++at_;
  return true;
}

bool JsonScanner::TakeWord(std::string_view word) {
  if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(word)) {
    return false;
  }
  at_ += word.size();
  return true;
}

}  // namespace entente
