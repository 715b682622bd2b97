#include "dsl/cel/syntax/lexer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/utf8.h"
#include "dsl/cel/error.h"
#include "dsl/cel/utf8.h"

namespace entente::dsl::cel {
namespace {

constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool IsOctalDigit(char c) {
  return c >= '0' && c <= '7';
}
constexpr bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool IsNamePart(char c) {
  return IsNameStart(c) || IsDigit(c);
}

constexpr uint32_t HexValue(char c) {
  if (IsDigit(c)) {
    return static_cast<uint32_t>(c - '0');
  }
  return static_cast<uint32_t>((c | 0x20) - 'a' + 10);
}

// What a letter after a backslash stands for; 0 when it is no such letter.
constexpr char SimpleEscape(char c) {
  switch (c) {
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case '\\':
    case '?':
    case '"':
    case '\'':
    case '`': return c;
    default: return '\0';
  }
}

constexpr std::array<std::string_view, 17> kReservedWords = {
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

// Two characters before one, so that the longest match wins.
constexpr std::array<std::string_view, 24> kPunctuation = {
    "&&", "||", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}",
    ".",  ",",  ":",  "?",  "+",  "-",  "*", "/", "%", "!", "<", ">"};

}  // namespace

bool IsKeyword(const Token& token) {
  return token.IsName("true") || token.IsName("false") || token.IsName("null") ||
         token.IsName("in");
}

bool IsReservedWord(std::string_view name) {
  return std::find(kReservedWords.begin(), kReservedWords.end(), name) != kReservedWords.end();
}

std::optional<ParseError> Lexer::Next(Token* token) {
  SkipSpaceAndComments();
  *token = Token{TokenKind::kEnd, position_, position_, ""};
  std::optional<ParseError> error;
  const char c = At(0);
  if (position_ == text_.size()) {
    return std::nullopt;
  }
  if (const std::optional<StringPrefix> prefix = FindStringPrefix()) {
    error = ReadString(*prefix, token);
  } else if (IsNameStart(c)) {
    token->kind = TokenKind::kName;
    const size_t start = position_;
    while (IsNamePart(At(0))) {
      ++position_;
    }
    token->text = text_.substr(start, position_ - start);
  } else if (IsDigit(c) || (c == '.' && IsDigit(At(1)))) {
    error = ReadNumber(token);
  } else if (c == '`') {
    error = ReadEscapedName(token);
  } else {
    error = ReadPunctuation(token);
  }
  token->end = position_;
  return error;
}

void Lexer::SkipSpaceAndComments() {
  while (position_ < text_.size()) {
    const char c = At(0);
    if (c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r') {
      ++position_;
    } else if (c == '/' && At(1) == '/') {
      position_ = std::min(text_.find('\n', position_), text_.size());
    } else {
      return;
    }
  }
}

std::optional<Lexer::StringPrefix> Lexer::FindStringPrefix() const {
  StringPrefix prefix;
  if (At(0) == 'b' || At(0) == 'B') {
    prefix.bytes = true;
    ++prefix.length;
  }
  if (At(prefix.length) == 'r' || At(prefix.length) == 'R') {
    prefix.raw = true;
    ++prefix.length;
  }
  const char quote = At(prefix.length);
  return quote == '"' || quote == '\'' ? std::optional(prefix) : std::nullopt;
}

void Lexer::ReadDigits() {
  while (IsDigit(At(0))) {
    ++position_;
  }
}

std::optional<ParseError> Lexer::ReadNumber(Token* token) {
  const size_t start = position_;
  token->kind = TokenKind::kInt;
  if (At(0) == '0' && (At(1) == 'x' || At(1) == 'X') && IsHexDigit(At(2))) {
    position_ += 2;
    while (IsHexDigit(At(0))) {
      ++position_;
    }
  } else {
    ReadDigits();
    if (At(0) == '.' && IsDigit(At(1))) {
      token->kind = TokenKind::kDouble;
      ++position_;
      ReadDigits();
    }
    const size_t sign = At(1) == '+' || At(1) == '-' ? 1 : 0;
    if ((At(0) == 'e' || At(0) == 'E') && IsDigit(At(1 + sign))) {
      token->kind = TokenKind::kDouble;
      position_ += 1 + sign;
      ReadDigits();
    }
  }
  token->text = text_.substr(start, position_ - start);
  if (token->kind == TokenKind::kInt && (At(0) == 'u' || At(0) == 'U')) {
    token->kind = TokenKind::kUint;
    ++position_;
  }
  if (IsNamePart(At(0))) {
    return ParseError{start, "a number runs into a name here; put a space or an operator between"};
  }
  return std::nullopt;
}

std::optional<ParseError> Lexer::ReadString(const StringPrefix& prefix, Token* token) {
  const size_t start = position_;
  position_ += prefix.length;
  const char quote = At(0);
  const bool triple = At(1) == quote && At(2) == quote;
  const size_t quote_length = triple ? 3 : 1;
  const std::string closing(quote_length, quote);
  position_ += quote_length;
  while (position_ < text_.size()) {
    if (text_.substr(position_, quote_length) == closing) {
      position_ += quote_length;
      token->kind = prefix.bytes ? TokenKind::kBytes : TokenKind::kString;
      return std::nullopt;
    }
    const char c = At(0);
    if (!triple && (c == '\n' || c == '\r')) {
      break;
    }
    if (c == '\\' && !prefix.raw) {
      if (std::optional<ParseError> error = ReadEscape(prefix.bytes, &token->text)) {
        return error;
      }
    } else {
      token->text += c;
      ++position_;
    }
  }
  return ParseError{start, "this string is not closed; add " + closing};
}

std::optional<ParseError> Lexer::ReadEscape(bool bytes, std::string* out) {
  const char kind = At(1);
  if (const char simple = SimpleEscape(kind); simple != '\0') {
    *out += simple;
    position_ += 2;
    return std::nullopt;
  }
  switch (kind) {
    case 'x':
    case 'X': return ReadCodePoint(2, bytes, out);
    case 'u': return ReadCodePoint(4, bytes, out);
    case 'U': return ReadCodePoint(8, bytes, out);
    default: break;
  }
  if (kind >= '0' && kind <= '3' && IsOctalDigit(At(2)) && IsOctalDigit(At(3))) {
    const auto code_point =
        static_cast<uint32_t>((kind - '0') * 64 + (At(2) - '0') * 8 + (At(3) - '0'));
    if (bytes) {
      out->push_back(static_cast<char>(code_point));
    } else {
      AppendUtf8(*out, code_point);
    }
    position_ += 4;
    return std::nullopt;
  }
  return ParseError{
      position_, "invalid escape sequence; write \\\\ for a backslash, or put r before the string"};
}

std::optional<ParseError> Lexer::ReadCodePoint(size_t digits, bool bytes, std::string* out) {
  uint32_t code_point = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!IsHexDigit(At(2 + i))) {
      return ParseError{position_, "this escape sequence needs " + std::to_string(digits) +
                                       " hexadecimal digits"};
    }
    code_point = (code_point << 4) | HexValue(At(2 + i));
  }
  if (bytes && digits > 2) {
    return ParseError{position_, "\\u and \\U name code points, which bytes do not have; use \\x"};
  }
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
    return ParseError{position_, "this escape sequence is not a Unicode code point"};
  }
  if (bytes) {
    out->push_back(static_cast<char>(code_point));
  } else {
    AppendUtf8(*out, code_point);
  }
  position_ += 2 + digits;
  return std::nullopt;
}

