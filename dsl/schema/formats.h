// The formats that strings can be asked to have.
#pragma once

#include <string_view>
#include <vector>

namespace entente::dsl::schema_internal {

struct Format {
  std::string_view name;
  // Whether `text`, which is UTF-8, has it. Time and memory in proportion to its length.
  bool (*has)(std::string_view text);
};

// Null if there is none of that name.
[[nodiscard]] const Format* FindFormat(std::string_view name);
// By name.
[[nodiscard]] const std::vector<Format>& Formats();

}  // namespace entente::dsl::schema_internal
