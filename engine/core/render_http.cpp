#include "engine/core/render_http.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/utf8.h"
#include "dsl/addresses.h"
#include "dsl/read/body_kind.h"

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
constexpr char kSplicedTree = '\x03';  // A list or an object.
constexpr std::string_view kMarks = "\x01\x02\x03";

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

// What some library or other strips from the ends of a text: Unicode's White_Space, and the
// characters of no width that are not seen.
constexpr std::string_view kBlanks[] = {" ",
                                        "\xC2\x85",
                                        "\xC2\xA0",
                                        "\xE1\x9A\x80",
                                        "\xE1\xA0\x8E",
                                        "\xE2\x80\x80",
                                        "\xE2\x80\x81",
                                        "\xE2\x80\x82",
                                        "\xE2\x80\x83",
                                        "\xE2\x80\x84",
                                        "\xE2\x80\x85",
                                        "\xE2\x80\x86",
                                        "\xE2\x80\x87",
                                        "\xE2\x80\x88",
                                        "\xE2\x80\x89",
                                        "\xE2\x80\x8A",
                                        "\xE2\x80\x8B",
                                        "\xE2\x80\x8C",
                                        "\xE2\x80\x8D",
                                        "\xE2\x80\xA8",
                                        "\xE2\x80\xA9",
                                        "\xE2\x80\xAF",
                                        "\xE2\x81\x9F",
                                        "\xE2\x81\xA0",
                                        "\xE3\x80\x80",
                                        "\xEF\xBB\xBF"};

std::string_view TrimBlanks(std::string_view text) {
  for (const std::string_view blank : kBlanks) {
    if (text.starts_with(blank)) {
      return TrimBlanks(text.substr(blank.size()));
    }
    if (text.ends_with(blank)) {
      return TrimBlanks(text.substr(0, text.size() - blank.size()));
    }
  }
  return text;
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
  if (segment.find(kSplicedTree) != std::string_view::npos) {
    return "a list or an object in one of its segments";
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

std::string MarkOf(Kind kind) {
  switch (kind) {
    case Kind::kNull: return {kSplicedNull};
    case Kind::kList:
    case Kind::kMap: return {kSplicedTree};
    default: return {kSpliced};
  }
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower_case) {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
  });
}

dsl::BodyKind KindOf(const std::vector<std::pair<std::string, std::string>>& rendered,
                     const dsl::Participant& participant) {
  const auto find = [](const auto& headers) -> const std::string* {
    for (const auto& [name, value] : headers) {
      if (EqualsIgnoringCase(name, "content-type")) {
        return &value;
      }
    }
    return nullptr;
  };
  const std::string* found = find(rendered);
  if (const auto* http = std::get_if<dsl::HttpAddress>(&participant.address); http && !found) {
    found = find(http->headers);
  }
  return found == nullptr ? dsl::BodyKind::kJson : dsl::KindOfBody(*found);
}

std::string TextOf(const Json& scalar) {
  return scalar.is_string() ? scalar.get<std::string>()
         : scalar.is_null() ? std::string()
                            : DumpJson(scalar);
}

Result<std::string> FormOf(const Json& object) {
  std::string form;
  for (const auto& [name, value] : object.items()) {
    if (value.is_structured()) {
      return InvalidArgument("expression.error", "the body is sent as a form, whose field '" +
                                                     name + "' can not be a list or an object");
    }
    form += (form.empty() ? "" : "&") + PercentEncode(name) + "=" + PercentEncode(TextOf(value));
  }
  return form;
}

// Something other than JSON has no lists and objects, but for a form, which is one object.
Result<std::string> BodyOf(const Json& json, dsl::BodyKind kind) {
  if (kind == dsl::BodyKind::kJson) {
    return DumpJson(json);
  }
  if (kind == dsl::BodyKind::kForm && json.is_object()) {
    return FormOf(json);
  }
  if (json.is_structured()) {
    return InvalidArgument("expression.error",
                           "the body is " + std::string(json.is_array() ? "a list" : "an object") +
                               ", which the call's Content-Type has no form for: give a text, or "
                               "send JSON");
  }
  return TextOf(json);
}

}  // namespace

Result<std::string> RenderPath(const Template& path, const Activation& activation) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::string marked,
      path.RenderText(activation, [](const Value& value, std::string_view text) {
        return MarkOf(value.kind()) + PercentEncode(text);
      }));
  ENTENTE_RETURN_IF_ERROR(CheckPath(marked));
  return WithoutMarks(marked);
}

Result<std::string> RenderBody(const Template& body, const Activation& activation,
                               const std::vector<std::pair<std::string, std::string>>& rendered,
                               const dsl::Participant& participant, const JsonLimits& bounds) {
  const dsl::BodyKind kind = KindOf(rendered, participant);
  if (kind != dsl::BodyKind::kJson && body.is_text() && !body.is_expression()) {
    return body.RenderText(
        activation,
        [kind](const Value&, std::string_view text) {
          return kind == dsl::BodyKind::kForm ? PercentEncode(text) : std::string(text);
        },
        bounds.max_bytes);
  }
  ENTENTE_ASSIGN_OR_RETURN(const Json json, body.Render(activation, bounds));
  return BodyOf(json, kind);
}

Result<std::string> EditedBody(const JsonText& body,
                               const std::vector<std::pair<std::string, std::string>>& rendered,
                               const dsl::Participant& participant) {
  const dsl::BodyKind kind = KindOf(rendered, participant);
  return kind == dsl::BodyKind::kJson ? body.text() : BodyOf(body.Read(), kind);
}

Result<std::string> RenderBaseUrl(const Template& url, const Activation& activation,
                                  std::string_view target) {
  ENTENTE_ASSIGN_OR_RETURN(const Json value, url.Render(activation));
  const auto* text = value.get_ptr<const std::string*>();
  if (text == nullptr) {
    return InvalidArgument("expression.error", "the address of its participant is " +
                                                   ToUtf8(DumpJson(value), limits::kMaxNameBytes) +
                                                   ", not a text");
  }
  const size_t query = std::min(text->find('?'), text->size());
  if (const auto bad = dsl::CheckHttpUrl(std::string_view(*text).substr(0, query))) {
    return InvalidArgument("expression.error", bad->message);
  }
  if (dsl::FindBadPathByte(std::string_view(*text).substr(query))) {
    return InvalidArgument(
        "expression.error",
        "the address of its participant has a query with a character that has to be "
        "percent-encoded, or with a fragment");
  }
  if (query < text->size() && target != "/") {
    return InvalidArgument("expression.error",
                           "the address of its participant has a query, so that no path can be "
                           "added to it: the call's own would have to be '/'");
  }
  std::string normalized = dsl::NormalizedHttpUrl(std::string_view(*text).substr(0, query));
  while (target != "/" && normalized.ends_with('/')) {
    normalized.pop_back();
  }
  const bool has_path = normalized.find('/', normalized.find("://") + 3) != std::string::npos;
  return normalized + (query < text->size() && !has_path ? "/" : "") + text->substr(query);
}

}  // namespace entente::engine
