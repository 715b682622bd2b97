#include "cli/cli.h"

#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/context.h"

namespace entente::cli {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:8080";

}  // namespace

void AddClientOptions(CLI::App& command, Context& context) {
  command
      .add_option("--server", context.server,
                  "The coordinator [" + context.server + "] (ENTENTE_SERVER)")
      ->type_name("URL");
  command.add_flag("--json", context.json, "Print the coordinator's JSON, for scripts");
}

void AddCommandsOn(const Terminal& terminal, CLI::App& app, int& exit_code) {
  // The callbacks share it and nothing else could own it: it lives as long as they do.
  const auto context = std::make_shared<Context>(terminal, exit_code);
  app.final_callback([context] {});
  // The environment is read here and not by the options, of which there is one per command: one
  // that is not given must not overrule another that is.
  const char* server = std::getenv("ENTENTE_SERVER");
  context->server = server != nullptr && *server != '\0' ? server : kDefaultServer;
  AddClientOptions(app, *context);
  AddDefinitionCommands(app, *context);
  AddOfflineCommands(app, *context);
  AddDryRun(app, *context);
  AddSubmitCommands(app, *context);
  AddReadCommands(app, *context);
  AddOperatorCommands(app, *context);
}

void AddCommands(CLI::App& app, int& exit_code) {
  AddCommandsOn(SystemTerminal(), app, exit_code);
}

}  // namespace entente::cli
