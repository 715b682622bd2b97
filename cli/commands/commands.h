// The groups of subcommands. Each adds to `app` what runs with `context`; both must outlive the
// parse.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace entente::cli {

struct Context;
struct Terminal;

void AddDefinitionCommands(CLI::App& app, Context& context);    // definitions put, get, list, show
void AddOfflineCommands(CLI::App& app, Context& context);       // validate, graph, eval
void AddDryRun(CLI::App& app, Context& context);                // dry-run
void AddExplore(CLI::App& app, Context& context);               // explore
void AddSubmitCommands(CLI::App& app, Context& context);        // submit, watch
void AddClientDrivenCommands(CLI::App& app, Context& context);  // begin, enlist, ..., decision
void AddReadCommands(CLI::App& app, Context& context);          // get, list, history, ...
void AddBulkCommands(CLI::App& app, Context& context);          // bulk ...
void AddTokenCommands(CLI::App& app, Context& context);         // tokens create, list, revoke
void AddAuditCommand(CLI::App& app, Context& context);          // audit
void AddKeyCommands(CLI::App& app, Context& context);           // keys list, rotate
void AddDoctor(CLI::App& app, Context& context);                // doctor
void AddOperatorCommands(CLI::App& app, Context& context);      // cancel, pause, ..., complete

// All of them on `terminal` rather than the process's own streams; for tests.
void AddCommandsOn(const Terminal& terminal, CLI::App& app, int& exit_code);

// --label, which may be repeated; `labels` must outlive the parse.
void AddLabelOption(CLI::App& command, std::vector<std::string>& labels);

// --server and --json, which every command that talks to a coordinator takes.
void AddClientOptions(CLI::App& command, Context& context);

// Adds the positional GID, which must not be empty; `gid` must outlive the parse.
void AddGid(CLI::App& command, std::string& gid);

// --limit and --cursor.
void AddPage(CLI::App& command, uint32_t& limit, std::string& cursor);

// Adds --actor, $USER unless it is given.
void AddActor(CLI::App& command, std::string& actor);

}  // namespace entente::cli
