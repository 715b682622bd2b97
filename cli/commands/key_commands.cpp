// keys: what signs the coordinator's calls.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

std::string ShowKeys(const Json& set, const Terminal& terminal) {
  Table table({"ID", "PUBLIC KEY (X)", "SIGNS FROM", ""});
  for (const Json& key : Items(set, "keys")) {
    const auto signing = key.find("signing");
    const bool signs = signing != key.end() && signing->is_boolean() && signing->get<bool>();
    table.Add({Text(key, "kid"), Text(key, "x"), Text(key, "signsFrom"),
               std::string(signs ? "signs" : "")});
  }
  return table.empty() ? "no keys: calls are not signed (entente serve --sign-calls on)\n"
                       : table.Render(terminal);
}

void ShowAnswer(Context& context, const Result<sdk::Document>& given) {
  const auto answer = Checked(Answer::kKeys, given);
  if (!answer.ok()) {
    context.Fail(answer.status());
  } else if (context.json) {
    context.PrintJson(answer->text);
  } else {
    context.terminal.out << ShowKeys(answer->json, context.terminal) << std::flush;
  }
}

}  // namespace

void AddKeyCommands(CLI::App& app, Context& context) {
  CLI::App* keys = app.add_subcommand("keys", "What signs the coordinator's calls");
  keys->require_subcommand(1);
  CLI::App* list = keys->add_subcommand("list", "The public keys that calls are verified with");
  AddClientOptions(*list, context);
  list->callback([&context] { ShowAnswer(context, context.client().ListKeys()); });

  CLI::App* rotate = keys->add_subcommand("rotate", "Make another key, which signs after a while");
  const auto request = std::make_shared<sdk::KeyRotation>();
  rotate
      ->add_option("--notice", request->notice,
                   "How long the other one goes on signing, in which participants get to know the "
                   "key; 10m unless given, 0s: not at all")
      ->type_name("DURATION");
  rotate->add_flag("--revoke", request->revoke,
                   "Somebody else has the other keys: publish them no more, at once");
  AddClientOptions(*rotate, context);
  rotate->callback(
      [&context, request] { ShowAnswer(context, context.client().RotateKeys(*request)); });
}

}  // namespace entente::cli
