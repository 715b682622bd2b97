#include "dsl/source_map.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "base/utf8.h"

namespace entente::dsl {
namespace {

constexpr std::string_view kDelimiters = " \t\r\n,:{}[]\"";

uint32_t HexUnit(std::string_view digits) {
  uint32_t unit = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  return unit;
}

// Appends what the one byte or escape at `at` of a valid string means; returns what follows it.
size_t DecodeOne(std::string_view text, size_t at, std::string* out) {
  if (text[at] != '\\') {
    out->push_back(text[at]);
    return at + 1;
  }
  switch (text[at + 1]) {
    case 'b': out->push_back('\b'); return at + 2;
    case 'f': out->push_back('\f'); return at + 2;
    case 'n': out->push_back('\n'); return at + 2;
    case 'r': out->push_back('\r'); return at + 2;
    case 't': out->push_back('\t'); return at + 2;
    case 'u': break;
    default: out->push_back(text[at + 1]); return at + 2;
  }
  const uint32_t unit = HexUnit(text.substr(at + 2, 4));
  if (unit < 0xD800 || unit > 0xDBFF) {
    AppendUtf8(*out, unit);
    return at + 6;
  }
  const uint32_t low = HexUnit(text.substr(at + 8, 4));
  AppendUtf8(*out, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
  return at + 12;
}

bool KeyEquals(std::string_view text, size_t quote, const std::string& name) {
  const std::string_view raw = text.substr(quote + 1, name.size() + 1);
  if (raw.find('\\') == std::string_view::npos && name.find('"') == std::string::npos) {
    return raw.size() > name.size() && raw.back() == '"' && raw.starts_with(name);
  }
  std::string decoded;
  size_t at = quote + 1;
  while (text[at] != '"') {
    const size_t before = decoded.size();
    at = DecodeOne(text, at, &decoded);
    if (name.compare(before, decoded.size() - before, decoded, before) != 0) {
      return false;
    }
  }
  return decoded.size() == name.size();
}

std::string Unescape(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      ++i;
      out += token[i] == '1' ? '/' : '~';
    } else {
      out += token[i];
    }
  }
  return out;
}

}  // namespace

SourceMap::SourceMap(std::string_view text) : text_(text) {
  ENTENTE_CHECK(text.size() < UINT32_MAX);
  std::vector<uint32_t> open;
  uint32_t key = kNoKey;
  const auto add = [&](size_t at) {
    const auto index = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({static_cast<uint32_t>(at), key, index + 1});
    key = kNoKey;
    return index;
  };
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '{' || c == '[') {
      open.push_back(add(at++));
    } else if (c == '}' || c == ']') {
      nodes_[open.back()].end = static_cast<uint32_t>(nodes_.size());
      open.pop_back();
      ++at;
    } else if (c == '"') {
      const bool in_object = !open.empty() && text[nodes_[open.back()].value] == '{';
      if (in_object && key == kNoKey) {
        key = static_cast<uint32_t>(at);
      } else {
        add(at);
      }
      at = SkipString(at);
    } else if (kDelimiters.find(c) != std::string_view::npos) {
      ++at;
    } else {
      add(at);
      at = std::min(text.find_first_of(kDelimiters, at), text.size());
    }
  }
  ENTENTE_CHECK(!nodes_.empty());
}

size_t SourceMap::SkipString(size_t quote) const {
  size_t at = quote + 1;
  while (text_[at] != '"') {
    at += text_[at] == '\\' ? 2 : 1;
  }
  return at + 1;
}

bool SourceMap::FindChild(size_t parent, const std::string& token, size_t* child) const {
  const bool is_object = text_[nodes_[parent].value] == '{';
  size_t wanted = 0;
  if (!is_object) {
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), wanted);
    if (error != std::errc() || end != token.data() + token.size()) {
      return false;
    }
  }
  size_t position = 0;
  for (size_t i = parent + 1; i < nodes_[parent].end; i = nodes_[i].end, ++position) {
    if (is_object ? KeyEquals(text_, nodes_[i].key, token) : position == wanted) {
      *child = i;
      return true;
    }
  }
  return false;
}

size_t SourceMap::FindNode(std::string_view pointer, bool* exact) const {
  size_t node = 0;
  *exact = true;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t slash = std::min(pointer.find('/'), pointer.size());
    if (!FindChild(node, Unescape(pointer.substr(0, slash)), &node)) {
      *exact = false;
      return node;
    }
    pointer.remove_prefix(slash);
  }
  return node;
}

Position SourceMap::OfValue(std::string_view pointer) const {
  bool exact = false;
  return At(nodes_[FindNode(pointer, &exact)].value);
}

Position SourceMap::OfKey(std::string_view pointer) const {
  bool exact = false;
  const Node& node = nodes_[FindNode(pointer, &exact)];
  return At(exact && node.key != kNoKey ? node.key : node.value);
}

Position SourceMap::InString(std::string_view pointer, size_t offset) const {
  bool exact = false;
  size_t at = nodes_[FindNode(pointer, &exact)].value;
  if (!exact || text_[at] != '"') {
    return At(at);
  }
  std::string decoded;
  ++at;
  while (text_[at] != '"') {
    const size_t next = DecodeOne(text_, at, &decoded);
    if (decoded.size() > offset) {
      break;
    }
    at = next;
  }
  return At(at);
}

Position SourceMap::At(size_t offset) const {
  const std::string_view before = text_.substr(0, offset);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const size_t line_break = before.rfind('\n');
  const std::string_view in_line =
      line_break == std::string_view::npos ? before : before.substr(line_break + 1);
  const auto columns = std::count_if(in_line.begin(), in_line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  });
  return {static_cast<size_t>(lines) + 1, static_cast<size_t>(columns) + 1};
}

}  // namespace entente::dsl
