#include "cli/text/definition_text.h"

#include <algorithm>
#include <utility>

#include "cli/context.h"

namespace entente::cli {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

bool IsYaml(const std::string& path, std::string_view text) {
  if (path.ends_with(".yaml") || path.ends_with(".yml")) {
    return true;
  }
  if (path.ends_with(".json")) {
    return false;
  }
  const std::string bare = WithoutComments(text);
  const size_t first = bare.find_first_not_of(kSpace);
  // An object, or what the compiler says is none; YAML's lists and scalars are no definitions.
  return first != std::string::npos && bare[first] != '{' && bare[first] != '[' &&
         bare[first] != '"' && text.find(':') != std::string_view::npos;
}

// The end of the JSON string that begins at `start`: behind its closing quote.
size_t EndOfString(std::string_view text, size_t start) {
  size_t at = start + 1;
  while (at < text.size() && text[at] != '"' && text[at] != '\n') {
    at += text[at] == '\\' ? 2 : 1;
  }
  return std::min(at + 1, text.size());
}

// The end of the comment that begins at `start`; `start` itself if none does.
size_t EndOfComment(std::string_view text, size_t start) {
  const std::string_view opening = text.substr(start, 2);
  if (opening == "//") {
    return std::min(text.find('\n', start), text.size());
  }
  if (opening == "/*") {
    const size_t end = text.find("*/", start + 2);
    return end == std::string_view::npos ? text.size() : end + 2;
  }
  return start;
}

}  // namespace

std::string WithoutComments(std::string_view text) {
  std::string bare(text);
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      at = EndOfString(text, at);
      continue;
    }
    const size_t end = EndOfComment(text, at);
    for (size_t i = at; i < end; ++i) {
      bare[i] = text[i] == '\n' ? '\n' : ' ';
    }
    at = std::max(end, at + 1);
  }
  return bare;
}

Result<DefinitionSource> ReadDefinition(Context& context, const std::string& path) {
  DefinitionSource text;
  ENTENTE_ASSIGN_OR_RETURN(text.written, ReadFile(context, path));
  if (!IsYaml(path, text.written)) {
    text.json = WithoutComments(text.written);
    return text;
  }
  auto json = JsonOfYaml(text.written);
  if (!json.ok()) {
    return Status(json.status().code(), json.status().reason(),
                  NameOfFile(path) + ":" + json.status().message());
  }
  text.json = std::move(json).value();
  return text;
}

}  // namespace entente::cli
