// get, list, history, incidents, participants, health.
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/instants.h"
#include "cli/transaction_text.h"

namespace entente::cli {
namespace {

using sdk::Document;

// Prints an answer: as it came with --json, else as `show` puts it.
void Print(Context& context, const Result<Document>& answer,
           const std::function<std::string(const Json&)>& show) {
  if (!answer.ok()) {
    context.Fail(answer.status());
  } else if (context.json) {
    context.PrintJson(answer->text);
  } else {
    context.terminal.out << show(answer->json) << std::flush;
  }
}

// The first page with anything on it. A search that matches little ends a page after a bounded
// amount of work, with a cursor and maybe without a row: "nothing here yet" is not "nothing".
// Scripts get each page as it is, and follow the cursor themselves.
Result<Document> FirstFilledPage(Context& context, sdk::ListRequest request, const char* member,
                                 const std::function<Result<Document>(sdk::ListRequest)>& fetch) {
  Result<Document> page = fetch(request);
  size_t empty_pages = 0;
  while (page.ok() && !context.json && Items(page->json, member).empty() &&
         !Text(page->json, "nextCursor").empty()) {
    if (context.terminal.live) {
      context.terminal.err << "\rsearching: nothing on the latest " << ++empty_pages << " pages"
                           << std::flush;
    }
    request.cursor = Text(page->json, "nextCursor");
    page = fetch(request);
  }
  if (empty_pages > 0) {
    context.terminal.err << "\n" << std::flush;
  }
  return page;
}

struct GetOptions {
  std::string gid;
  std::string wait;
};

void RunGet(Context& context, const GetOptions& options) {
  std::optional<Duration> wait;
  if (!options.wait.empty()) {
    const Result<Duration> read = ReadDurationArgument("--wait", options.wait);
    if (!read.ok()) {
      return context.Fail(read.status());
    }
    wait = *read;
  }
  const Result<sdk::Transaction> transaction = Checked(context.client().Get(options.gid, wait));
  if (!transaction.ok()) {
    context.Fail(transaction.status());
  } else if (context.json) {
    context.PrintJson(transaction->text());
  } else {
    context.terminal.out << ShowTransaction(transaction->json(), context.terminal, Now())
                         << std::flush;
  }
}

void AddGet(CLI::App& app, Context& context) {
  CLI::App* get = app.add_subcommand("get", "Show one transaction and its branches");
  const auto options = std::make_shared<GetOptions>();
  AddGid(*get, options->gid);
  get->add_option("--wait", options->wait, "Wait this long for its end (at most 5m)")
      ->type_name("DURATION");
  AddClientOptions(*get, context);
  get->callback([&context, options] { RunGet(context, *options); });
}

struct ListOptions {
  sdk::ListRequest request;
  bool incident = false;
  bool paused = false;
  std::string unchanged_since;
  std::string since;
  std::string until;
};

void RunList(Context& context, ListOptions options) {
  const Instant now = Now();
  if (options.incident) {
    options.request.incident = true;
  }
  if (options.paused) {
    options.request.paused = true;
  }
  for (auto [text, bound] : {std::pair(&options.unchanged_since, &options.request.unchanged_since),
                             std::pair(&options.since, &options.request.since),
                             std::pair(&options.until, &options.request.until)}) {
    if (!text->empty()) {
      const Result<Instant> read = ReadInstant(*text, now);
      if (!read.ok()) {
        return context.Fail(read.status());
      }
      *bound = *read;
    }
  }
  const Result<Document> page = FirstFilledPage(
      context, options.request, "transactions", [&](const sdk::ListRequest& request) {
        return Checked(Answer::kTransactions, context.client().List(request));
      });
  Print(context, page,
        [&](const Json& list) { return ShowTransactions(list, context.terminal, now); });
}

// The filters that transactions and incidents have in common.
void AddFilters(CLI::App& command, sdk::ListRequest& request) {
  command.add_option("--definition", request.definition, "Only of this definition")
      ->type_name("NAME");
  command.add_option("--mode", request.mode, "Only of this mode: saga, tcc, 2pc")
      ->type_name("MODE");
  command.add_option("--label", request.label, "Only with this label")->type_name("KEY=VALUE");
  command.add_option("--limit", request.limit, "At most so many (50, at most 1000)")
      ->type_name("N");
  command.add_option("--cursor", request.cursor, "Go on after the page that ended with this")
      ->type_name("CURSOR");
}

void AddList(CLI::App& app, Context& context) {
  CLI::App* list = app.add_subcommand("list", "List transactions, the newest first");
  const auto options = std::make_shared<ListOptions>();
  list->add_option("--status", options->request.status,
                   "ACTIVE, COMMITTING, COMMITTED, ABORTING, ABORTED or MIXED")
      ->type_name("STATUS");
  AddFilters(*list, options->request);
  list->add_flag("--incident", options->incident, "Only what waits for an operator");
  list->add_option("--since", options->since, "Created at or after: an instant, or how long ago")
      ->type_name("TIME");
  list->add_option("--until", options->until, "Created before: an instant, or how long ago")
      ->type_name("TIME");
  list->add_flag("--paused", options->paused, "Only what an operator paused");
  list->add_option("--unchanged-since", options->unchanged_since,
                   "Nothing happened to it since: an instant, or how long ago")
      ->type_name("TIME");
  list->add_option("--attempts", options->request.attempts,
                   "Some branch is at this attempt or a later one")
      ->type_name("N");
  list->add_option("--error", options->request.error, "A part of the latest failure's text")
      ->type_name("TEXT");
  list->add_option("--participant", options->request.participant,
                   "Only incidents at this participant")
      ->type_name("NAME");
  list->add_option("--code", options->request.code, "Only incidents with this code")
      ->type_name("CODE");
  list->add_option("--gid-prefix", options->request.gid_prefix, "Only gids that begin so")
      ->type_name("TEXT");
  list->add_option("--parent", options->request.parent, "Only the children of this transaction")
      ->type_name("GID");
  AddClientOptions(*list, context);
  list->callback([&context, options] { RunList(context, *options); });
}

void AddHistory(CLI::App& app, Context& context) {
  CLI::App* history = app.add_subcommand("history", "Show every durable step of a transaction");
  const auto gid = std::make_shared<std::string>();
  AddGid(*history, *gid);
  AddClientOptions(*history, context);
  history->callback([&context, gid] {
    Print(context, Checked(Answer::kHistory, context.client().History(*gid)),
          [&](const Json& answer) {
            std::string text;
            for (const Json& entry : Items(answer, "entries")) {
              text += ShowEntry(entry, context.terminal, Now());
            }
            return text;
          });
  });
}

std::string ShowBranchCall(const Json& call) {
  const std::string child = Text(call, "child");
  std::string text = Text(call, "operation") + ": ";
  text += child.empty()
              ? Text(call, "participant") + " " + Text(call, "method") + " " + Text(call, "target")
              : "child transaction " + child;
  text += IsTrue(call, "edited") ? " (edited by an operator)" : "";
  const auto body = call.find("body");
  return ShowText(text) + "\n" + (body == call.end() ? "" : body->dump(2) + "\n");
}

void AddBranchCall(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("call", "Show what a branch sends, or would send if it were called now");
  const auto gid = std::make_shared<std::string>();
  const auto branch = std::make_shared<std::string>();
  AddGid(*command, *gid);
  command->add_option("BRANCH", *branch, "The branch's id")->required()->type_name("");
  AddClientOptions(*command, context);
  command->callback([&context, gid, branch] {
    Print(context, Checked(Answer::kBranchCall, context.client().BranchCall(*gid, *branch)),
          ShowBranchCall);
  });
}

void AddIncidents(CLI::App& app, Context& context) {
  CLI::App* incidents = app.add_subcommand("incidents", "List what waits for an operator");
  const auto request = std::make_shared<sdk::ListRequest>();
  AddFilters(*incidents, *request);
  AddClientOptions(*incidents, context);
  incidents->callback([&context, request] {
    const Result<Document> page =
        FirstFilledPage(context, *request, "incidents", [&](const sdk::ListRequest& next) {
          return Checked(Answer::kIncidents, context.client().Incidents(next));
        });
    Print(context, page,
          [&](const Json& list) { return ShowIncidents(list, context.terminal, Now()); });
  });
}

void RunHealth(Context& context) {
  const Result<Document> health = Checked(Answer::kHealth, context.client().Health());
  Print(context, health, [&](const Json& report) { return ShowHealth(report, context.terminal); });
  if (health.ok() && !(Text(health->json, "status") == "ok" && IsTrue(health->json, "ready"))) {
    context.exit_code = kExitNo;
  }
}

}  // namespace

void AddReadCommands(CLI::App& app, Context& context) {
  AddGet(app, context);
  AddList(app, context);
  AddHistory(app, context);
  AddBranchCall(app, context);
  AddIncidents(app, context);
  CLI::App* participants =
      app.add_subcommand("participants", "List the participants this coordinator calls");
  AddClientOptions(*participants, context);
  participants->callback([&context] {
    Print(context, Checked(Answer::kParticipants, context.client().Participants()),
          [&](const Json& list) { return ShowParticipants(list, context.terminal); });
  });
  CLI::App* health =
      app.add_subcommand("health", "Ask whether work is progressing (exit 1 if it is not)");
  AddClientOptions(*health, context);
  health->callback([&context] { RunHealth(context); });
}

}  // namespace entente::cli
