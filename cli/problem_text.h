// Mistakes in a definition, shown where they stand.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace entente::cli {

// "file:line:column: message; suggestion", the offending line and a caret under the column.
// `problem` has the members of a DefinitionProblem; `source` is the text of the definition.
[[nodiscard]] std::string ShowProblem(std::string_view file, std::string_view source,
                                      const Json& problem);

}  // namespace entente::cli
