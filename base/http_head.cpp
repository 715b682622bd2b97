#include "base/http_head.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/limits.h"

namespace entente {
namespace {

// What each byte may be part of.
struct CharacterTable {
  std::array<bool, 256> token{};       // RFC 9110, 5.6.2.
  std::array<bool, 256> text{};        // Of a line: visible, blank, tab, or past ASCII.
  std::array<bool, 256> unreserved{};  // RFC 3986, 2.3.
  std::array<bool, 256> host{};        // Of a registered name: unreserved, escapes, sub-delims.

  constexpr CharacterTable() {
    for (size_t c = 0; c < 256; ++c) {
      const bool alphanumeric =
          (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      token[c] = unreserved[c] = host[c] = alphanumeric;
      text[c] = c == '\t' || (c >= 0x20 && c != 0x7f);
    }
    Allow(token, "!#$%&'*+-.^_`|~");
    Allow(unreserved, "-._~");
    Allow(host, "-._~%!$&'()*+,;=");
  }

  static constexpr void Allow(std::array<bool, 256>& table, std::string_view characters) {
    for (const char c : characters) {
      table[static_cast<unsigned char>(c)] = true;
    }
  }
};
constexpr CharacterTable kCharacters;

bool Is(const std::array<bool, 256>& table, char c) {
  return table[static_cast<unsigned char>(c)];
}

bool AllAre(const std::array<bool, 256>& table, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&table](char c) { return Is(table, c); });
}

bool IsToken(std::string_view text) {
  return !text.empty() && AllAre(kCharacters.token, text);
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), IsDigit);
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// `lower` is in lower case.
bool Equals(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return Lower(a) == b; });
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

