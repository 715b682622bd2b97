// entente: `entente serve` is the coordinator; the other subcommands are its client and tools.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/cli.h"
#include "coordinator/commands/probe_command.h"
#include "coordinator/commands/store_commands.h"
#include "coordinator/commands/version_command.h"
#include "coordinator/config.h"
#include "coordinator/serve.h"

namespace {

using entente::Status;
using entente::coordinator::Config;

// The values of `serve`'s flags as they were given; applied after the file and the environment.
struct ServeFlags {
  std::string config_file;
  std::vector<std::pair<const entente::coordinator::Setting*, std::vector<std::string>>> given;
};

int RunServe(const ServeFlags& flags) {
  Config config;
  const auto apply = [&]() -> Status {
    if (!flags.config_file.empty()) {
      ENTENTE_RETURN_IF_ERROR(entente::coordinator::ApplyConfigFile(flags.config_file, config));
    }
    ENTENTE_RETURN_IF_ERROR(entente::coordinator::ApplyEnvironment(config));
    for (const auto& [setting, values] : flags.given) {
      const Status applied = entente::coordinator::ApplyValues(*setting, values, config);
      if (!applied.ok()) {
        return entente::InvalidArgument("config.invalid",
                                        "--" + setting->name + ": " + applied.message());
      }
    }
    return {};
  };
  if (const Status applied = apply(); !applied.ok()) {
    std::fprintf(stderr, "entente: can not start: %s\n", applied.message().c_str());
    return 1;
  }
  return entente::coordinator::Serve(config);
}

void AddServe(CLI::App& app, ServeFlags& flags, int& exit_code) {
  CLI::App* serve = app.add_subcommand("serve", "Run the coordinator");
  serve
      ->add_option("--config", flags.config_file,
                   "JSON file of the settings below, named without '--'")
      ->envname("ENTENTE_CONFIG");
  const Config defaults;
  const auto& settings = entente::coordinator::Settings();
  flags.given.reserve(settings.size());
  for (const auto& setting : settings) {
    auto& [which, values] = flags.given.emplace_back(&setting, std::vector<std::string>());
    const std::string shown = setting.show(defaults);
    auto* option = serve->add_option("--" + setting.name, values,
                                     setting.help + (shown.empty() ? "" : " [" + shown + "]") +
                                         " (" + setting.environment + ")");
    option->type_name("TEXT");
    if (setting.list) {
      option->expected(1, -1)->allow_extra_args(false);
    } else {
      option->expected(1)->allow_extra_args(false);
    }
  }
  serve->callback([&flags, &exit_code] { exit_code = RunServe(flags); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Entente: all or nothing, across services", "entente"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(entente::cli::kVersion));
  int exit_code = 0;
  ServeFlags flags;
  AddServe(app, flags, exit_code);
  entente::coordinator::AddStoreCommands(app, exit_code);
  entente::coordinator::AddVersionCommand(app);
  entente::coordinator::AddProbeCommand(app, exit_code);
  entente::cli::AddCommands(app, exit_code);
  try {
    std::vector<std::string> arguments =
        entente::cli::ReadArguments(std::vector<std::string>(argv + 1, argv + argc));
    std::ranges::reverse(arguments);  // As it takes them.
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // Help and the like, or wrong use.
  }
  return exit_code;
}
