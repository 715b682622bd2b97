// The text of a bearer token, and what is kept of it (RFC 6750).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace entente::identity {

// "ent_<id>_<secret>": the id finds the token's record and may be shown; the secret is 256 bits of
// the operating system's generator. The prefix lets a scanner recognise a token that leaked.
struct TokenText {
  std::string id;      // kTokenIdDigits lower-case hexadecimal digits.
  std::string secret;  // base64url.

  [[nodiscard]] std::string ToString() const { return "ent_" + id + "_" + secret; }
};

inline constexpr size_t kTokenIdDigits = 12;
inline constexpr size_t kTokenSecretBytes = 32;

[[nodiscard]] TokenText NewTokenText();

// Nothing unless `text` has exactly the form above.
[[nodiscard]] std::optional<TokenText> ParseToken(std::string_view text);

// What is stored. A secret of 256 random bits can not be found by guessing, so that a plain hash
// keeps it; slow hashes are for what people choose.
[[nodiscard]] std::string TokenDigest(const TokenText& token);

// Whether `token` is the one of which `digest` was kept, in time that does not tell how much of it
// is right.
[[nodiscard]] bool MatchesDigest(const TokenText& token, std::string_view digest);

}  // namespace entente::identity