bool HasPrefix(std::string_view text, std::string_view lower) {
  return Equals(text.substr(0, lower.size()), lower);
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsBlank(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

int HexValue(char c) {
  const char lower = Lower(c);
  if (IsDigit(c)) {
    return c - '0';
  }
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that the escape at the front of `text` stands for.
std::optional<char> EscapedByte(std::string_view text) {
  const int high = text.size() > 2 ? HexValue(text[1]) : -1;
  const int low = text.size() > 2 ? HexValue(text[2]) : -1;
  if (text.front() != '%' || high < 0 || low < 0) {
    return std::nullopt;
  }
  return static_cast<char>(high * 16 + low);
}

bool EscapesAreWhole(std::string_view text) {
  for (size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (!EscapedByte(text.substr(at))) {
      return false;
    }
  }
  return true;
}

// Two spellings of one path (RFC 3986, 6.2.2.2) are one path.
std::string WithoutNeedlessEscapes(std::string_view path) {
  std::string plain;
  plain.reserve(path.size());
  for (size_t at = 0; at < path.size(); ++at) {
    if (path[at] == '%') {
      const std::optional<char> byte = EscapedByte(path.substr(at));
      if (byte && Is(kCharacters.unreserved, *byte)) {
        plain += *byte;
        at += 2;
        continue;
      }
    }
    plain += path[at];
  }
  return plain;
}

template <class Address>
bool IsAddress(int family, std::string_view text) {
  Address address;
  return text.size() < INET6_ADDRSTRLEN &&
         inet_pton(family, std::string(text).c_str(), &address) == 1;
}

bool IsNumber(std::string_view label) {
  const std::string_view digits = HasPrefix(label, "0x") ? label.substr(2) : label;
  const bool hexadecimal = digits.size() != label.size();
  return !label.empty() && std::all_of(digits.begin(), digits.end(), [hexadecimal](char c) {
    return hexadecimal ? HexValue(c) >= 0 : IsDigit(c);
  });
}

bool IsName(std::string_view name) {
  if (name.empty() || !AllAre(kCharacters.host, name) || !EscapesAreWhole(name)) {
    return false;
  }
  std::string_view labels = name;
  if (labels.ends_with('.')) {
    labels.remove_suffix(1);
  }
  const bool number = IsNumber(labels.substr(labels.rfind('.') + 1));
  return !number || IsAddress<in_addr>(AF_INET, name);
}

bool IsPort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.empty() || (error == std::errc() && end == text.data() + text.size());
}

Status Malformed(std::string_view why) {
  return InvalidArgument(std::string(kHttpMalformed), std::string(why));
}

Status CheckTargetText(std::string_view target) {
  const bool plain = std::all_of(target.begin(), target.end(),
                                 [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (target.empty() || !plain) {
    return Malformed(
        "the target is empty or holds a blank, a '#' or a character outside ASCII; percent-encode "
        "them");
  }
  if (!EscapesAreWhole(target)) {
    return Malformed("the target holds a '%' that two hexadecimal digits do not follow");
  }
  return Status();
}

}  // namespace

bool IsSingularField(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames = {
      "content-length", "content-type", "host",        "idempotency-key",
      "last-event-id",  "location",     "retry-after", "transfer-encoding"};
  return HasPrefix(name, "entente-") ||
         std::any_of(kNames.begin(), kNames.end(), [name](auto one) { return Equals(name, one); });
}

bool IsHttpText(std::string_view text) {
  return AllAre(kCharacters.text, text);
}

size_t LeadingEmptyLines(std::string_view input) {
  size_t bytes = 0;
  while (input.substr(bytes).starts_with("\r\n")) {
    bytes += 2;
  }
  return bytes;
}

std::optional<HttpHost> ParseHttpHost(std::string_view text) {
  HttpHost host;
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) {
      return std::nullopt;
    }
    host.name = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (!IsAddress<in6_addr>(AF_INET6, host.name)) {
      return std::nullopt;
    }
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    host.name = text.substr(0, colon);
    rest = text.substr(colon);
    if (!IsName(host.name)) {
      return std::nullopt;
    }
  }
  if (!rest.empty()) {
    host.port = rest.substr(1);
    if (rest.front() != ':' || !IsPort(host.port)) {
      return std::nullopt;
    }
  }
  return host;
}

Result<HttpTarget> ReadHttpTarget(std::string_view method, std::string_view target,
                                  std::string_view host) {
  ENTENTE_RETURN_IF_ERROR(CheckTargetText(target));
  HttpTarget result;
  result.authority = host;
  std::string_view rest = target;
  if (target == "*" && method == "OPTIONS") {
    result.path_and_query = target;
    return result;
  }
  if (!target.starts_with('/')) {
    const bool https = HasPrefix(target, "https://");
    if (method == "CONNECT" || (!https && !HasPrefix(target, "http://"))) {
      return Malformed("the target is neither a path nor an http:// or https:// address");
    }
    rest.remove_prefix(https ? 8 : 7);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
    if (!ParseHttpHost(authority)) {
      return Malformed("the target's host is not valid; write HOST or HOST:PORT");
    }
    rest.remove_prefix(authority.size());
    result.authority = authority;
    result.https = https;
  }
  if (rest.empty() && method == "OPTIONS") {
    result.path_and_query = "*";  // RFC 9112, 3.2.4.
    return result;
  }
  const std::string_view path = rest.substr(0, rest.find('?'));
  result.path_and_query = path.empty() ? "/" : WithoutNeedlessEscapes(path);
  result.path_and_query += rest.substr(path.size());
  return result;
}

Status HttpHeadReader::Read(std::string_view input) {
  while (!complete_ && next_ < input.size()) {
    const char c = input[next_];
    if (c == '\n') {
      if (next_ == line_begin_ || input[next_ - 1] != '\r') {
        return Malformed("a line of the head ends in LF alone; end it with CRLF");
      }
      const size_t line = line_begin_;
      line_begin_ = ++next_;
      ENTENTE_RETURN_IF_ERROR(TakeLine(input, line));
      continue;
    }
    const bool after_return = next_ > line_begin_ && input[next_ - 1] == '\r';
    if (after_return || (c != '\r' && !Is(kCharacters.text, c))) {
      return Malformed("the head holds a control character; only CRLF at a line's end may stand");
    }
    ++next_;
  }
  return Status();
}

// `line` is where it begins; it ends before the CRLF that next_ follows.
Status HttpHeadReader::TakeLine(std::string_view input, size_t line) {
  const std::string_view text = input.substr(line, next_ - 2 - line);
  ++lines_;
  if (lines_ == 1) {
    return side_ == HttpSide::kRequest ? TakeRequestLine(text) : Status();
  }
  if (text.empty()) {
    complete_ = true;
    return CheckWhole(input);
  }
  return TakeField(input, line);
}

Status HttpHeadReader::TakeRequestLine(std::string_view line) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last || line.find(' ', first + 1) != last ||
      !IsToken(line.substr(0, first))) {
    return Malformed("the request line is not METHOD TARGET HTTP/1.1, with one blank between each");
  }
  const std::string_view version = line.substr(last + 1);
  const bool stated = version.size() == 8 && version.starts_with("HTTP/") && IsDigit(version[5]) &&
                      version[6] == '.' && IsDigit(version[7]);
  if (!stated) {
    return Malformed("the request line does not end in a version of HTTP; write HTTP/1.1");
  }
  http11_ = version == "HTTP/1.1";
  if (!http11_ && version != "HTTP/1.0") {
    return InvalidArgument(
        std::string(kHttpVersion),
        "only HTTP/1.1 and HTTP/1.0 are spoken here, not " + std::string(version));
  }
  target_ = Piece{first + 1, last - first - 1};
  return Status();
}

