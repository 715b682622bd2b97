// get, list, history, incidents, participants, nodes, health.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/utf8.h"
#include "cli/answers.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/instants.h"
#include "cli/list_options.h"
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

// With the branches that the coordinator leaves out where they are many.
Result<Json> WithBranches(Context& context, Json transaction) {
  if (transaction.contains("branches") || !transaction.contains("branchCount")) {
    return transaction;
  }
  Json branches = Json::array();
  sdk::PageRequest page{1'000, ""};
  do {
    const Result<Document> taken =
        Checked(Answer::kBranches, context.client().Branches(Text(transaction, "gid"), page));
    if (!taken.ok()) {
      return taken.status();
    }
    for (const Json& branch : Items(taken->json, "branches")) {
      branches.push_back(branch);
    }
    page.cursor = Text(taken->json, "nextCursor");
  } while (!page.cursor.empty());
  transaction["branches"] = std::move(branches);
  return transaction;
}

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
    const Result<Json> whole = WithBranches(context, transaction->json());
    if (!whole.ok()) {
      return context.Fail(whole.status());
    }
    context.terminal.out << ShowTransaction(*whole, context.terminal, Now()) << std::flush;
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

void RunList(Context& context, ListOptions options) {
  const Instant now = Now();
  if (const Status read = ReadListOptions(options); !read.ok()) {
    return context.Fail(read);
  }
  const Result<Document> page = FirstFilledPage(
      context, options.request, "transactions", [&](const sdk::ListRequest& request) {
        return Checked(Answer::kTransactions, context.client().List(request));
      });
  Print(context, page,
        [&](const Json& list) { return ShowTransactions(list, context.terminal, now); });
}

void AddList(CLI::App& app, Context& context) {
  CLI::App* list = app.add_subcommand("list", "List transactions, the newest first");
  const auto options = std::make_shared<ListOptions>();
  AddListOptions(*list, *options);
  list->add_option("--sort", options->request.sort,
                   "newest, oldest, changed (last, first), unchanged (longest, first) or attempts "
                   "(the most first)")
      ->type_name("ORDER");
  AddPageOptions(*list, options->request);
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

void AddBranches(CLI::App& app, Context& context) {
  CLI::App* branches = app.add_subcommand("branches", "Show the branches of a transaction");
  const auto gid = std::make_shared<std::string>();
  const auto page = std::make_shared<sdk::PageRequest>();
  AddGid(*branches, *gid);
  AddPage(*branches, page->limit, page->cursor);
  AddClientOptions(*branches, context);
  branches->callback([&context, gid, page] {
    Print(context, Checked(Answer::kBranches, context.client().Branches(*gid, *page)),
          [&](const Json& list) {
            return ShowBranches(list, context.terminal, Now(), 0) + NextPage(list);
          });
  });
}

void AddIncidents(CLI::App& app, Context& context) {
  CLI::App* incidents = app.add_subcommand("incidents", "List what waits for an operator");
  const auto request = std::make_shared<sdk::ListRequest>();
  AddFilters(*incidents, *request);
  AddPageOptions(*incidents, *request);
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

void AddDeadLetters(CLI::App& app, Context& context) {
  CLI::App* letters =
      app.add_subcommand("dead-letters", "Events that the receiver of webhooks did not take");
  letters->require_subcommand(1);
  CLI::App* list = letters->add_subcommand("list", "Which ones, and what the receiver said");
  const auto page = std::make_shared<sdk::PageRequest>();
  AddPage(*list, page->limit, page->cursor);
  AddClientOptions(*list, context);
  list->callback([&context, page] {
    Print(context, Checked(Answer::kDeadLetters, context.client().DeadLetters(*page)),
          [&](const Json& json) { return ShowDeadLetters(json, context.terminal, Now()); });
  });
  CLI::App* send = letters->add_subcommand("send", "Tell them again; all, if none is named");
  const auto ids = std::make_shared<std::vector<std::string>>();
  send->add_option("ID", *ids, "The dead letters")->type_name("");
  AddClientOptions(*send, context);
  send->callback([&context, ids] {
    Print(context, Checked(Answer::kSentDeadLetters, context.client().SendDeadLetters(*ids)),
          [](const Json& json) {
            return NumberText(json, "count") + " are told again; what is taken leaves the list\n";
          });
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
  AddBranches(app, context);
  AddIncidents(app, context);
  CLI::App* participants =
      app.add_subcommand("participants", "List the participants this coordinator calls");
  const auto page = std::make_shared<sdk::PageRequest>();
  AddPage(*participants, page->limit, page->cursor);
  AddClientOptions(*participants, context);
  participants->callback([&context, page] {
    Print(context, Checked(Answer::kParticipants, context.client().Participants(*page)),
          [&](const Json& list) { return ShowParticipants(list, context.terminal); });
  });
  AddDeadLetters(app, context);
  CLI::App* nodes = app.add_subcommand("nodes", "List the coordinators that share a store");
  AddClientOptions(*nodes, context);
  nodes->callback([&context] {
    Print(context, Checked(Answer::kNodes, context.client().Nodes()),
          [&](const Json& list) { return ShowNodes(list, context.terminal, Now()); });
  });
  CLI::App* health =
      app.add_subcommand("health", "Ask whether work is progressing (exit 1 if it is not)");
  AddClientOptions(*health, context);
  health->callback([&context] { RunHealth(context); });
}

}  // namespace entente::cli
