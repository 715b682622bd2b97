// Classes of ASCII characters, whatever the locale. Internal to dsl/schema.
#pragma once

namespace entente::dsl::schema_internal {

constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

constexpr bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool IsAlphanumeric(char c) {
  return IsDigit(c) || IsLetter(c);
}

}  // namespace entente::dsl::schema_internal
