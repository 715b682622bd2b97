// The groups of subcommands. Each adds to `app` what runs with `context`; both must outlive the
// parse.
#pragma once

namespace CLI {
class App;
}

namespace entente::cli {

struct Context;
struct Terminal;

void AddDefinitionCommands(CLI::App& app, Context& context);  // definitions put, get, list, show
void AddOfflineCommands(CLI::App& app, Context& context);     // validate, graph, eval
void AddDryRun(CLI::App& app, Context& context);              // dry-run
void AddSubmitCommands(CLI::App& app, Context& context);      // submit, watch
void AddReadCommands(CLI::App& app, Context& context);        // get, list, history, ...
void AddOperatorCommands(CLI::App& app, Context& context);    // cancel, pause, ..., complete

// All of them on `terminal` rather than the process's own streams; for tests.
void AddCommandsOn(const Terminal& terminal, CLI::App& app, int& exit_code);

// --server and --json, which every command that talks to a coordinator takes.
void AddClientOptions(CLI::App& command, Context& context);

}  // namespace entente::cli
