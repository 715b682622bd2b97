#include "net/core/http_headers.h"

#include <algorithm>
#include <array>
#include <istream>  // Beast 1.74 needs it and does not include it.

#include <boost/beast/http/status.hpp>

#include "net/core/call_error.h"

namespace entente::net {
namespace {

char LowerCase(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// What each byte may be part of.
struct CharacterTable {
  std::array<bool, 256> token{};  // RFC 9110, 5.6.2: tchar.
  std::array<bool, 256> value{};  // Visible characters, blanks, tabs and bytes past ASCII.

  constexpr CharacterTable() {
    for (size_t c = 0; c < 256; ++c) {
      token[c] = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      value[c] = c == '\t' || (c >= 0x20 && c != 0x7f);
    }
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
      token[static_cast<unsigned char>(c)] = true;
    }
  }
};
constexpr CharacterTable kCharacters;

// Looks at all of it: what is not allowed is too rare for an earlier end to pay.
bool AllIn(const std::array<bool, 256>& allowed, std::string_view text) {
  bool all = true;
  for (const char c : text) {
    all &= allowed[static_cast<unsigned char>(c)];
  }
  return all;
}

}  // namespace

HttpHeaders::HttpHeaders(
    std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) {
    Add(name, value);
  }
}

void HttpHeaders::Add(std::string_view name, std::string_view value) {
  if (entries_.capacity() == 0) {
    entries_.reserve(8);
    text_.reserve(256);
  }
  entries_.push_back(Entry{static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()),
                           static_cast<uint32_t>(value.size())});
  text_.append(name);
  text_.append(value);
}

std::string_view HttpHeaders::name(size_t index) const {
  const Entry& entry = entries_.at(index);
  return std::string_view(text_).substr(entry.name_begin, entry.name_size);
}

std::string_view HttpHeaders::value(size_t index) const {
  const Entry& entry = entries_.at(index);
  return std::string_view(text_).substr(entry.name_begin + entry.name_size, entry.value_size);
}

std::optional<std::string_view> HttpHeaders::Find(std::string_view wanted) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name_size == wanted.size() && EqualsIgnoringCase(name(i), wanted)) {
      return value(i);
    }
  }
  return std::nullopt;
}

void HttpHeaders::Clear() {
  text_.clear();
  entries_.clear();
}

std::optional<size_t> HttpHeaders::FirstInvalid() const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!IsHttpToken(name(i)) || !AllIn(kCharacters.value, value(i))) {
      return i;
    }
  }
  return std::nullopt;
}

void HttpHeaders::AppendTo(std::string& text) const {
  for (size_t i = 0; i < entries_.size(); ++i) {
    text.append(name(i));
    text.append(": ");
    text.append(value(i));
    text.append("\r\n");
  }
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return LowerCase(x) == LowerCase(y);
         });
}

bool IsHttpToken(std::string_view text) {
  return !text.empty() && AllIn(kCharacters.token, text);
}

std::string_view HttpReasonPhrase(int status) {
  if (status == 422) {  // RFC 9110 made this WebDAV code a general one; the library predates it.
    return "Unprocessable Content";
  }
  const auto known = boost::beast::http::int_to_status(static_cast<unsigned>(status));
  const auto phrase = boost::beast::http::obsolete_reason(known);
  return known == boost::beast::http::status::unknown
             ? std::string_view("Unknown")
             : std::string_view(phrase.data(), phrase.size());
}

}  // namespace entente::net
