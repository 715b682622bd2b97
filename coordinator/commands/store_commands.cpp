#include "coordinator/commands/store_commands.h"

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "coordinator/config.h"
#include "storage/maintain.h"
#include "storage/open.h"

namespace entente::coordinator {
namespace {

struct Options {
  std::string config_file;
  std::string store;
  std::string target;
};

// The store that `entente serve` would open.
Result<std::string> StoreOf(const Options& options) {
  Config config;
  if (!options.config_file.empty()) {
    ENTENTE_RETURN_IF_ERROR(ApplyConfigFile(options.config_file, config));
  }
  ENTENTE_RETURN_IF_ERROR(ApplyEnvironment(config));
  return options.store.empty() ? config.store : options.store;
}

std::string Size(uint64_t bytes) {
  return std::to_string(bytes) + " bytes";
}

Result<std::string> RunBackup(const Options& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string store, StoreOf(options));
  ENTENTE_ASSIGN_OR_RETURN(const storage::BackupReport report,
                           storage::BackUpStore(store, options.target));
  return options.target + ": " + Size(report.bytes) +
         ", verified: " + std::to_string(report.transactions.open) + " open and " +
         std::to_string(report.transactions.finished) + " finished transactions";
}

Result<std::string> RunCompact(const Options& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string store, StoreOf(options));
  ENTENTE_ASSIGN_OR_RETURN(const storage::CompactReport report, storage::CompactStore(store));
  return store + ": " + Size(report.bytes_before) + " before, " + Size(report.bytes_after) +
         " after";
}

Result<std::string> RunMigrate(const Options& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string store, StoreOf(options));
  ENTENTE_RETURN_IF_ERROR(storage::MigrateStore(store));
  return storage::ShownUrl(store) + ": its tables are this release's";
}

Result<std::string> RunImport(const Options& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string store, StoreOf(options));
  ENTENTE_ASSIGN_OR_RETURN(const storage::ImportReport report,
                           storage::ImportStore(options.target, store, [](uint64_t done) {
                             std::fprintf(stderr, "entente: %llu transactions copied or compared\n",
                                          static_cast<unsigned long long>(done));
                           }));
  return storage::ShownUrl(store) + ": imported and verified " +
         std::to_string(report.definitions) + " versions of definitions, " +
         std::to_string(report.open) + " open and " + std::to_string(report.finished) +
         " finished transactions";
}

int Tell(const Result<std::string>& outcome) {
  if (!outcome.ok()) {
    std::fprintf(stderr, "entente: %s [%s]\n", outcome.status().message().c_str(),
                 outcome.status().reason().c_str());
    return 1;
  }
  std::printf("%s\n", outcome->c_str());
  return 0;
}

CLI::App* Add(CLI::App& app, const std::string& name, const std::string& help, int& exit_code,
              const std::shared_ptr<Options>& options,
              Result<std::string> (*run)(const Options& options)) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("--store", options->store, "As `serve` is given it (ENTENTE_STORE)")
      ->type_name("URL");
  command->add_option("--config", options->config_file, "The JSON file that `serve` is given")
      ->envname("ENTENTE_CONFIG");
  command->callback([options, run, &exit_code] { exit_code = Tell(run(*options)); });
  return command;
}

}  // namespace

void AddStoreCommands(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  CLI::App* backup = Add(app, "backup", "Copy the store to a file, also while it is in use",
                         exit_code, options, RunBackup);
  backup->add_option("FILE", options->target, "The copy; it must not exist")
      ->required()
      ->type_name("");
  Add(app, "compact", "Make the store's file smaller, while no coordinator runs", exit_code,
      options, RunCompact);
  Add(app, "migrate", "Create the tables in PostgreSQL, or bring them up to this release",
      exit_code, options, RunMigrate);
  CLI::App* import = Add(app, "import",
                         "Copy a store in a file into PostgreSQL, before the first "
                         "coordinator runs there",
                         exit_code, options, RunImport);
  import->add_option("FROM", options->target, "'sqlite:FILE', of a stopped coordinator or a backup")
      ->required()
      ->type_name("URL");
}

}  // namespace entente::coordinator
