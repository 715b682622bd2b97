#include "coordinator/log/log_line.h"

#include <algorithm>

#include "base/json.h"
#include "base/utf8.h"

namespace entente::coordinator {
namespace {

std::string Quoted(std::string_view text) {
  std::string plain(text);
  std::replace(plain.begin(), plain.end(), '"', '\'');
  std::replace(plain.begin(), plain.end(), '\\', '\'');
  return '"' + ShowText(plain) + '"';
}

}  // namespace

LogLine& LogLine::Word(std::string_view key, std::string_view value) {
  if (!value.empty()) {
    fields_.push_back({key, std::string(value), Form::kWord});
  }
  return *this;
}

LogLine& LogLine::Text(std::string_view key, std::string_view value) {
  if (!value.empty()) {
    fields_.push_back({key, std::string(value.substr(0, kMaxTextBytes)), Form::kText});
  }
  return *this;
}

std::string LogLine::AsText() const {
  std::string line = "event=" + std::string(event_);
  for (const Field& field : fields_) {
    line.append(" ").append(field.key).append("=");
    line += field.form == Form::kText ? Quoted(field.value) : field.value;
  }
  return line;
}

std::string LogLine::AsJson() const {
  std::string line = "{\"event\":" + DumpJson(Json(std::string(event_)));
  for (const Field& field : fields_) {
    line += "," + DumpJson(Json(std::string(field.key))) + ":";
    line += field.form == Form::kNumber
                ? field.value
                : DumpJson(Json(ToUtf8(field.value, field.value.size() * 3)));
  }
  return line + "}";
}

}  // namespace entente::coordinator
