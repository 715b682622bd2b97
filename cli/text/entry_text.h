// One durable step of a transaction as a line.
#pragma once

#include <string>

#include "base/json.h"
#include "base/time.h"
#include "cli/text/terminal.h"

namespace entente::cli {

// What a HistoryEntry says, in words; a type this program does not know is shown by its name.
[[nodiscard]] std::string DescribeEntry(const Json& entry, Instant now);

// When it happened (ShowMoment), the branch or step, and DescribeEntry; one line, ended.
// Nothing for an entry that the next one repeats.
[[nodiscard]] std::string ShowEntry(const Json& entry, const Terminal& terminal, Instant now);

}  // namespace entente::cli
