#include "participant-sdk/src/client/server_url.h"

#include <utility>

namespace entente::sdk {

Result<net::Origin> ParseServer(std::string_view url) {
  const auto bad = [url](const std::string& why) {
    return InvalidArgument("client.bad_server", "'" + std::string(url) +
                                                    "' is not a server this client can use: " +
                                                    why + "; write http://HOST:PORT");
  };
  Result<net::Url> parsed = net::ParseUrl(url);
  if (!parsed.ok()) {
    return bad(parsed.status().message());
  }
  return parsed->target == "/" ? Result<net::Origin>(std::move(parsed->origin))
                               : bad("a path is not allowed");
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

Query& Query::Add(std::string_view name, std::string_view value) {
  if (!value.empty()) {
    text_ += text_.empty() ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += PercentEncode(value);
  }
  return *this;
}

}  // namespace entente::sdk
