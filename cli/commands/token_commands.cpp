// tokens: who may do what.
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

struct CreateOptions {
  sdk::TokenRequest request;
  std::vector<std::string> labels;
};

std::string Joined(const Json& list) {
  std::string text;
  for (const Json& each : list) {
    text += (text.empty() ? "" : " ") + (each.is_string() ? each.get<std::string>() : "");
  }
  return text;
}

// "definitions: trip-*, labels: team=a", or "all".
std::string Reach(const Json& token) {
  std::string text = Joined(Items(token, "definitions"));
  if (const auto labels = token.find("labels"); labels != token.end() && labels->is_object()) {
    for (const auto& [key, value] : labels->items()) {
      text += (text.empty() ? "" : " ") + key + "=" +
              (value.is_string() ? value.get<std::string>() : std::string());
    }
  }
  return text.empty() ? "all" : text;
}

std::string Standing(const Json& token) {
  if (!Text(token, "revokedAt").empty()) {
    return "revoked by " + Text(token, "revokedBy");
  }
  const std::string expires = Text(token, "expiresAt");
  return expires.empty() ? "valid" : "until " + expires;
}

std::string ShowTokens(const Json& list, const Terminal& terminal) {
  Table table({"ID", "NAME", "ROLE", "REACHES", "CREATED", "STANDING"});
  for (const Json& each : Items(list, "tokens")) {
    table.Add({Text(each, "id"), Text(each, "name"), Text(each, "role"), Reach(each),
               ShowAge(Text(each, "createdAt"), Now()), Standing(each)});
  }
  return table.empty() ? "no token yet\n" : table.Render(terminal);
}

void Create(Context& context, CreateOptions& options) {
  auto labels = ReadLabels(options.labels);
  if (!labels.ok()) {
    return context.Fail(labels.status());
  }
  options.request.labels = std::move(labels).value();
  const auto answer = Checked(Answer::kToken, context.client().CreateToken(options.request));
  if (!answer.ok()) {
    return context.Fail(answer.status());
  }
  if (context.json) {
    return context.PrintJson(answer->text);
  }
  // The token alone goes to standard output, for `> FILE`: what is said about it is for people.
  context.terminal.err << "token " << Text(answer->json, "id") << " of "
                       << Text(answer->json, "name")
                       << " was made; it is not shown again. Keep it in a file that only its "
                          "bearer can read, and name that in ENTENTE_TOKEN_FILE\n";
  context.terminal.out << Text(answer->json, "token") << "\n" << std::flush;
}

void AddCreate(CLI::App& tokens, Context& context) {
  CLI::App* create = tokens.add_subcommand(
      "create", "Make a token; standard output receives it, and nobody sees it again");
  const auto options = std::make_shared<CreateOptions>();
  create->add_option("NAME", options->request.name, "Who bears it, as histories show it")
      ->required()
      ->type_name("");
  create
      ->add_option("--role", options->request.role,
                   "viewer, submitter, deployer, operator, admin or participant")
      ->required()
      ->type_name("ROLE");
  create
      ->add_option("--definition", options->request.definitions,
                   "A definition that it can reach, 'trip-*' for a family; may be repeated; none "
                   "given: all")
      ->type_name("PATTERN")
      ->expected(1, -1)
      ->allow_extra_args(false);
  AddLabelOption(*create, options->labels);
  create->add_flag("--payloads", options->request.payloads,
                   "Of a viewer: payloads are shown, and what participants said");
  create
      ->add_option("--expires", options->request.expires_in,
                   "How long it is valid, such as 90d; none given: until it is revoked")
      ->type_name("DURATION");
  AddClientOptions(*create, context);
  create->callback([&context, options] { Create(context, *options); });
}

void AddRevoke(CLI::App& tokens, Context& context) {
  CLI::App* revoke = tokens.add_subcommand("revoke", "Refuse a token from now on");
  const auto id = std::make_shared<std::string>();
  revoke->add_option("ID", *id, "The token's id, as `tokens list` shows it")
      ->required()
      ->type_name("");
  AddClientOptions(*revoke, context);
  revoke->callback([&context, id] {
    const auto answer = Checked(Answer::kToken, context.client().RevokeToken(*id));
    if (!answer.ok()) {
      context.Fail(answer.status());
    } else if (context.json) {
      context.PrintJson(answer->text);
    } else {
      context.terminal.out << "token " << Text(answer->json, "id") << " of "
                           << Text(answer->json, "name") << ": " << Standing(answer->json)
                           << std::endl;
    }
  });
}

}  // namespace

void AddTokenCommands(CLI::App& app, Context& context) {
  CLI::App* tokens = app.add_subcommand("tokens", "Who may do what, of a coordinator that asks");
  tokens->require_subcommand(1);
  AddCreate(*tokens, context);
  AddRevoke(*tokens, context);
  CLI::App* list = tokens->add_subcommand("list", "Every token that there is, without its secret");
  AddClientOptions(*list, context);
  list->callback([&context] {
    const auto answer = Checked(Answer::kTokens, context.client().ListTokens());
    if (!answer.ok()) {
      context.Fail(answer.status());
    } else if (context.json) {
      context.PrintJson(answer->text);
    } else {
      context.terminal.out << ShowTokens(answer->json, context.terminal) << std::flush;
    }
  });
}

}  // namespace entente::cli
