// The subcommand that tries a running service: probe.
#pragma once

namespace CLI {
class App;
}

namespace entente::coordinator {

// Adds it to `app`; `exit_code` receives 0 if every promise was kept, else 1. Both must outlive the
// parse.
void AddProbeCommand(CLI::App& app, int& exit_code);

}  // namespace entente::coordinator
