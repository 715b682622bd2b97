// The subcommands that work on a store's files, beside or without a coordinator: backup, compact.
#pragma once

namespace CLI {
class App;
}

namespace entente::coordinator {

// Adds them to `app`; `exit_code` receives 0, or 1 and the reason on stderr. Both must outlive the
// parse.
void AddStoreCommands(CLI::App& app, int& exit_code);

}  // namespace entente::coordinator
