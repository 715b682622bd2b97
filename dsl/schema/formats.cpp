#include "dsl/schema/formats.h"

#include <algorithm>
#include <array>
#include <optional>

#include "dsl/schema/ascii.h"
#include "dsl/schema/pattern.h"
#include "dsl/schema/uri.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxHostBytes = 253;
constexpr size_t kMaxLabelBytes = 63;
constexpr size_t kMaxLocalPartBytes = 64;

bool AreDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

// Reads a text from its beginning.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  // Takes the next character if it is one of `any`.
  bool Take(std::string_view any) {
    if (rest_.empty() || any.find(rest_.front()) == std::string_view::npos) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits.
  std::optional<int> Number(size_t digits) {
    if (rest_.size() < digits || !AreDigits(rest_.substr(0, digits))) {
      return std::nullopt;
    }
    int number = 0;
    for (const char c : rest_.substr(0, digits)) {
      number = number * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return number;
  }
  // One digit at least. False if there is none.
  bool Digits() {
    const size_t before = rest_.size();
    while (!rest_.empty() && IsDigit(rest_.front())) {
      rest_.remove_prefix(1);
    }
    return rest_.size() < before;
  }

 private:
  std::string_view rest_;
};

// RFC 3339, 5.6 and appendix C.
bool ReadDate(Reader& reader) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const auto year = reader.Number(4);
  const auto month = year && reader.Take("-") ? reader.Number(2) : std::nullopt;
  const auto day = month && reader.Take("-") ? reader.Number(2) : std::nullopt;
  if (!day || *month < 1 || *month > 12) {
    return false;
  }
  const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
  const int days = kDays[static_cast<size_t>(*month - 1)] + (*month == 2 && leap ? 1 : 0);
  return *day >= 1 && *day <= days;
}

bool ReadTime(Reader& reader) {
  const auto hour = reader.Number(2);
  const auto minute = hour && reader.Take(":") ? reader.Number(2) : std::nullopt;
  const auto second = minute && reader.Take(":") ? reader.Number(2) : std::nullopt;
  if (!second || *hour > 23 || *minute > 59 || *second > 60 ||
      (reader.Take(".") && !reader.Digits())) {
    return false;
  }
  int offset = 0;  // Minutes east of UTC.
  if (!reader.Take("zZ")) {
    const bool west = reader.Take("-");
    if (!west && !reader.Take("+")) {
      return false;
    }
    const auto hours = reader.Number(2);
    const auto minutes = hours && reader.Take(":") ? reader.Number(2) : std::nullopt;
    if (!minutes || *hours > 23 || *minutes > 59) {
      return false;
    }
    offset = (*hours * 60 + *minutes) * (west ? -1 : 1);
  }
  // A leap second is the last one of a day of UTC.
  constexpr int kDay = 24 * 60;
  return *second < 60 || (*hour * 60 + *minute - offset + 2 * kDay) % kDay == kDay - 1;
}

bool IsDate(std::string_view text) {
  Reader reader(text);
  return ReadDate(reader) && reader.done();
}

bool IsTime(std::string_view text) {
  Reader reader(text);
  return ReadTime(reader) && reader.done();
}

bool IsDateTime(std::string_view text) {
  Reader reader(text);
  return ReadDate(reader) && reader.Take("tT") && ReadTime(reader) && reader.done();
}

// Amounts of consecutive units, as in "1Y2M3D"; at least one, which may begin anywhere.
bool ReadAmounts(Reader& reader, std::string_view units) {
  bool any = false;
  while (!units.empty() && reader.Digits()) {
    size_t unit = 0;
    while (unit < units.size() && !reader.Take(units.substr(unit, 1))) {
      ++unit;
    }
    if (unit == units.size() || (any && unit > 0)) {
      return false;
    }
    any = true;
    units.remove_prefix(unit + 1);
  }
  return any;
}

// RFC 3339, appendix A.
bool IsDuration(std::string_view text) {
  if (text.find('W') != std::string_view::npos) {
    Reader weeks(text);
    return weeks.Take("P") && weeks.Digits() && weeks.Take("W") && weeks.done();
  }
  const size_t t = text.find('T');
  const std::string_view dates = text.substr(0, t);
  Reader date(dates);
  if (!date.Take("P") || (!date.done() && !(ReadAmounts(date, "YMD") && date.done()))) {
    return false;
  }
  if (t == std::string_view::npos) {
    return dates.size() > 1;
  }
  Reader time(text.substr(t + 1));
  return ReadAmounts(time, "HMS") && time.done();
}

// RFC 1123, 2.1.
bool IsHostname(std::string_view text) {
  if (text.empty() || text.size() > kMaxHostBytes) {
    return false;
  }
  while (true) {
    const size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    const bool good = !label.empty() && label.size() <= kMaxLabelBytes && label.front() != '-' &&
                      label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
                        return IsAlphanumeric(c) || c == '-';
                      });
    if (!good) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

bool IsAtom(char c, bool unicode) {
  return IsAlphanumeric(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos ||
         (unicode && static_cast<unsigned char>(c) >= 0x80);
}

bool IsQuotedLocalPart(std::string_view text, bool unicode) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') {
    return false;
  }
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      return false;
    }
    const bool printable = i < text.size() && text[i] >= ' ' && text[i] != 0x7f;
    const bool beyond = i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80;
    if (beyond ? !unicode : !printable) {
      return false;
    }
  }
  return true;
}

