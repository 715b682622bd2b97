// What the command line says of its commands: listed by what one comes for, and an answer to words
// that are none.
#pragma once

#include <string>

namespace CLI {
class App;
class Error;
}  // namespace CLI

namespace entente::cli {

// Lists the commands of `app` under headings. To be called once all are added; one that no heading
// names stays among the others.
void GroupCommands(CLI::App& app);

// What is wrong with a command line that `app` refused with `error`, what was probably meant, and
// where to look. One line without its end.
[[nodiscard]] std::string ExplainUsage(const CLI::App& app, const CLI::Error& error);

}  // namespace entente::cli
