#include "coordinator/api/text.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/limits.h"
#include "base/utf8.h"

namespace entente::api {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

bool IsUtf8WithoutNul(std::string_view text) {
  return ValidUtf8Prefix(text) == text.size() && text.find('\0') == std::string_view::npos;
}

// Levenshtein's distance, with one row of memory.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::string LowerAscii(std::string_view text) {
  std::string lower;
  for (const char c : text) {
    if (c != '_' && c != '-') {
      lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return lower;
}

}  // namespace

std::string ShortText(std::string_view text) {
  return entente::ToUtf8(text, limits::kMaxErrorTextBytes);
}

std::string ToUtf8(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8CharacterBytes(text.substr(at));
    if (length == 0) {
      clean += "\xEF\xBF\xBD";
      ++at;
    } else {
      clean.append(text, at, length);
      at += length;
    }
  }
  return clean;
}

std::optional<std::string> PercentDecode(std::string_view text, bool in_query) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+' && in_query) {
      decoded += ' ';
    } else if (text[at] != '%') {
      decoded += text[at];
    } else {
      const int high = at + 2 < text.size() ? HexValue(text[at + 1]) : -1;
      const int low = at + 2 < text.size() ? HexValue(text[at + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      decoded += static_cast<char>(high * 16 + low);
      at += 2;
    }
  }
  if (!IsUtf8WithoutNul(decoded)) {
    return std::nullopt;
  }
  return decoded;
}

std::string SuggestName(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr size_t kLongestWord = 64;  // A distance costs the product of both lengths.
  if (word.size() > kLongestWord) {
    return "";
  }
  const std::string wanted = LowerAscii(word);
  std::string_view nearest;
  size_t least = wanted.size() / 3 + 2;
  for (const std::string_view candidate : candidates) {
    const size_t distance = EditDistance(wanted, LowerAscii(candidate));
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest.empty() ? "" : "did you mean '" + std::string(nearest) + "'?";
}

}  // namespace entente::api
