#include "dsl/schema/pattern.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

#include "dsl/schema/ascii.h"

namespace entente::dsl::schema_internal {
namespace {

// WhiteSpace and LineTerminator of ECMA-262, and all else; as ranges within a class.
constexpr std::string_view kSpace =
    "\\t-\\r "
    "\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}";
constexpr std::string_view kNotSpace =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"
    "\\x{ff00}-\\x{10ffff}";
constexpr std::string_view kAnyButLineEnd = "[^\\n\\r\\x{2028}\\x{2029}]";
constexpr std::string_view kAny = "[\\x{0}-\\x{10ffff}]";
constexpr std::string_view kNone = "[^\\x{0}-\\x{10ffff}]";

// Unicode's long names of the categories, which RE2 knows by their short ones only.
constexpr std::array<std::pair<std::string_view, std::string_view>, 35> kCategories = {{
    {"Close_Punctuation", "Pe"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Uppercase_Letter", "Lu"},
}};

std::optional<uint32_t> Hex(std::string_view digits) {
  uint32_t value = 0;
  if (digits.empty() || digits.size() > 6) {
    return std::nullopt;
  }
  for (const char c : digits) {
    const char lower = static_cast<char>(c | 0x20);
    if (!IsDigit(c) && !(lower >= 'a' && lower <= 'f')) {
      return std::nullopt;
    }
    value = value * 16 + static_cast<uint32_t>(IsDigit(c) ? c - '0' : lower - 'a' + 10);
  }
  return value;
}

struct CodePoint {
  uint32_t value;
  size_t length;  // Of the escape.
};

// "\u00e9", "\u{e9}", or two of the former that are a surrogate pair.
std::optional<CodePoint> UnicodeEscape(std::string_view text) {
  if (text.starts_with("\\u{")) {
    const size_t end = text.find('}');
    const auto value = end == std::string_view::npos ? std::nullopt : Hex(text.substr(3, end - 3));
    return value && *value <= 0x10FFFF ? std::optional(CodePoint{*value, end + 1}) : std::nullopt;
  }
  const auto high =
      text.starts_with("\\u") && text.size() >= 6 ? Hex(text.substr(2, 4)) : std::nullopt;
  if (!high) {
    return std::nullopt;
  }
  if (*high >= 0xD800 && *high < 0xDC00 && text.size() >= 12 && text.substr(6, 2) == "\\u") {
    if (const auto low = Hex(text.substr(8, 4)); low && *low >= 0xDC00 && *low < 0xE000) {
      return CodePoint{0x10000 + ((*high - 0xD800) << 10U) + (*low - 0xDC00), 12};
    }
  }
  return CodePoint{*high, 6};
}

std::string AsRe2(uint32_t code_point) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%x}", code_point);
  return text.data();
}

// "\p{Letter}", "\P{Script=Greek}" as RE2 has them. `text` begins at the backslash; nothing if it
// is none of these.
std::optional<std::pair<std::string, size_t>> PropertyEscape(std::string_view text) {
  const size_t end = text.find('}');
  if (text.size() < 4 || text[2] != '{' || end == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view name = text.substr(3, end - 3);
  for (const std::string_view prefix :
       {"Script=", "sc=", "Script_Extensions=", "scx=", "General_Category=", "gc="}) {
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  }
  const auto* const category =
      std::find_if(kCategories.begin(), kCategories.end(),
                   [name](const auto& each) { return each.first == name; });
  if (category != kCategories.end()) {
    name = category->second;
  }
  return std::pair(std::string(text.substr(0, 2)) + "{" + std::string(name) + "}", end + 1);
}

// Whether a group of the pattern switches flags, which only RE2 knows: then `.` is left to it.
bool HasFlags(std::string_view pattern) {
  for (size_t at = pattern.find("(?"); at != std::string_view::npos;
       at = pattern.find("(?", at + 1)) {
    if (at + 2 < pattern.size() && (IsLetter(pattern[at + 2]) || pattern[at + 2] == '-') &&
        pattern[at + 2] != 'P') {
      return true;
    }
  }
  return false;
}

class Translator {
 public:
  explicit Translator(std::string_view pattern)
      : pattern_(pattern), keep_dots_(HasFlags(pattern)) {}

  std::string Run() {
    while (at_ < pattern_.size()) {
      Step();
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string_view rest() const { return pattern_.substr(at_); }

  void Put(std::string_view text, size_t taken) {
    out_.append(text);
    at_ += taken;
  }

  void Step() {
    const char c = pattern_[at_];
    if (c == '\\') {
      Escape();
    } else if (in_class_) {
      InClass();
    } else if (rest().starts_with("[^]")) {
      Put(kAny, 3);
    } else if (rest().starts_with("[]")) {
      Put(kNone, 2);
    } else if (c == '[') {
      in_class_ = true;
      Put("[", 1);
    } else if (c == '.' && !keep_dots_) {
      Put(kAnyButLineEnd, 1);
    } else if (rest().starts_with("(?<") && !rest().starts_with("(?<=") &&
               !rest().starts_with("(?<!")) {
      Put("(?P<", 3);
    } else {
      Put(rest().substr(0, 1), 1);
    }
  }

  void InClass() {
    const size_t end = rest().starts_with("[:") ? rest().find(":]") : std::string_view::npos;
    if (end != std::string_view::npos) {  // RE2's `[[:alpha:]]`.
      Put(rest().substr(0, end + 2), end + 2);
      return;
    }
    in_class_ = rest().front() != ']';
    Put(rest().substr(0, 1), 1);
  }

  void Escape() {
    const char c = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
    if (c == 's' || c == 'S') {
      const std::string ranges(c == 's' ? kSpace : kNotSpace);
      Put(in_class_ ? ranges : "[" + ranges + "]", 2);
    } else if (const auto code_point = UnicodeEscape(rest())) {
      Put(AsRe2(code_point->value), code_point->length);
    } else if (c == 'c' && at_ + 2 < pattern_.size() && IsLetter(pattern_[at_ + 2])) {
      Put(AsRe2(static_cast<uint32_t>(pattern_[at_ + 2]) % 32), 3);
    } else if (c == '0' && !(at_ + 2 < pattern_.size() && IsDigit(pattern_[at_ + 2]))) {
      Put(AsRe2(0), 2);
    } else if (c == 'b' && in_class_) {
      Put(AsRe2(8), 2);
    } else if (const auto property = c == 'p' || c == 'P' ? PropertyEscape(rest()) : std::nullopt) {
      Put(property->first, property->second);
    } else if (c == 'Q' && !in_class_) {  // RE2's: all up to \E is meant as it stands.
      const size_t end = rest().find("\\E");
      const size_t length = end == std::string_view::npos ? rest().size() : end + 2;
      Put(rest().substr(0, length), length);
    } else {
      Put(rest().substr(0, 2), std::min<size_t>(2, rest().size()));
    }
  }

  const std::string_view pattern_;
  const bool keep_dots_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

// Reads a pattern by the grammar of ECMA-262, 22.2.1. Groups are counted, not descended into.
class Checker {
 public:
  explicit Checker(std::string_view pattern) : rest_(pattern) {}

  bool Run() {
    while (!rest_.empty()) {
      if (!Term()) {
        return false;
      }
    }
    return open_groups_ == 0;
  }

 private:
  bool Take(std::string_view text) {
    if (!rest_.starts_with(text)) {
      return false;
    }
    rest_.remove_prefix(text.size());
    return true;
  }

  bool Term() {
    if (Take("|") || Take("^") || Take("$")) {
      quantifiable_ = false;
      return true;
    }
    if (Take("(")) {
      quantifiable_ = false;
      ++open_groups_;
      return Group();
    }
    if (Take(")")) {
      quantifiable_ = true;
      return open_groups_-- > 0;
    }
    if (rest_.front() == '*' || rest_.front() == '+' || rest_.front() == '?' || Braces()) {
      return Quantifier();
    }
    quantifiable_ = true;
    if (Take("[")) {
      return Class();
    }
    if (rest_.front() == '\\') {
      quantifiable_ = !rest_.starts_with("\\b") && !rest_.starts_with("\\B");
      return Escape(false);
    }
    rest_.remove_prefix(1);
    return true;
  }

  bool Group() {
    if (!Take("?")) {
      return true;
    }
    if (Take(":") || Take("=") || Take("!") || Take("<=") || Take("<!")) {
      return true;
    }
    return Take("<") && Name();
  }

  // "name>"
  bool Name() {
    const size_t end = rest_.find('>');
    if (end == std::string_view::npos || end == 0 || IsDigit(rest_.front())) {
      return false;
    }
    const std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return std::all_of(name.begin(), name.end(), [](char c) {
      return IsLetter(c) || IsDigit(c) || c == '_' || c == '$' ||
             static_cast<unsigned char>(c) >= 0x80;
    });
  }

  // Whether "{2}", "{2,}" or "{2,3}" follows.
  [[nodiscard]] bool Braces() const {
    const size_t end = rest_.find('}');
    if (rest_.front() != '{' || end == std::string_view::npos || end < 2 || !IsDigit(rest_[1])) {
      return false;
    }
    const std::string_view inside = rest_.substr(1, end - 1);
    return inside.find_first_not_of("0123456789,") == std::string_view::npos &&
           std::count(inside.begin(), inside.end(), ',') <= 1;
  }

  bool Quantifier() {
    if (!std::exchange(quantifiable_, false)) {
      return false;
    }
    const bool braces = rest_.front() == '{';
    const std::string_view text = rest_.substr(0, braces ? rest_.find('}') + 1 : 1);
    rest_.remove_prefix(text.size());
    Take("?");
    return !braces || InOrder(text.substr(1, text.size() - 2));
  }

  // "2", "2,", "2,3"; of any length.
  static bool InOrder(std::string_view bounds) {
    const size_t comma = bounds.find(',');
    if (comma == std::string_view::npos || comma + 1 == bounds.size()) {
      return true;
    }
    const auto trimmed = [](std::string_view number) {
      number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
      return number;
    };
    const std::string_view low = trimmed(bounds.substr(0, comma));
    const std::string_view high = trimmed(bounds.substr(comma + 1));
    return low.size() != high.size() ? low.size() < high.size() : low <= high;
  }

  bool Class() {
    Take("^");
    while (!rest_.empty()) {
      if (Take("]")) {
        return true;
      }
      if (rest_.front() != '\\') {
        rest_.remove_prefix(1);
      } else if (!Escape(true)) {
        return false;
      }
    }
    return false;
  }

  bool Escape(bool in_class) {
    if (rest_.size() < 2) {
      return false;
    }
    const char c = rest_[1];
    if (c == 'u') {
      const auto code_point = UnicodeEscape(rest_);
      rest_.remove_prefix(code_point ? code_point->length : 0);
      return code_point.has_value();
    }
    if (c == 'x') {
      const bool good = rest_.size() >= 4 && Hex(rest_.substr(2, 2));
      rest_.remove_prefix(good ? 4 : 0);
      return good;
    }
    if (c == 'c') {
      const bool good = rest_.size() >= 3 && IsLetter(rest_[2]);
      rest_.remove_prefix(good ? 3 : 0);
      return good;
    }
    if (c == 'p' || c == 'P') {
      const auto property = PropertyEscape(rest_);
      rest_.remove_prefix(property ? property->second : 0);
      return property.has_value();
    }
    rest_.remove_prefix(2);
    if (c == 'k' && !in_class) {
      return Take("<") && Name();
    }
    return !IsLetter(c) || std::string_view("dDwWsSbBfnrtv").find(c) != std::string_view::npos;
  }

  std::string_view rest_;
  size_t open_groups_ = 0;
  bool quantifiable_ = false;
};

}  // namespace

std::string ToRe2(std::string_view pattern) {
  return Translator(pattern).Run();
}

bool IsPattern(std::string_view text) {
  return Checker(text).Run();
}

}  // namespace entente::dsl::schema_internal
