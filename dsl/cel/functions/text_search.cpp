#include "dsl/cel/functions/text_search.h"

#include <algorithm>

namespace entente::dsl::cel {
namespace {

constexpr size_t kShortNeedle = 16;

}  // namespace

TextSearch::TextSearch(std::string_view needle) : needle_(needle) {
  if (needle.size() <= kShortNeedle) {
    return;
  }
  borders_.resize(needle.size() + 1);
  size_t matched = 0;
  for (size_t i = 1; i < needle.size(); ++i) {
    matched = Advance(matched, needle[i]);
    borders_[i + 1] = static_cast<uint32_t>(matched);
  }
}

size_t TextSearch::Advance(size_t matched, char c) const {
  if (matched == needle_.size()) {
    matched = borders_[matched];
  }
  while (matched > 0 && needle_[matched] != c) {
    matched = borders_[matched];
  }
  return needle_[matched] == c ? matched + 1 : 0;
}

size_t TextSearch::Find(std::string_view text, size_t from) const {
  if (IsShort()) {
    return text.find(needle_, from);
  }
  size_t matched = 0;
  for (size_t i = from; i < text.size(); ++i) {
    matched = Advance(matched, text[i]);
    if (matched == needle_.size()) {
      return i + 1 - needle_.size();
    }
  }
  return std::string_view::npos;
}

size_t TextSearch::FindLast(std::string_view text, size_t last) const {
  if (IsShort()) {
    return text.rfind(needle_, last);
  }
  size_t found = std::string_view::npos;
  size_t matched = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    matched = Advance(matched, text[i]);
    if (matched == needle_.size() && i + 1 - needle_.size() <= last) {
      found = i + 1 - needle_.size();
    }
  }
  return found;
}

}  // namespace entente::dsl::cel
