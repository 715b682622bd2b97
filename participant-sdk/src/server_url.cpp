#include "participant-sdk/src/server_url.h"

#include <algorithm>
#include <charconv>

namespace entente::sdk {
namespace {

constexpr std::string_view kScheme = "http://";

// Schemes have no case (RFC 3986, 3.1).
bool HasScheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char lower, char c) {
           return lower == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
         });
}

Status BadServer(std::string_view url, std::string_view why) {
  return InvalidArgument("client.bad_server", "'" + std::string(url) +
                                                  "' is not a server this client can use: " +
                                                  std::string(why) + "; write http://HOST:PORT");
}

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// Bytes a host name, an address or a bracketed literal may have; this keeps line breaks and user
// information out of the request.
bool IsHost(std::string_view host) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':';
  });
}

}  // namespace

Result<Server> ParseServer(std::string_view url) {
  if (HasScheme(url, "https://")) {
    return BadServer(url, "TLS is not spoken here; put a TLS proxy on this machine in between");
  }
  if (!HasScheme(url, kScheme)) {
    return BadServer(url, "it does not begin with http://");
  }
  std::string_view rest = url.substr(kScheme.size());
  if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return BadServer(url, "a path is not allowed");
  }
  std::string_view port = "80";
  std::string_view host = rest;
  const bool bracketed = rest.starts_with('[');
  const size_t after_host = bracketed ? rest.find(']') : rest.find(':');
  if (bracketed) {
    if (after_host == std::string_view::npos) {
      return BadServer(url, "the bracket is not closed");
    }
    host = rest.substr(1, after_host - 1);
    rest.remove_prefix(after_host + 1);
  } else if (after_host != std::string_view::npos) {
    host = rest.substr(0, after_host);
    rest.remove_prefix(after_host);
  } else {
    rest = {};
  }
  if (!rest.empty()) {
    port = rest.substr(1);
    if (rest.front() != ':' || !IsPort(port)) {
      return BadServer(url, "the port is not a number from 1 to 65535");
    }
  }
  if (!IsHost(host) || (!bracketed && host.find(':') != std::string_view::npos)) {
    return BadServer(url, "the host is not a name or an address");
  }
  Server server{std::string(host), std::string(port), {}};
  server.authority = (bracketed ? "[" + server.host + "]" : server.host) + ":" + server.port;
  return server;
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
