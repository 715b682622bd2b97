// The command line client: every subcommand of `entente` but `serve`.
#pragma once

#include <string_view>

namespace CLI {
class App;
}

namespace entente::cli {

inline constexpr std::string_view kVersion = "0.1.0";

// Adds the subcommands to `app`. When one runs it sets `exit_code`: 0 done, 1 the answer is "no" or
// an error (said on stderr), 2 wrong use. Both must outlive the parse.
void AddCommands(CLI::App& app, int& exit_code);

}  // namespace entente::cli
