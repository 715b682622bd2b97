#include "coordinator/api/access/credential.h"

#include <algorithm>
#include <optional>

namespace entente::api {
namespace {

constexpr std::string_view kScheme = "Bearer ";

std::string_view WithoutBlanks(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  const size_t end = text.find_last_not_of(" \t");
  return end == std::string_view::npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

// The value of a field that must occur once, or nothing.
std::optional<std::string_view> Only(const net::HttpHeaders& headers, std::string_view name) {
  std::optional<std::string_view> value;
  for (size_t i = 0; i < headers.size(); ++i) {
    if (net::EqualsIgnoringCase(headers.name(i), name)) {
      if (value) {
        return std::nullopt;
      }
      value = headers.value(i);
    }
  }
  return value;
}

}  // namespace

std::string_view BearerOf(std::string_view authorization) {
  if (authorization.size() < kScheme.size() ||
      !net::EqualsIgnoringCase(authorization.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  return WithoutBlanks(authorization.substr(kScheme.size()));
}

std::string_view CredentialOf(const net::HttpHeaders& headers) {
  return BearerOf(Only(headers, "authorization").value_or(""));
}

}  // namespace entente::api
