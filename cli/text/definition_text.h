// Definitions as their authors write them: JSON, JSON with comments, or YAML.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace entente::cli {

struct Context;

struct DefinitionSource {
  std::string written;  // As it is in the file.
  // The same as JSON. Whatever stands in a line of `written` stands in that line here too, and as
  // near to its column as the marks of JSON allow: so a mistake that is found in one, by whomever,
  // is found in the other.
  std::string json;
};

// Reads a file ("-": standard input). It is YAML if its name ends in .yaml or .yml, or, without a
// name that says so, if it begins as no JSON does. Fails as ReadFile does, and for a text that is
// no YAML with definition.bad_yaml and its place. What is no JSON is left for the compiler to say.
[[nodiscard]] Result<DefinitionSource> ReadDefinition(Context& context, const std::string& path);

// JSON with each comment (// to the end of the line, /* to */) replaced by as many spaces.
[[nodiscard]] std::string WithoutComments(std::string_view text);

// One YAML document as JSON. Plain scalars are null, true, false and JSON's numbers, with their
// digits; every other scalar is a text, `yes` and `0x1F` too. Keys are texts. Aliases are written
// out, within the limit for a definition.
[[nodiscard]] Result<std::string> JsonOfYaml(std::string_view text);

}  // namespace entente::cli