// RFC 5321, 4.1.2; with `unicode` RFC 6531, 3.3.
bool IsMailbox(std::string_view text, bool unicode) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > kMaxLocalPartBytes) {
    return false;
  }
  const std::string_view local = text.substr(0, at);
  std::string_view domain = text.substr(at + 1);
  const bool dotted = local.front() != '.' && local.back() != '.' &&
                      local.find("..") == std::string_view::npos &&
                      std::all_of(local.begin(), local.end(),
                                  [unicode](char c) { return c == '.' || IsAtom(c, unicode); });
  if (!dotted && !IsQuotedLocalPart(local, unicode)) {
    return false;
  }
  if (domain.starts_with('[') && domain.ends_with(']')) {
    domain = domain.substr(1, domain.size() - 2);
    return domain.starts_with("IPv6:") ? IsIpv6(domain.substr(5)) : IsIpv4(domain);
  }
  const bool beyond = std::any_of(domain.begin(), domain.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  // An internationalized name is not looked into further.
  return unicode && beyond
             ? std::none_of(domain.begin(), domain.end(), [](char c) { return c >= 0 && c <= ' '; })
             : IsHostname(domain);
}

bool IsEmail(std::string_view text) {
  return IsMailbox(text, false);
}

bool IsInternationalEmail(std::string_view text) {
  return IsMailbox(text, true);
}

bool IsAsciiUri(std::string_view text) {
  return IsUri(text, UriAlphabet::kAscii);
}
bool IsAsciiUriReference(std::string_view text) {
  return IsUriReference(text, UriAlphabet::kAscii);
}
bool IsIri(std::string_view text) {
  return IsUri(text, UriAlphabet::kUnicode);
}
bool IsIriReference(std::string_view text) {
  return IsUriReference(text, UriAlphabet::kUnicode);
}

// RFC 4122, 3.
bool IsUuid(std::string_view text) {
  if (text.size() != 36) {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) {
      return false;
    }
  }
  return true;
}

// RFC 6901, 3.
bool IsJsonPointer(std::string_view text) {
  if (!text.empty() && text.front() != '/') {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) {
      return false;
    }
  }
  return true;
}

// draft-handrews-relative-json-pointer-01, 3.
bool IsRelativeJsonPointer(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || (digits > 1 && text.front() == '0')) {
    return false;
  }
  const std::string_view rest = text.substr(digits);
  return rest == "#" || IsJsonPointer(rest);
}

// RFC 6570, 2.3: names, with dots and escapes in them, and how each is to be expanded.
bool IsTemplateVariable(std::string_view text) {
  if (text.ends_with('*')) {
    text.remove_suffix(1);
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    const std::string_view length = text.substr(colon + 1);
    if (!AreDigits(length) || length.front() == '0' || length.size() > 4) {
      return false;
    }
    text = text.substr(0, colon);
  }
  bool name = false;  // Whether a dot may follow.
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && name) {
      name = false;
    } else if (c == '%' && PercentDecoded(text.substr(i, 3))) {
      i += 2;
      name = true;
    } else if (IsAlphanumeric(c) || c == '_') {
      name = true;
    } else {
      return false;
    }
  }
  return name;
}

bool IsTemplateExpression(std::string_view text) {
  if (!text.empty() && std::string_view("+#./;?&").find(text.front()) != std::string_view::npos) {
    text.remove_prefix(1);
  }
  while (true) {
    const size_t comma = text.find(',');
    if (!IsTemplateVariable(text.substr(0, comma))) {
      return false;
    }
    if (comma == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(comma + 1);
  }
}

bool IsUriTemplate(std::string_view text) {
  while (!text.empty()) {
    const char c = text.front();
    if (c == '{') {
      const size_t end = text.find('}');
      if (end == std::string_view::npos || !IsTemplateExpression(text.substr(1, end - 1))) {
        return false;
      }
      text.remove_prefix(end + 1);
      continue;
    }
    const bool literal = static_cast<unsigned char>(c) > ' ' && c != 0x7f &&
                         std::string_view("\"'<>\\^`|}").find(c) == std::string_view::npos;
    if (!literal || (c == '%' && !PercentDecoded(text.substr(0, 3)))) {
      return false;
    }
    text.remove_prefix(1);
  }
  return true;
}

}  // namespace

const std::vector<Format>& Formats() {
  static const std::vector<Format> kFormats = {
      {"date", IsDate},
      {"date-time", IsDateTime},
      {"duration", IsDuration},
      {"email", IsEmail},
      {"hostname", IsHostname},
      {"idn-email", IsInternationalEmail},
      {"ipv4", IsIpv4},
      {"ipv6", IsIpv6},
      {"iri", IsIri},
      {"iri-reference", IsIriReference},
      {"json-pointer", IsJsonPointer},
      {"regex", IsPattern},
      {"relative-json-pointer", IsRelativeJsonPointer},
      {"time", IsTime},
      {"uri", IsAsciiUri},
      {"uri-reference", IsAsciiUriReference},
      {"uri-template", IsUriTemplate},
      {"uuid", IsUuid},
  };
  return kFormats;
}

const Format* FindFormat(std::string_view name) {
  for (const Format& format : Formats()) {
    if (format.name == name) {
      return &format;
    }
  }
  return nullptr;
}

}  // namespace entente::dsl::schema_internal
