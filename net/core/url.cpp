#include "net/core/url.h"

#include <algorithm>
#include <charconv>

namespace entente::net {
namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

uint16_t DefaultPort(bool tls) {
  return tls ? kHttpsPort : kHttpPort;
}

Status Invalid(std::string_view text, std::string_view why) {
  return InvalidArgument("url.invalid",
                         "'" + std::string(text) + "' can not be called: " + std::string(why));
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

bool IsHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool IsVersion6Character(char c) {
  return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

bool HasScheme(std::string_view text, std::string_view scheme) {
  return text.size() >= scheme.size() && Lower(text.substr(0, scheme.size())) == scheme;
}

bool IsAbsolute(std::string_view reference) {
  const size_t end = reference.find_first_of(":/?");
  return end != std::string_view::npos && end > 0 && reference[end] == ':';
}

// RFC 3986, 5.2.4, of a path that begins with '/'.
std::string WithoutDotSegments(std::string_view path) {
  std::string clean;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") {
        clean.erase(std::min(clean.rfind('/'), clean.size()));
      }
      clean += path.empty() ? "/" : "";
    } else {
      clean += segment;
    }
  }
  return clean;
}

std::string Bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

std::string Origin::HostField() const {
  std::string text = Bracketed(host);
  if (port != DefaultPort(tls)) {
    text += ':';
    text += std::to_string(port);
  }
  return text;
}

std::string Origin::ToString() const {
  return (tls ? "https://" : "http://") + HostField();
}

Result<Origin> ParseAuthority(std::string_view text, bool tls, uint16_t default_port) {
  if (text.find('@') != std::string_view::npos) {
    return Invalid(text, "it holds user information; send credentials as a header");
  }
  std::string_view host;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return Invalid(text, "'[' has no ']'");
    }
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (host.find(':') == std::string_view::npos ||
        !std::all_of(host.begin(), host.end(), IsVersion6Character)) {
      return Invalid(text, "what stands in brackets is not an IPv6 address");
    }
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host = text.substr(0, colon);
    port = text.substr(colon);
    if (host.empty() || !std::all_of(host.begin(), host.end(), IsHostCharacter)) {
      return Invalid(text, "its host is missing or holds a character that no host name has");
    }
  }
  Origin origin{tls, Lower(host), default_port};
  if (!port.empty()) {
    const char* begin = port.data() + 1;
    const char* end = port.data() + port.size();
    const auto [rest, error] = std::from_chars(begin, end, origin.port);
    if (port.front() != ':' || error != std::errc() || rest != end) {
      return Invalid(text, "its port is not a number from 1 to 65535");
    }
  }
  if (origin.port == 0) {
    return Invalid(text, "it needs a port from 1 to 65535, as in host:port");
  }
  return origin;
}

Result<Url> ParseUrl(std::string_view text) {
  const bool tls = HasScheme(text, "https://");
  if (!tls && !HasScheme(text, "http://")) {
    return Invalid(text, "it must begin with http:// or https://");
  }
  const bool printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) {
    return Invalid(text,
                   "it holds a blank, a control character or one outside ASCII; "
                   "percent-encode it");
  }
  if (text.find('#') != std::string_view::npos) {
    return Invalid(text, "it holds a fragment ('#'), which is never sent");
  }
  const std::string_view rest = text.substr(tls ? 8 : 7);
  const size_t path = std::min(rest.find_first_of("/?"), rest.size());
  Url url;
  ENTENTE_ASSIGN_OR_RETURN(url.origin, ParseAuthority(rest.substr(0, path), tls, DefaultPort(tls)));
  const std::string_view target = rest.substr(path);
  url.target = target.empty() || target.front() == '?' ? "/" : "";
  url.target += target;
  return url;
}

std::string ResolveReference(const Url& base, std::string_view reference) {
  reference = reference.substr(0, reference.find('#'));
  if (IsAbsolute(reference)) {
    return std::string(reference);
  }
  if (reference.starts_with("//")) {
    return (base.origin.tls ? "https:" : "http:") + std::string(reference);
  }
  if (reference.empty()) {
    return base.origin.ToString() + base.target;
  }
  const std::string_view base_path = std::string_view(base.target).substr(0, base.target.find('?'));
  const size_t query = std::min(reference.find('?'), reference.size());
  std::string path(reference.substr(0, query));
  if (path.empty()) {
    path = base_path;
  } else if (path.front() != '/') {
    path = std::string(base_path.substr(0, base_path.rfind('/') + 1)) + path;
  }
  return base.origin.ToString() + WithoutDotSegments(path) + std::string(reference.substr(query));
}

}  // namespace entente::net