Status HttpHeadReader::TakeField(std::string_view input, size_t line) {
  const std::string_view text = input.substr(line, next_ - 2 - line);
  if (IsBlank(text.front())) {
    // A user agent has to take folded fields of an answer (RFC 9112, 5.2), but none that decides.
    const bool harmless = side_ == HttpSide::kAnswer && lines_ > 2 && !last_is_singular_;
    return harmless ? Status() : Malformed("a header field is folded over two lines");
  }
  if (lines_ - 1 > limits::kMaxHeaderFields) {
    return InvalidArgument(std::string(kHttpTooManyFields),
                           "the head has more header fields than the limit of " +
                               std::to_string(limits::kMaxHeaderFields));
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || !IsToken(text.substr(0, colon))) {
    return Malformed("a header field is not NAME: VALUE, with nothing between NAME and colon");
  }
  last_is_singular_ = IsSingularField(text.substr(0, colon));
  if (!last_is_singular_) {
    const bool expectation = http11_ && Equals(text.substr(0, colon), "expect");
    if (expectation && !Equals(Trim(text.substr(colon + 1)), "100-continue")) {
      return InvalidArgument(std::string(kHttpExpectation),
                             "the only expectation that can be met is 100-continue");
    }
    return Status();
  }
  const std::string_view value = Trim(text.substr(colon + 1));
  const auto begin = static_cast<size_t>(value.data() - input.data());
  return TakeSingular(input, {{line, colon}, {begin, value.size()}});
}

Status HttpHeadReader::TakeSingular(std::string_view input, const Field& field) {
  const auto text = [input](Piece piece) { return input.substr(piece.begin, piece.size); };
  const std::string_view name = text(field.name);
  // Repeated they would be read as a list, and even one whose members agree is read differently.
  const bool frames =
      Equals(name, "host") || Equals(name, "content-length") || Equals(name, "transfer-encoding");
  for (const Field& earlier : singular_) {
    const bool same_name = EqualsIgnoringCase(text(earlier.name), name);
    if (same_name && (frames || text(earlier.value) != text(field.value))) {
      return Malformed("the header field '" + std::string(name) +
                       "' may stand once, and stands there twice");
    }
  }
  singular_.push_back(field);
  return Status();
}

Status HttpHeadReader::CheckWhole(std::string_view input) {
  const auto find = [&](std::string_view name) -> std::optional<std::string_view> {
    for (const Field& field : singular_) {
      if (Equals(input.substr(field.name.begin, field.name.size), name)) {
        return input.substr(field.value.begin, field.value.size);
      }
    }
    return std::nullopt;
  };
  const auto length = find("content-length");
  const auto coding = find("transfer-encoding");
  if (length && (length->empty() || !AllDigits(*length))) {
    return Malformed("Content-Length is not a number of decimal digits");
  }
  if (coding && !Equals(*coding, "chunked")) {
    return Malformed("Transfer-Encoding is not exactly 'chunked', the only coding that is taken");
  }
  if (coding && length) {
    return Malformed("Transfer-Encoding and Content-Length exclude each other");
  }
  const bool http11 = side_ == HttpSide::kRequest ? http11_ : !input.starts_with("HTTP/1.0");
  if (coding && !http11) {
    return Malformed("HTTP/1.0 has no Transfer-Encoding");
  }
  if (side_ == HttpSide::kAnswer) {
    return Status();
  }
  const auto host = find("host");
  if (!host && http11_) {
    return Malformed("the request has no Host field");
  }
  if (host && !ParseHttpHost(*host)) {
    return Malformed("the Host field is not valid; write HOST or HOST:PORT");
  }
  const std::string_view method = input.substr(0, target_->begin - 1);
  return ReadHttpTarget(method, input.substr(target_->begin, target_->size), host.value_or(""))
      .status();
}

}  // namespace entente
