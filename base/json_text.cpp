#include "base/json_text.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace entente {
namespace {

constexpr std::string_view kNull = "null";

// Where the string that begins at `at` ends, behind its quote.
size_t EndOfString(std::string_view text, size_t at) {
  for (size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      return i + 1;
    }
    i += text[i] == '\\' ? 1 : 0;
  }
  return text.size();
}

// Where the value that begins at `at` ends.
size_t EndOfValue(std::string_view text, size_t at) {
  for (size_t depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      at = EndOfString(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth == 0) {
        return at;
      }
      --depth;
      ++at;
    } else if (c == ',' || c == ':') {
      at += depth == 0 ? 0 : 1;
    } else {
      at = std::min(text.find_first_of("\"{}[],:", at), text.size());
    }
    if (depth == 0) {
      return at;
    }
  }
  return text.size();
}

// The member of `object` whose key is written as `key`, with its quotes.
std::optional<std::string_view> Member(std::string_view object, std::string_view key) {
  if (!object.starts_with('{')) {
    return std::nullopt;
  }
  for (size_t at = 1; at < object.size() && object[at] == '"';) {
    const size_t value = EndOfString(object, at) + 1;  // Behind the colon.
    const bool found = object.substr(at).starts_with(key) && at + key.size() + 1 == value;
    const size_t end = EndOfValue(object, value);
    if (found && value < end) {
      return object.substr(value, end - value);
    }
    at = end + 1;  // Behind the comma.
  }
  return std::nullopt;
}

}  // namespace

JsonText::JsonText(const Json& value) {
  if (!value.is_null()) {
    *this = Checked(DumpJson(value));
  }
}

Result<JsonText> JsonText::Parse(std::string_view text, const JsonLimits& limits) {
  ENTENTE_ASSIGN_OR_RETURN(const Json value, ParseExactJson(text, limits));
  return JsonText(value);
}

Result<JsonText> JsonText::FromStored(std::string text) {
  if (text.empty() || text == kNull) {
    return JsonText();
  }
  ENTENTE_RETURN_IF_ERROR(ParseExactJson(text, limits::kStoredJson).status());
  return Checked(std::move(text));
}

JsonText JsonText::Checked(std::string text) {
  text.shrink_to_fit();  // It grew by doubling, and may stay for days.
  JsonText checked;
  checked.text_ = std::make_shared<const std::string>(std::move(text));
  return checked;
}

JsonText JsonText::ArrayOf(std::span<const JsonText> elements) {
  size_t bytes = 2;
  for (const JsonText& element : elements) {
    bytes += element.text().size() + 1;
  }
  std::string text;
  text.reserve(bytes);
  text += '[';
  for (const JsonText& element : elements) {
    text.append(text.size() > 1 ? "," : "").append(element.text());
  }
  text += ']';
  return Checked(std::move(text));
}

const std::string& JsonText::text() const {
  static const std::string null(kNull);
  return text_ == nullptr ? null : *text_;
}

Json JsonText::Read() const {
  if (is_null()) {
    return Json();
  }
  Result<Json> value = ParseExactJson(*text_, limits::kStoredJson);
  ENTENTE_CHECK(value.ok());  // It was read once when it entered.
  return std::move(value).value();
}

JsonText::Part JsonText::Select(std::span<const std::string> names) const {
  Part part{text(), 0};
  for (const std::string& name : names) {
    const auto member = Member(part.text, DumpJson(Json(name)));
    if (!member) {
      break;
    }
    part.text = *member;
    ++part.depth;
  }
  return part;
}

}  // namespace entente
