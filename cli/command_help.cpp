#include "cli/command_help.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/utf8.h"
#include "dsl/schema/closest.h"

namespace entente::cli {
namespace {

struct Heading {
  const char* text;
  std::vector<std::string_view> commands;
};

const std::vector<Heading>& Headings() {
  static const std::vector<Heading> headings = {
      {"The coordinator",
       {"serve", "health", "doctor", "nodes", "migrate", "import", "backup", "compact", "version"}},
      {"Definitions", {"definitions", "validate", "graph", "eval", "dry-run", "explore", "probe"}},
      {"Transactions",
       {"submit", "watch", "get", "list", "history", "branches", "call", "signal", "cancel"}},
      {"Transactions that you drive yourself",
       {"begin", "enlist", "commit", "abort", "decision", "complete"}},
      {"When something is stuck",
       {"incidents", "participants", "retry", "edit", "skip", "complete-branch", "resolve", "pause",
        "resume", "bulk", "dead-letters"}},
      {"Who may do what", {"tokens", "keys", "audit"}},
  };
  return headings;
}

// What other tools call a command.
constexpr auto kWordsOfOthers = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"apply", "definitions put"},
    {"approve", "signal"},
    {"check", "validate"},
    {"cluster", "nodes"},
    {"create", "submit"},
    {"deploy", "definitions put"},
    {"describe", "get"},
    {"dlq", "dead-letters"},
    {"events", "history"},
    {"execute", "submit"},
    {"find", "list"},
    {"info", "get"},
    {"inspect", "get"},
    {"kill", "cancel"},
    {"lint", "validate"},
    {"log", "history"},
    {"logs", "history"},
    {"ls", "list"},
    {"members", "nodes"},
    {"ps", "list"},
    {"register", "definitions put"},
    {"restart", "retry"},
    {"rollback", "cancel"},
    {"run", "submit"},
    {"search", "list"},
    {"send", "signal"},
    {"server", "serve"},
    {"services", "participants"},
    {"show", "get"},
    {"simulate", "dry-run"},
    {"start", "submit"},
    {"status", "get"},
    {"stop", "cancel"},
    {"tail", "watch"},
    {"terminate", "cancel"},
    {"test", "dry-run"},
    {"trace", "history"},
    {"up", "serve"},
});

std::vector<std::string_view> CommandsOf(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string_view> OptionsOf(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back(name);
    }
  }
  return names;
}

// The command that was reached, and all its words: "entente tokens".
std::pair<const CLI::App*, std::string> Reached(const CLI::App& app) {
  const CLI::App* command = &app;
  std::string words = app.get_name();
  for (std::vector<CLI::App*> taken = command->get_subcommands(); !taken.empty();
       taken = command->get_subcommands()) {
    command = taken.front();
    words += " " + command->get_name();
  }
  return {command, words};
}

std::string DidYouMean(std::optional<std::string_view> meant) {
  return meant ? "; did you mean '" + std::string(*meant) + "'?" : "";
}

std::optional<std::string_view> MeantCommand(const CLI::App& command, bool outermost,
                                             std::string_view word) {
  const auto* other =
      std::ranges::find(kWordsOfOthers, word, [](const auto& pair) { return pair.first; });
  if (outermost && other != kWordsOfOthers.end()) {
    return other->second;
  }
  return dsl::Closest(word, CommandsOf(command));
}

std::string NoSuchOption(const CLI::App& command, const std::string& words,
                         std::string_view given) {
  const std::string_view name = given.substr(0, given.find('='));
  std::optional<std::string_view> meant;
  if (name.starts_with("--")) {
    meant = dsl::Closest(name.substr(2), OptionsOf(command));
  }
  return "'" + words + "' has no option '" + ShowText(name) + "'" +
         (meant ? "; did you mean '--" + std::string(*meant) + "'?" : "");
}

}  // namespace

void GroupCommands(CLI::App& app) {
  for (const Heading& heading : Headings()) {
    for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (std::ranges::find(heading.commands, command->get_name()) != heading.commands.end()) {
        command->group(heading.text);
      }
    }
  }
}

std::string ExplainUsage(const CLI::App& app, const CLI::Error& error) {
  const auto [command, words] = Reached(app);
  const std::vector<std::string> unread = app.remaining(true);
  const std::string look = "; '" + words + " --help' shows what there is";
  if (!unread.empty() && unread.front().starts_with("-") && unread.front() != "--") {
    return NoSuchOption(*command, words, unread.front()) + look;
  }
  if (!unread.empty() && !CommandsOf(*command).empty()) {
    const bool outermost = command == &app;
    const std::string given =
        outermost ? unread.front() : command->get_name() + " " + unread.front();
    return "there is no command '" + ShowText(given) + "'" +
           DidYouMean(MeantCommand(*command, outermost, unread.front())) + look;
  }
  return error.what() + look;
}

}  // namespace entente::cli
