// bulk: an action on every open transaction that matches, carried out by the coordinator.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/list_options.h"
#include "cli/text/instants.h"
#include "cli/text/table.h"

namespace entente::cli {
namespace {

struct BulkOptions {
  ListOptions filter;
  sdk::BulkRequest request;
};

std::string Matched(const Json& action) {
  return NumberText(action, "matched") + (IsTrue(action, "more") ? " or more" : "");
}

std::string ShowBulk(const Json& action, const Terminal& terminal) {
  const std::string verb = Text(action, "verb");
  if (Text(action, "state") == "preview") {
    return verb + " would act on " + Matched(action) + " open transactions\n";
  }
  std::string text = "bulk " + Text(action, "id") + ": " + verb + " of " + Matched(action) + ", " +
                     Text(action, "state") + ": " + NumberText(action, "done") + " done, " +
                     NumberText(action, "refused") + " refused\n";
  Table table({});
  for (const Json& refusal : Items(action, "refusals")) {
    table.Add({Text(refusal, "gid"), Cell(Text(refusal, "code"), Style::kWarning),
               Text(refusal, "message")});
  }
  return text + table.Render(terminal, 2);
}

std::string ShowBulkList(const Json& list, const Terminal& terminal) {
  Table table({"ID", "VERB", "STATE", "MATCHED", "DONE", "REFUSED", "BEGUN", "FILTER"});
  for (const Json& each : Items(list, "actions")) {
    table.Add({Text(each, "id"), Text(each, "verb"), Text(each, "state"), Matched(each),
               NumberText(each, "done"), NumberText(each, "refused"),
               ShowAge(Text(each, "createdAt"), Now()), Text(each, "filter")});
  }
  return table.empty() ? "no bulk action yet\n" : table.Render(terminal);
}

template <class Show>
void Print(Context& context, Answer kind, Result<sdk::Document> answer, Show show) {
  const Result<sdk::Document> checked = Checked(kind, std::move(answer));
  if (!checked.ok()) {
    context.Fail(checked.status());
  } else if (context.json) {
    context.PrintJson(checked->text);
  } else {
    context.terminal.out << show(checked->json, context.terminal) << std::flush;
  }
}

void AddBegin(CLI::App& bulk, Context& context, const char* verb, const char* help) {
  CLI::App* command = bulk.add_subcommand(verb, help);
  const auto options = std::make_shared<BulkOptions>();
  options->request.verb = verb;
  AddListOptions(*command, options->filter);
  command->add_option("--reason", options->request.reason, "Why; kept in the history of each")
      ->type_name("TEXT");
  AddActor(*command, options->request.actor);
  command->add_flag("--preview", options->request.preview, "Only say how many there are");
  AddClientOptions(*command, context);
  command->callback([&context, options] {
    if (const Status read = ReadListOptions(options->filter); !read.ok()) {
      return context.Fail(read);
    }
    options->request.filter = options->filter.request;
    Print(context, Answer::kBulk, context.client().StartBulk(options->request), ShowBulk);
  });
}

void AddOfOne(CLI::App& bulk, Context& context, const char* name, const char* help,
              Result<sdk::Document> (sdk::Client::*call)(std::string_view)) {
  CLI::App* command = bulk.add_subcommand(name, help);
  const auto id = std::make_shared<std::string>();
  command->add_option("ID", *id, "The bulk action")->required()->type_name("");
  AddClientOptions(*command, context);
  command->callback([&context, id, call] {
    Print(context, Answer::kBulk, (context.client().*call)(*id), ShowBulk);
  });
}

}  // namespace

void AddBulkCommands(CLI::App& app, Context& context) {
  CLI::App* bulk = app.add_subcommand(
      "bulk", "Act on every open transaction that matches; it goes on after a restart");
  bulk->require_subcommand(1);
  AddBegin(*bulk, context, "retry", "Retry what is stuck or between two attempts");
  AddBegin(*bulk, context, "pause", "Make no new calls");
  AddBegin(*bulk, context, "resume", "Go on with what is paused");
  AddBegin(*bulk, context, "cancel", "Undo properly");
  AddOfOne(*bulk, context, "get", "How far one is, and what was refused", &sdk::Client::GetBulk);
  AddOfOne(*bulk, context, "stop", "Touch no further transaction", &sdk::Client::StopBulk);
  CLI::App* list = bulk->add_subcommand("list", "The last 100, newest first");
  AddClientOptions(*list, context);
  list->callback(
      [&context] { Print(context, Answer::kBulkList, context.client().ListBulk(), ShowBulkList); });
}

}  // namespace entente::cli
