#include "net/signing/structured_fields.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/base64.h"

namespace entente::net {
namespace {

constexpr size_t kMaxDigits = 15;  // Of an integer (RFC 8941, 3.3.1).

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsAlpha(char c) {
  return IsLower(c) || (c >= 'A' && c <= 'Z');
}
bool IsKeyPart(char c) {
  return IsLower(c) || IsDigit(c) || c == '_' || c == '-' || c == '.' || c == '*';
}
bool IsTokenPart(char c) {
  return IsAlpha(c) || IsDigit(c) ||
         std::string_view("!#$%&'*+-.^_`|~:/").find(c) != std::string_view::npos;
}

// Reads from the front. Each Take returns nothing where the text is not what is wanted; the whole
// is malformed then, so where it stands does not matter any more.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool NextIs(char c) const { return !rest_.empty() && rest_.front() == c; }

  bool Take(char c) {
    if (!NextIs(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  size_t SkipSpaces(std::string_view which = " ") {
    const size_t spaces = std::min(rest_.find_first_not_of(which), rest_.size());
    rest_.remove_prefix(spaces);
    return spaces;
  }

  std::optional<std::string> TakeKey() {
    if (rest_.empty() || !(IsLower(rest_.front()) || rest_.front() == '*')) {
      return std::nullopt;
    }
    return TakeWhile(&IsKeyPart);
  }

  std::optional<FieldValue> TakeValue() {
    if (rest_.empty()) {
      return std::nullopt;
    }
    const char first = rest_.front();
    if (first == '"') {
      return TakeString();
    }
    if (first == ':') {
      return TakeBytes();
    }
    if (first == '?') {
      return TakeBoolean();
    }
    if (first == '-' || IsDigit(first)) {
      return TakeInteger();
    }
    if (first == '*' || IsAlpha(first)) {
      return FieldToken{TakeWhile(&IsTokenPart)};
    }
    return std::nullopt;
  }

  std::optional<FieldParameters> TakeParameters() {
    FieldParameters parameters;
    while (Take(';')) {
      SkipSpaces();
      auto key = TakeKey();
      auto value = key && Take('=') ? TakeValue() : std::optional<FieldValue>(true);
      const bool twice = key && std::any_of(parameters.begin(), parameters.end(),
                                            [&key](const auto& one) { return one.first == *key; });
      if (!key || !value || twice) {
        return std::nullopt;
      }
      parameters.emplace_back(std::move(*key), std::move(*value));
    }
    return parameters;
  }

  std::optional<FieldItem> TakeItem() {
    auto value = TakeValue();
    auto parameters = value ? TakeParameters() : std::nullopt;
    return parameters ? std::optional(FieldItem{std::move(*value), std::move(*parameters)})
                      : std::nullopt;
  }

  std::optional<FieldInnerList> TakeInnerList() {
    const std::string_view before = rest_;
    FieldInnerList list;
    if (!Take('(')) {
      return std::nullopt;
    }
    SkipSpaces();
    while (!Take(')')) {
      auto item = TakeItem();
      if (!item || (SkipSpaces() == 0 && !NextIs(')'))) {
        return std::nullopt;
      }
      list.items.push_back(std::move(*item));
    }
    auto parameters = TakeParameters();
    if (!parameters) {
      return std::nullopt;
    }
    list.parameters = std::move(*parameters);
    list.text = before.substr(0, before.size() - rest_.size());
    return list;
  }

 private:
  std::string TakeWhile(bool (*is_part)(char)) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_part);
    std::string taken(rest_.begin(), end);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::optional<FieldValue> TakeString() {
    std::string text;
    for (size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (c == '\\') {
        c = ++i < rest_.size() ? rest_[i] : '\0';
        if (c != '"' && c != '\\') {
          return std::nullopt;
        }
      }
      if (c < 0x20 || c >= 0x7f) {
        return std::nullopt;
      }
      text.push_back(c);
    }
    return std::nullopt;
  }

  std::optional<FieldValue> TakeBytes() {
    const size_t end = rest_.find(':', 1);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    const std::string_view encoded = rest_.substr(1, end - 1);
    auto bytes = DecodeBase64(encoded);
    // Another text for the same bytes is none.
    if (!bytes || EncodeBase64(*bytes) != encoded) {
      return std::nullopt;
    }
    rest_.remove_prefix(end + 1);
    return FieldBytes{std::move(*bytes)};
  }

  std::optional<FieldValue> TakeBoolean() {
    if (!rest_.starts_with("?0") && !rest_.starts_with("?1")) {
      return std::nullopt;
    }
    const bool value = rest_[1] == '1';
    rest_.remove_prefix(2);
    return value;
  }

  std::optional<FieldValue> TakeInteger() {
    const size_t sign = rest_.front() == '-' ? 1 : 0;
    const auto end =
        std::find_if_not(rest_.begin() + static_cast<std::ptrdiff_t>(sign), rest_.end(), &IsDigit);
    const auto size = static_cast<size_t>(end - rest_.begin());
    int64_t number = 0;
    if (size == sign || size - sign > kMaxDigits || (size < rest_.size() && rest_[size] == '.')) {
      return std::nullopt;
    }
    std::from_chars(rest_.data(), rest_.data() + size, number);
    rest_.remove_prefix(size);
    return number;
  }

  std::string_view rest_;
};

Status Malformed(std::string_view rest) {
  return InvalidArgument("field.malformed", "it is not as RFC 8941 writes it, at '" +
                                                std::string(rest.substr(0, 40)) + "'");
}

template <class Member, auto kTake>
Result<FieldDictionary<Member>> ParseDictionary(std::string_view text) {
  FieldDictionary<Member> dictionary;
  Reader reader(text);
  reader.SkipSpaces();
  while (true) {
    const std::string_view at = reader.rest();
    auto key = reader.TakeKey();
    auto member = key && reader.Take('=') ? (reader.*kTake)() : std::nullopt;
    const bool twice = key && std::any_of(dictionary.begin(), dictionary.end(),
                                          [&key](const auto& one) { return one.first == *key; });
    if (!member || twice) {
      return Malformed(at);
    }
    dictionary.emplace_back(std::move(*key), std::move(*member));
    reader.SkipSpaces(" \t");
    if (reader.AtEnd()) {
      return dictionary;
    }
    if (!reader.Take(',')) {
      return Malformed(reader.rest());
    }
    reader.SkipSpaces(" \t");
  }
}

}  // namespace

Result<FieldDictionary<FieldInnerList>> ParseInnerLists(std::string_view text) {
  return ParseDictionary<FieldInnerList, &Reader::TakeInnerList>(text);
}

Result<FieldDictionary<FieldItem>> ParseItems(std::string_view text) {
  return ParseDictionary<FieldItem, &Reader::TakeItem>(text);
}

std::string QuoteFieldString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
    }
    quoted.push_back(c);
  }
  return quoted + '"';
}

}  // namespace entente::net
