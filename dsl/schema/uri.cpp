#include "dsl/schema/uri.h"

#include <algorithm>
#include <vector>

#include "dsl/schema/ascii.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr std::string_view kSubDelimiters = "!$&'()*+,;=";

std::optional<unsigned> HexDigit(char c) {
  if (IsDigit(c)) {
    return static_cast<unsigned>(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<unsigned>(c - 'a') + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return static_cast<unsigned>(c - 'A') + 10;
  }
  return std::nullopt;
}

// What a part may be made of: unreserved characters, escapes, sub-delimiters, and `also`.
bool IsMadeOf(std::string_view text, std::string_view also, UriAlphabet alphabet) {
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || !HexDigit(text[i + 1]) || !HexDigit(text[i + 2])) {
        return false;
      }
      i += 2;
      continue;
    }
    const bool plain = IsLetter(c) || IsDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
                       kSubDelimiters.find(c) != std::string_view::npos ||
                       also.find(c) != std::string_view::npos;
    const bool beyond = alphabet == UriAlphabet::kUnicode && static_cast<unsigned char>(c) >= 0x80;
    if (!plain && !beyond) {
      return false;
    }
  }
  return true;
}

bool IsScheme(std::string_view text) {
  return !text.empty() && IsLetter(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsLetter(c) || IsDigit(c) || c == '+' || c == '-' || c == '.';
         });
}

// "[v1.fe80::a+en1]": an address of a future version.
bool IsFutureAddress(std::string_view text) {
  const size_t dot = text.find('.');
  if (text.size() < 4 || (text[0] != 'v' && text[0] != 'V') || dot == std::string_view::npos ||
      dot < 2 || dot + 1 == text.size()) {
    return false;
  }
  const std::string_view version = text.substr(1, dot - 1);
  return std::all_of(version.begin(), version.end(),
                     [](char c) { return HexDigit(c).has_value(); }) &&
         text.find('%') == std::string_view::npos &&
         IsMadeOf(text.substr(dot + 1), ":", UriAlphabet::kAscii);
}

bool IsAuthority(std::string_view text, UriAlphabet alphabet) {
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    if (!IsMadeOf(text.substr(0, at), ":", alphabet)) {
      return false;
    }
    text.remove_prefix(at + 1);
  }
  std::string_view port;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) {
      return false;
    }
    const std::string_view literal = text.substr(1, end - 1);
    if (!IsIpv6(literal) && !IsFutureAddress(literal)) {
      return false;
    }
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') {
      return false;
    }
  } else {
    const size_t colon = text.find(':');
    if (!IsMadeOf(text.substr(0, colon), "", alphabet)) {
      return false;
    }
    port = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
  }
  return port.empty() || std::all_of(port.begin() + 1, port.end(), IsDigit);
}

bool IsPath(const UriParts& parts, UriAlphabet alphabet) {
  if (!IsMadeOf(parts.path, ":@/", alphabet)) {
    return false;
  }
  if (parts.authority) {
    return parts.path.empty() || parts.path.front() == '/';
  }
  if (parts.path.starts_with("//")) {
    return false;
  }
  // Without a scheme a colon in the first segment would make what is before it one.
  const std::string_view first = parts.path.substr(0, parts.path.find('/'));
  return parts.scheme || first.find(':') == std::string_view::npos;
}

std::string WithoutDotSegments(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> kept;
  bool directory = false;  // Whether the last segment stood for one.
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    const bool dots = segment == "." || segment == "..";
    if (segment == ".." && kept.size() > (rooted ? 1 : 0)) {
      kept.pop_back();
    } else if (!dots) {
      kept.push_back(segment);
    }
    directory = dots;
    if (slash == std::string_view::npos) {
      break;
    }
    path.remove_prefix(slash + 1);
  }
  std::string joined;
  for (size_t i = 0; i < kept.size(); ++i) {
    joined.append(i == 0 ? "" : "/").append(kept[i]);
  }
  return directory || (rooted && kept.size() == 1 && kept[0].empty()) ? joined + "/" : joined;
}

std::string Merged(const UriParts& base, std::string_view path) {
  if (base.authority && base.path.empty()) {
    return "/" + std::string(path);
  }
  const size_t slash = base.path.rfind('/');
  const std::string_view folder =
      slash == std::string_view::npos ? std::string_view() : base.path.substr(0, slash + 1);
  return std::string(folder) + std::string(path);
}

