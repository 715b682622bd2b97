#include "participant-sdk/src/client/token_file.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace entente::sdk {
namespace {

constexpr size_t kMaxTokenFileBytes = 4096;

Status Unusable(const std::string& file, const std::string& why) {
  return InvalidArgument("client.bad_token_file",
                         "the token's file '" + file + "' can not be used: " + why +
                             "; write the token into it, or leave ENTENTE_TOKEN_FILE away");
}

}  // namespace

std::string TokenFile(const std::string& chosen) {
  if (!chosen.empty()) {
    return chosen;
  }
  const char* const named = std::getenv("ENTENTE_TOKEN_FILE");
  return named == nullptr ? std::string() : std::string(named);
}

Result<std::string> ReadToken(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text(kMaxTokenFileBytes + 1, '\0');
  if (!in || !(in.read(text.data(), static_cast<std::streamsize>(text.size())) || in.eof())) {
    return Unusable(file, "it can not be read");
  }
  text.resize(static_cast<size_t>(in.gcount()));
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = text.find_last_not_of(" \t\r\n");
  text = end == std::string::npos ? "" : text.substr(begin, end + 1 - begin);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < '\x7f';  // Nothing that ends a header, or splits it.
  });
  if (text.empty() || text.size() > kMaxTokenFileBytes || !plain) {
    return Unusable(file, "it does not hold one token");
  }
  return text;
}

}  // namespace entente::sdk
