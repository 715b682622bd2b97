#include "engine/render_http.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace entente::engine {
namespace {

using dsl::cel::Activation;
using dsl::cel::Kind;
using dsl::cel::Template;
using dsl::cel::Value;

// Before each value in a path that is being put together. Neither byte can stand there otherwise:
// the compiler refuses control characters in what the author wrote, and values are encoded.
constexpr char kSpliced = '\x01';
constexpr char kSplicedNull = '\x02';
constexpr std::string_view kMarks = "\x01\x02";

// How often a value is decoded to see what it could be taken for: once for our own encoding, and
// for two more that a chain of proxies might undo.
constexpr int kDecodings = 3;

constexpr size_t kShownBytes = 200;

// For one path segment, query value or field of a form: RFC 3986's unreserved characters and ':',
// which stands in every key and means nothing there, stay; all others are escaped.
std::string PercentEncode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || c == ':';
    if (plain) {
      encoded.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.push_back('%');
    encoded.push_back(kHex[byte >> 4]);
    encoded.push_back(kHex[byte & 0xF]);
  }
  return encoded;
}

std::optional<int> HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? std::optional(c - 'A' + 10) : std::nullopt;
}

std::string PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const auto high =
        text[at] == '%' && at + 2 < text.size() ? HexValue(text[at + 1]) : std::nullopt;
    const auto low = high ? HexValue(text[at + 2]) : std::nullopt;
    if (low) {
      decoded.push_back(static_cast<char>(*high * 16 + *low));
      at += 2;
    } else {
      decoded.push_back(text[at]);
    }
  }
  return decoded;
}

bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::string_view TrimBlanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// What is wrong with a decoded segment, or nothing.
std::optional<std::string> TrapIn(std::string_view segment) {
  if (HasControl(segment)) {
    return "a segment that holds a control character";
  }
  bool names_something = false;
  while (true) {
    const size_t slash = segment.find_first_of("/\\");
    // Some servers cut ";..." off a segment before they look at its dots.
    std::string_view part = segment.substr(0, slash);
    part = TrimBlanks(part.substr(0, part.find(';')));
    if (!part.empty() && part.find_first_not_of('.') == std::string_view::npos) {
      return "'" + std::string(part) + "' as one of its segments";
    }
    names_something = names_something || !part.empty();
    if (slash == std::string_view::npos) {
      break;
    }
    segment.remove_prefix(slash + 1);
  }
  return names_something ? std::nullopt : std::optional<std::string>("an empty segment");
}

// Of a segment with its marks.
std::optional<std::string> TrapInSpliced(std::string_view segment) {
  if (segment.find(kSplicedNull) != std::string_view::npos) {
    return "null in one of its segments";
  }
  std::string text(segment);
  std::erase(text, kSpliced);
  for (int i = 0; i < kDecodings; ++i) {
    text = PercentDecode(text);
  }
  return TrapIn(text);
}

std::string WithoutMarks(std::string_view marked) {
  std::string text(marked);
  std::erase_if(text, [](char c) { return kMarks.find(c) != std::string_view::npos; });
  return text;
}

// What the author wrote himself may be empty or end in a slash.
Status CheckPath(std::string_view marked) {
  std::string_view path = marked.substr(0, marked.find('?'));
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    const bool spliced = segment.find_first_of(kMarks) != std::string_view::npos;
    if (const auto trap = spliced ? TrapInSpliced(segment) : std::nullopt) {
      return InvalidArgument("expression.error",
                             "the path '" + WithoutMarks(marked).substr(0, kShownBytes) + "' has " +
                                 *trap +
                                 ", which would lead elsewhere: what is put into a path "
                                 "has to name one thing there");
    }
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return {};
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower_case) {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
  });
}

std::string ContentType(const std::vector<std::pair<std::string, std::string>>& rendered,
                        const dsl::Participant& participant) {
  const auto find = [](const auto& headers) -> std::optional<std::string> {
    for (const auto& [name, value] : headers) {
      if (EqualsIgnoringCase(name, "content-type")) {
        return value;
      }
    }
    return std::nullopt;
  };
  auto found = find(rendered);
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address); http && !found) {
    found = find(http->headers);
  }
  std::string type = found.value_or("application/json");
  type.resize(std::min(type.find(';'), type.size()));
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return std::string(TrimBlanks(type));
}

bool IsJsonType(std::string_view type) {
  return type.ends_with("/json") || type.ends_with("+json") ||
         type.find("-json") != std::string_view::npos;
}

}  // namespace

Result<std::string> RenderPath(const Template& path, const Activation& activation) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::string marked,
      path.RenderText(activation, [](const Value& value, std::string_view text) {
        const bool null = value.kind() == Kind::kNull;
        return std::string(1, null ? kSplicedNull : kSpliced) + PercentEncode(text);
      }));
  ENTENTE_RETURN_IF_ERROR(CheckPath(marked));
  return WithoutMarks(marked);
}

Result<std::string> RenderBody(const Template& body, const Activation& activation,
                               const std::vector<std::pair<std::string, std::string>>& rendered,
                               const dsl::Participant& participant, const JsonLimits& bounds) {
  const std::string type = ContentType(rendered, participant);
  if (!IsJsonType(type) && body.is_text() && !body.is_expression()) {
    const bool form = type == "application/x-www-form-urlencoded";
    return body.RenderText(
        activation,
        [form](const Value&, std::string_view text) {
          return form ? PercentEncode(text) : std::string(text);
        },
        bounds.max_bytes);
  }
  ENTENTE_ASSIGN_OR_RETURN(Json json, body.Render(activation, bounds));
  if (json.is_string() && !IsJsonType(type)) {
    return std::move(json.get_ref<std::string&>());
  }
  return DumpJson(json);
}

std::string EditedBody(const JsonText& body,
                       const std::vector<std::pair<std::string, std::string>>& rendered,
                       const dsl::Participant& participant) {
  const Json json = body.Read();
  return json.is_string() && !IsJsonType(ContentType(rendered, participant))
             ? json.get<std::string>()
             : body.text();
}

}  // namespace entente::engine
