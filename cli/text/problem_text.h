// Mistakes in a definition, shown where they stand.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "cli/text/definition_text.h"

namespace entente::cli {

struct Context;

// "file:line:column: message; suggestion", the offending line and a caret under the column.
// `problem` has the members of a DefinitionProblem, and `warning` if it is one; `source` is the
// text of the definition.
[[nodiscard]] std::string ShowProblem(std::string_view file, std::string_view source,
                                      const Json& problem);

// How the text of a file reached the coordinator, which tells whether its lines are the file's.
enum class Sent { kAsWritten, kWrittenAnew };

// Explains the last refusal of context's client by the mistakes it named in `source`, the text of
// `file` ("-": standard input) of which the JSON was sent, and sets the exit code. False, and
// nothing is done: it named none, or the answer is for a script.
[[nodiscard]] bool PrintRefusal(Context& context, const std::string& file,
                                const DefinitionSource& source, Sent sent);

}  // namespace entente::cli