std::optional<ParseError> Lexer::ReadEscapedName(Token* token) {
  const size_t start = position_++;
  while (IsNamePart(At(0)) || At(0) == '.' || At(0) == '-' || At(0) == '/' || At(0) == ' ') {
    token->text += At(0);
    ++position_;
  }
  if (At(0) != '`' || token->text.empty()) {
    return ParseError{start,
                      "a name between backticks is made of letters, digits, '_', '.', '-', "
                      "'/' and spaces, and is closed by a backtick"};
  }
  ++position_;
  token->kind = TokenKind::kEscapedName;
  return std::nullopt;
}

std::optional<ParseError> Lexer::ReadPunctuation(Token* token) {
  token->kind = TokenKind::kPunctuation;
  for (const std::string_view candidate : kPunctuation) {
    if (text_.substr(position_, candidate.size()) == candidate) {
      token->text = candidate;
      position_ += candidate.size();
      return std::nullopt;
    }
  }
  size_t end = position_;
  static_cast<void>(NextCodePoint(text_, &end));
  const std::string character(text_.substr(position_, end - position_));
  std::string hint;
  if (character == "=") {
    hint = "; compare with '=='";
  } else if (character == "&" || character == "|") {
    hint = "; write it twice for the logical operator";
  }
  return ParseError{position_, "unexpected character " + Quote(character) + hint};
}

}  // namespace entente::dsl::cel
