#include "coordinator/identity/token.h"

#include <algorithm>

#include "runtime/digest.h"

namespace entente::identity {
namespace {

constexpr std::string_view kPrefix = "ent_";

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

TokenText NewTokenText() {
  return {runtime::Sha256Hex(runtime::RandomBytes(kTokenSecretBytes)).substr(0, kTokenIdDigits),
          runtime::ToBase64Url(runtime::RandomBytes(kTokenSecretBytes))};
}

std::optional<TokenText> ParseToken(std::string_view text) {
  if (!text.starts_with(kPrefix) || text.size() < kPrefix.size() + kTokenIdDigits + 1 ||
      text[kPrefix.size() + kTokenIdDigits] != '_') {
    return std::nullopt;
  }
  const std::string_view id = text.substr(kPrefix.size(), kTokenIdDigits);
  const std::string_view secret = text.substr(kPrefix.size() + kTokenIdDigits + 1);
  if (!std::all_of(id.begin(), id.end(), IsHexDigit) ||
      runtime::FromBase64Url(secret).size() != kTokenSecretBytes) {
    return std::nullopt;
  }
  return TokenText{std::string(id), std::string(secret)};
}

std::string TokenDigest(const TokenText& token) {
  return runtime::Sha256Hex(token.ToString());
}

bool MatchesDigest(const TokenText& token, std::string_view digest) {
  return runtime::EqualInConstantTime(TokenDigest(token), digest);
}

}  // namespace entente::identity
