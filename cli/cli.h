// The command line client: every subcommand of `entente` but `serve`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace entente::cli {

inline constexpr std::string_view kVersion = "0.1.0";

// Adds the subcommands to `app`. When one runs it sets `exit_code`: 0 done, 1 the answer is "no" or
// an error (said on stderr), 2 wrong use. Both must outlive the parse.
void AddCommands(CLI::App& app, int& exit_code);

// The command line as it is to be parsed: `--name=` is an option with an empty value, in two
// arguments; the parser by itself would take the next argument for its value.
[[nodiscard]] std::vector<std::string> ReadArguments(const std::vector<std::string>& given);

}  // namespace entente::cli
