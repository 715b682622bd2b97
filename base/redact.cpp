#include "base/redact.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/utf8.h"

namespace entente {
namespace {

// One character of a JSON string as it is written: its bytes, and how many of `text` spell it. None
// for what is no escape.
struct Spelled {
  std::string bytes;
  size_t size = 0;
};

// The four digits behind "\u".
std::optional<uint32_t> UnitAt(std::string_view text) {
  constexpr size_t kDigits = 4;
  if (text.size() < 2 + kDigits || !text.starts_with("\\u")) {
    return std::nullopt;
  }
  uint32_t unit = 0;
  const char* const end = text.data() + 2 + kDigits;
  const auto [stop, error] = std::from_chars(text.data() + 2, end, unit, 16);
  return error == std::errc() && stop == end ? std::optional(unit) : std::nullopt;
}

bool IsHighSurrogate(uint32_t unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
bool IsLowSurrogate(uint32_t unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

std::optional<Spelled> EscapeAt(std::string_view text) {
  constexpr size_t kUnitBytes = 6;
  if (text.size() >= 2 && (text[1] == '"' || text[1] == '\\' || text[1] == '/')) {
    return Spelled{std::string(1, text[1]), 2};
  }
  constexpr std::string_view kLetters = "bfnrt";
  constexpr std::string_view kMeant = "\b\f\n\r\t";
  if (const size_t at = text.size() >= 2 ? kLetters.find(text[1]) : std::string_view::npos;
      at != std::string_view::npos) {
    return Spelled{std::string(1, kMeant[at]), 2};
  }
  const auto unit = UnitAt(text);
  if (!unit || IsLowSurrogate(*unit)) {
    return std::nullopt;
  }
  Spelled spelled{{}, kUnitBytes};
  if (!IsHighSurrogate(*unit)) {
    AppendUtf8(spelled.bytes, *unit);
    return spelled;
  }
  const auto low = UnitAt(text.substr(kUnitBytes));
  if (!low || !IsLowSurrogate(*low)) {
    return std::nullopt;
  }
  AppendUtf8(spelled.bytes, 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
  spelled.size = 2 * kUnitBytes;
  return spelled;
}

// How many bytes at the beginning of `text` spell `value`, as it is or within a JSON string; 0: it
// does not stand there.
size_t SpellingOf(std::string_view value, std::string_view text) {
  if (text.starts_with(value)) {
    return value.size();
  }
  size_t used = 0;
  while (!value.empty()) {
    const std::string_view rest = text.substr(used);
    if (rest.empty()) {
      return 0;
    }
    if (rest.front() != '\\') {
      if (rest.front() != value.front()) {
        return 0;
      }
      value.remove_prefix(1);
      ++used;
      continue;
    }
    const auto escape = EscapeAt(rest);
    if (!escape || !value.starts_with(escape->bytes)) {
      return 0;
    }
    value.remove_prefix(escape->bytes.size());
    used += escape->size;
  }
  return used;
}

// The longest spelling of any: of two secrets of which one begins with the other, no end may stay.
size_t LongestSpelling(const std::vector<std::string>& values, std::string_view text) {
  size_t longest = 0;
  for (const std::string& value : values) {
    longest = std::max(longest, SpellingOf(value, text));
  }
  return longest;
}

}  // namespace

void Redact(const std::vector<std::string>& values, std::string_view shown_instead,
            std::string& text) {
  if (values.empty()) {
    return;
  }
  std::string shown;
  size_t copied = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t secret = LongestSpelling(values, std::string_view(text).substr(at));
    if (secret == 0) {
      ++at;
      continue;
    }
    shown.append(text, copied, at - copied).append(shown_instead);
    at += secret;
    copied = at;
  }
  if (copied != 0) {
    text = shown.append(text, copied);
  }
}

void Redact(const std::vector<std::string>& values, std::string_view shown_instead,
            Json& document) {
  if (values.empty()) {
    return;
  }
  if (auto* text = document.get_ptr<std::string*>()) {
    Redact(values, shown_instead, *text);
  } else if (document.is_object()) {
    Json shown = Json::object();
    for (auto& [name, value] : document.items()) {
      std::string key = name;
      Redact(values, shown_instead, key);
      Redact(values, shown_instead, value);
      shown[key] = std::move(value);
    }
    document = std::move(shown);
  } else if (document.is_array()) {
    for (Json& value : document) {
      Redact(values, shown_instead, value);
    }
  }
}

}  // namespace entente