std::string Joined(const UriParts& parts) {
  std::string text;
  if (parts.scheme) {
    text.append(*parts.scheme).append(":");
  }
  if (parts.authority) {
    text.append("//").append(*parts.authority);
  }
  text.append(parts.path);
  if (parts.query) {
    text.append("?").append(*parts.query);
  }
  return text;
}

}  // namespace

UriParts SplitUri(std::string_view text) {
  UriParts parts;
  if (const size_t hash = text.find('#'); hash != std::string_view::npos) {
    parts.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
  }
  if (const size_t mark = text.find('?'); mark != std::string_view::npos) {
    parts.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon < text.find('/') &&
      IsScheme(text.substr(0, colon))) {
    parts.scheme = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  if (text.starts_with("//")) {
    const size_t slash = text.find('/', 2);
    parts.authority = text.substr(2, slash == std::string_view::npos ? slash : slash - 2);
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash);
  }
  parts.path = text;
  return parts;
}

bool IsUriReference(std::string_view text, UriAlphabet alphabet) {
  const UriParts parts = SplitUri(text);
  return (!parts.authority || IsAuthority(*parts.authority, alphabet)) && IsPath(parts, alphabet) &&
         (!parts.query || IsMadeOf(*parts.query, ":@/?", alphabet)) &&
         (!parts.fragment || IsMadeOf(*parts.fragment, ":@/?", alphabet));
}

bool IsUri(std::string_view text, UriAlphabet alphabet) {
  return SplitUri(text).scheme.has_value() && IsUriReference(text, alphabet);
}

std::string ResolveUri(std::string_view base_text, std::string_view reference) {
  const UriParts base = SplitUri(base_text);
  UriParts target = SplitUri(reference);
  std::string path;
  if (target.scheme || target.authority) {
    path = WithoutDotSegments(target.path);
  } else if (target.path.empty()) {
    path = base.path;
    target.query = target.query ? target.query : base.query;
  } else {
    path = WithoutDotSegments(target.path.starts_with('/') ? std::string(target.path)
                                                           : Merged(base, target.path));
  }
  if (!target.scheme) {
    target.authority = target.authority ? target.authority : base.authority;
    target.scheme = base.scheme;
  }
  target.path = path;
  return Joined(target);
}

std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? HexDigit(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? HexDigit(text[i + 2]) : std::nullopt;
    if (!high || !low) {
      return std::nullopt;
    }
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

bool IsIpv4(std::string_view text) {
  size_t octets = 0;
  while (octets < 4) {
    const size_t dot = text.find('.');
    const std::string_view octet = text.substr(0, dot);
    const bool number = !octet.empty() && octet.size() <= 3 &&
                        std::all_of(octet.begin(), octet.end(), IsDigit) &&
                        (octet.size() == 1 || octet.front() != '0');
    if (!number || std::stoi(std::string(octet)) > 255) {
      return false;
    }
    ++octets;
    if (dot == std::string_view::npos) {
      return octets == 4;
    }
    text.remove_prefix(dot + 1);
  }
  return false;
}

bool IsIpv6(std::string_view text) {
  size_t groups = 0;
  bool compressed = false;
  if (text.starts_with("::")) {
    compressed = true;
    text.remove_prefix(2);
    if (text.empty()) {
      return true;
    }
  }
  while (groups < 8) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      groups += 2;
      return IsIpv4(group) && (compressed ? groups < 8 : groups == 8);
    }
    const bool hex =
        !group.empty() && group.size() <= 4 &&
        std::all_of(group.begin(), group.end(), [](char c) { return HexDigit(c).has_value(); });
    if (!hex) {
      return false;
    }
    ++groups;
    if (colon == std::string_view::npos) {
      return compressed ? groups < 8 : groups == 8;
    }
    text.remove_prefix(colon + 1);
    if (text.starts_with(':')) {
      if (compressed) {
        return false;
      }
      compressed = true;
      text.remove_prefix(1);
      if (text.empty()) {
        return groups < 8;
      }
    }
  }
  return false;
}

}  // namespace entente::dsl::schema_internal
