// Turns the text of an expression into tokens, one at a time. Private to dsl/cel.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dsl/cel/expression.h"

namespace entente::dsl::cel {

enum class TokenKind {
  kEnd,
  kInt,          // text: as written, "42" or "0x2A".
  kUint,         // text: as written without the suffix.
  kDouble,       // text: as written.
  kString,       // text: decoded.
  kBytes,        // text: decoded.
  kName,         // text: the name; also true, false, null, in and the reserved words.
  kEscapedName,  // text: what stood between backticks.
  kPunctuation,  // text: as written, "&&".
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  size_t end = 0;  // Past its last byte.
  std::string text;

  [[nodiscard]] bool Is(std::string_view punctuation) const {
    return kind == TokenKind::kPunctuation && text == punctuation;
  }
  [[nodiscard]] bool IsName(std::string_view name) const {
    return kind == TokenKind::kName && text == name;
  }
};

// Reads only as far as asked: what follows an embedded expression is never looked at.
class Lexer {
 public:
  // `text` is valid UTF-8 and outlives the lexer.
  Lexer(std::string_view text, size_t position) : text_(text), position_(position) {}

  // Reads the next token into `*token`. On failure says why, once; then do not call again.
  [[nodiscard]] std::optional<ParseError> Next(Token* token);

 private:
  struct StringPrefix {
    bool raw = false;
    bool bytes = false;
    size_t length = 0;
  };

  [[nodiscard]] char At(size_t ahead) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  void SkipSpaceAndComments();
  [[nodiscard]] std::optional<StringPrefix> FindStringPrefix() const;
  std::optional<ParseError> ReadNumber(Token* token);
  void ReadDigits();
  std::optional<ParseError> ReadString(const StringPrefix& prefix, Token* token);
  std::optional<ParseError> ReadEscape(bool bytes, std::string* out);
  std::optional<ParseError> ReadCodePoint(size_t digits, bool bytes, std::string* out);
  std::optional<ParseError> ReadEscapedName(Token* token);
  std::optional<ParseError> ReadPunctuation(Token* token);

  std::string_view text_;
  size_t position_;
};

// Whether `token` is true, false, null or in, which can not even name a field.
[[nodiscard]] bool IsKeyword(const Token& token);

// Whether `name` is one of the words no variable or function may be named by.
[[nodiscard]] bool IsReservedWord(std::string_view name);

}  // namespace entente::dsl::cel
