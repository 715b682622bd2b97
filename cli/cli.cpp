#include "cli/cli.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/utf8.h"
#include "cli/command_help.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace entente::cli {
namespace {

constexpr const char* kDefaultServer = "http://127.0.0.1:8080";
// How options name what they take: a whole number, and seconds with decimals.
constexpr std::string_view kNumberType = "N";
constexpr std::string_view kSecondsType = "SECONDS";

// A command line that was refused, as text or as JSON.
std::string UsageError(const CLI::App* app, const CLI::Error& error, bool json) {
  const std::string text = ExplainUsage(*app, error);
  return (json ? DumpJson({{"code", "cli.usage"}, {"detail", text}}) : "entente: " + text) + "\n";
}

bool IsDigits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// A variable that a script failed to fill in is not an option that was left away: a list without
// its filter shows everything, a submit without its gid runs twice.
std::string NotEmpty(const std::string& value) {
  return value.empty() ? "is empty; give it a value or leave it away" : "";
}

// The parser would read -1 as a number without end, 010 as eight and 0x10 as sixteen.
std::string WholeNumber(const std::string& value) {
  constexpr size_t kMostDigits = 18;  // They fit any number here.
  const bool plain = IsDigits(value) && (value == "0" || value.front() != '0');
  return plain && value.size() <= kMostDigits
             ? ""
             : "'" + ShowText(value) + "' is not a whole number; write it in digits, such as 50";
}

// It would read inf and nan.
std::string Seconds(const std::string& value) {
  constexpr size_t kMostDigits = 9;
  const size_t point = value.find('.');
  const std::string whole = value.substr(0, point);
  const bool plain = IsDigits(whole) && (whole == "0" || whole.front() != '0') &&
                     (point == std::string::npos || IsDigits(value.substr(point + 1)));
  return plain && whole.size() <= kMostDigits
             ? ""
             : "'" + ShowText(value) + "' is no number of seconds; write for example 10 or 0.5";
}

// Before what is checked already: a `transform` goes there, and need not change anything.
void CheckFirst(CLI::Option& option, std::string (*check)(const std::string& value)) {
  option.transform(CLI::Validator([check](std::string& value) { return check(value); }, ""));
}

void CheckValues(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) {
      continue;
    }
    // Behind a colon it names the checks that it has already.
    const std::string type = option->get_type_name();
    const std::string_view name = std::string_view(type).substr(0, type.find(':'));
    if (name == kNumberType) {
      CheckFirst(*option, WholeNumber);
    } else if (name == kSecondsType) {
      CheckFirst(*option, Seconds);
    }
    if (option->get_positional()) {
      option->check(NotEmpty);  // What is required says so by itself.
    } else {
      CheckFirst(*option, NotEmpty);
    }
  }
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CheckValues(*command);
  }
}

}  // namespace

void AddClientOptions(CLI::App& command, Context& context) {
  command
      .add_option("--server", context.server,
                  "The coordinator [" + context.server + "] (ENTENTE_SERVER)")
      ->type_name("URL");
  command.add_flag("--json", context.json, "Print the coordinator's JSON, for scripts");
}

void AddGid(CLI::App& command, std::string& gid) {
  command.add_option("GID", gid, "The transaction")
      ->required()
      ->type_name("")
      ->check([](const std::string& text) { return text.empty() ? "it is empty" : ""; });
}

void AddPage(CLI::App& command, uint32_t& limit, std::string& cursor) {
  command.add_option("--limit", limit, "At most so many (50, at most 1000)")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  command.add_option("--cursor", cursor, "Go on after the page that ended with this")
      ->type_name("CURSOR");
}

void AddActor(CLI::App& command, std::string& actor) {
  const char* user = std::getenv("USER");
  actor = user == nullptr ? "" : user;
  command.add_option("--actor", actor, "Who acts [$USER]")->type_name("NAME");
}

void AddLabelOption(CLI::App& command, std::vector<std::string>& labels) {
  command.add_option("--label", labels, "A label; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1, -1)
      ->allow_extra_args(false);
}

void AddCommandsOn(const Terminal& terminal, CLI::App& app, int& exit_code) {
  // The callbacks share it and nothing else could own it: it lives as long as they do.
  const auto context = std::make_shared<Context>(terminal, exit_code);
  app.final_callback([context] {});
  // The environment is read here and not by the options, of which there is one per command: one
  // that is not given must not overrule another that is.
  const char* server = std::getenv("ENTENTE_SERVER");
  context->server = server != nullptr && *server != '\0' ? server : kDefaultServer;
  app.failure_message([shared = context.get()](const CLI::App* failed, const CLI::Error& error) {
    return UsageError(failed, error, shared->json);
  });
  AddClientOptions(app, *context);
  AddDefinitionCommands(app, *context);
  AddOfflineCommands(app, *context);
  AddDryRun(app, *context);
  AddExplore(app, *context);
  AddSubmitCommands(app, *context);
  AddClientDrivenCommands(app, *context);
  AddReadCommands(app, *context);
  AddOperatorCommands(app, *context);
  AddBulkCommands(app, *context);
  AddTokenCommands(app, *context);
  AddAuditCommand(app, *context);
  AddKeyCommands(app, *context);
  AddDoctor(app, *context);
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() != "serve") {
      CheckValues(*command);
    }
  }
  GroupCommands(app);
}

std::vector<std::string> ReadArguments(const std::vector<std::string>& given) {
  std::vector<std::string> arguments;
  bool options = true;
  for (const std::string& argument : given) {
    options = options && argument != "--";
    const bool assigns_nothing =
        options && argument.starts_with("--") && argument.find('=') == argument.size() - 1;
    if (assigns_nothing) {
      arguments.push_back(argument.substr(0, argument.size() - 1));
      arguments.emplace_back();
    } else {
      arguments.push_back(argument);
    }
  }
  return arguments;
}

void AddCommands(CLI::App& app, int& exit_code) {
  AddCommandsOn(SystemTerminal(), app, exit_code);
}

}  // namespace entente::cli
