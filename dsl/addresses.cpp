#include "dsl/addresses.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "dsl/read/problem_list.h"

namespace entente::dsl {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool IsHost(std::string_view host) {
  if (host.starts_with('[')) {
    return host.size() > 3 && host.ends_with(']') &&
           std::all_of(host.begin() + 1, host.end() - 1,
                       [](char c) { return IsHexDigit(c) || c == ':' || c == '.'; });
  }
  return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

HostPort Split(std::string_view authority) {
  const size_t colon = authority.rfind(':');
  // A colon inside the brackets belongs to the address.
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) {
    return {authority, std::nullopt};
  }
  return {authority.substr(0, colon), authority.substr(colon + 1)};
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Schemes have no case (RFC 3986, 3.1).
bool HasScheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(),
                    [](char lower, char c) { return lower == Lower(c); });
}

constexpr std::string_view kServiceExample = "_service._tcp.example.com";
constexpr size_t kMaxNameBytes = 253;

// Why `name` names no service: "_service._protocol.domain" (RFC 2782), or any name without a port.
std::optional<BadName> CheckServiceName(std::string_view name) {
  if (name.find(':') != std::string_view::npos) {
    return BadName{"a service has no port of its own: its SRV records say them", "remove the port"};
  }
  while (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (!IsHost(name) || name.size() > kMaxNameBytes || name.front() == '.' ||
      name.find("..") != std::string_view::npos) {
    return BadName{name.empty() ? "it names no service" : "the name of its service is malformed",
                   "write it as " + Quote(kServiceExample)};
  }
  if (!name.starts_with('_')) {
    return std::nullopt;
  }
  const size_t protocol = name.find('.') + 1;
  const size_t domain = protocol == 0 ? 0 : name.find('.', protocol) + 1;
  return domain != 0 && name[protocol] == '_' && name[domain] != '_'
             ? std::nullopt
             : std::optional(
                   BadName{"a service is named by its own name, its protocol and a domain",
                           "write it as " + Quote(kServiceExample)});
}

// What somebody who wants SRV records may have written.
bool SeemsService(std::string_view address) {
  const std::string_view scheme = address.substr(0, address.find("://"));
  return scheme.size() < address.size() && (scheme.find("srv") != std::string_view::npos ||
                                            scheme.find("SRV") != std::string_view::npos);
}

}  // namespace

bool NamesService(std::string_view address) {
  return HasScheme(address, "http+srv://") || HasScheme(address, "https+srv://") ||
         HasScheme(address, "grpc+srv://");
}

bool HasDotSegment(std::string_view path) {
  std::string plain = "/";
  for (path = path.substr(0, path.find('?')); !path.empty();) {
    const bool dot = path.starts_with("%2e") || path.starts_with("%2E");
    plain += dot ? '.' : path.front();
    path.remove_prefix(dot ? 3 : 1);
  }
  plain += '/';
  return plain.find("/./") != std::string::npos || plain.find("/../") != std::string::npos;
}

std::optional<BadName> CheckHttpUrl(std::string_view url) {
  const auto bad = [url](const std::string& why, std::string suggestion) {
    return BadName{Quote(url) + " is not the URL of a participant: " + why, std::move(suggestion)};
  };
  std::string_view rest = url;
  const bool service = NamesService(url) && !HasScheme(url, "grpc");
  if (!service && !HasScheme(url, "http://") && !HasScheme(url, "https://")) {
    return bad("it does not start with 'http://' or 'https://'",
               SeemsService(url) ? "write \"http+srv://" + std::string(kServiceExample) + "\""
               : rest.find("://") == std::string_view::npos ? "write \"http://host:port\""
                                                            : "");
  }
  rest.remove_prefix(rest.find("://") + 3);
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(slash);
  if (authority.find('@') != std::string_view::npos) {
    return bad("it holds a user or password", "send credentials in 'headers', from 'env'");
  }
  const auto [host, port] = Split(authority);
  if (const auto unnamed = service ? CheckServiceName(authority) : std::nullopt) {
    return bad(unnamed->message, unnamed->suggestion);
  }
  if (!IsHost(host)) {
    return bad(host.empty() ? "it has no host" : "its host is malformed", "");
  }
  if (port && !IsPort(*port)) {
    return bad("its port is not a number between 1 and 65535", "");
  }
  if (path.find_first_of("?#") != std::string_view::npos) {
    return bad("it has a query or a fragment", "put the query into the paths of the operations");
  }
  if (FindBadPathByte(path)) {
    return bad("its path holds a character that has to be percent-encoded", "");
  }
  if (HasDotSegment(path)) {
    return bad("its path holds '.' or '..', which would lead elsewhere", "write where it leads");
  }
  return std::nullopt;
}

std::string NormalizedHttpUrl(std::string_view url) {
  std::string normalized(url);
  const size_t authority = url.find("://") + 3;
  const auto end = normalized.begin() +
                   static_cast<std::ptrdiff_t>(std::min(url.find('/', authority), url.size()));
  std::transform(normalized.begin(), end, normalized.begin(), Lower);
  return normalized;
}

std::optional<BadName> CheckGrpcTarget(std::string_view target) {
  const auto bad = [target](const std::string& why, std::string suggestion) {
    return BadName{Quote(target) + " is not the address of a gRPC participant: " + why,
                   std::move(suggestion)};
  };
  if (HasScheme(target, "grpc+srv://")) {
    const auto unnamed = CheckServiceName(target.substr(target.find("://") + 3));
    return unnamed ? std::optional(bad(unnamed->message, unnamed->suggestion)) : std::nullopt;
  }
  if (target.find("://") != std::string_view::npos) {
    return bad("it has a scheme", SeemsService(target)
                                      ? "write \"grpc+srv://" + std::string(kServiceExample) + "\""
                                      : "write \"host:port\"; with TLS also \"tls\": true");
  }
  const auto [host, port] = Split(target);
  if (!IsHost(host)) {
    return bad(host.empty() ? "it has no host" : "its host is malformed", "write \"host:port\"");
  }
  if (!port || !IsPort(*port)) {
    return bad("it has no port between 1 and 65535", "write \"host:port\"");
  }
  return std::nullopt;
}

std::optional<size_t> FindBadPathByte(std::string_view path) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=:@/?";
  for (size_t at = 0; at < path.size(); ++at) {
    const char c = path[at];
    const bool escape =
        c == '%' && at + 2 < path.size() && IsHexDigit(path[at + 1]) && IsHexDigit(path[at + 2]);
    if (!escape && !IsAlphanumeric(c) && kMarks.find(c) == std::string_view::npos) {
      return at;
    }
  }
  return std::nullopt;
}

bool IsHeaderValue(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

}  // namespace entente::dsl
