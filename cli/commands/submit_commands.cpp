// submit and watch.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/definition_text.h"
#include "cli/text/entry_text.h"
#include "cli/text/instants.h"
#include "cli/text/problem_text.h"
#include "cli/text/transaction_text.h"
#include "cli/text/watch_view.h"
#include "cli/wait.h"

namespace entente::cli {
namespace {

struct SubmitOptions {
  std::string definition;
  std::string file;
  uint32_t version = 0;
  std::string gid;
  std::string input;
  std::vector<std::string> labels;
  std::string deadline;
  WaitOption wait;
};

Status WrongUse(std::string message) {
  return InvalidArgument("cli.usage", std::move(message));
}

// `--wait` takes a duration or none, so the word after it may have been meant as the definition.
void SortOutWait(SubmitOptions& options) {
  std::string& wait = options.wait.text;
  if (options.definition.empty() && options.file.empty() && !wait.empty() && wait != kToTheEnd &&
      !ParseDuration(wait).ok()) {
    options.definition = std::exchange(wait, kToTheEnd);
  }
}

// `source`: the text of --file.
Result<sdk::SubmitRequest> RequestOf(Context& context, const SubmitOptions& options,
                                     DefinitionSource& source) {
  sdk::SubmitRequest request;
  if (options.definition.empty() == options.file.empty()) {
    return WrongUse("name one definition: either DEFINITION or --file");
  }
  request.definition = options.definition;
  if (!options.file.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(source, ReadDefinition(context, options.file));
    Result<Json> json = ParseExactJson(source.json, limits::kDefinitionJson);
    if (!json.ok()) {
      return InvalidArgument(json.status().reason(),
                             NameOfFile(options.file) + ": " + json.status().message());
    }
    request.inline_definition = std::move(json).value();
  }
  if (options.version != 0) {
    request.version = options.version;
  }
  request.gid = options.gid;
  if (!options.input.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(request.input, ReadJsonArgument(context, "--input", options.input));
  }
  ENTENTE_ASSIGN_OR_RETURN(request.labels, ReadLabels(options.labels));
  if (!options.deadline.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(request.deadline,
                             ReadDurationArgument("--deadline", options.deadline));
  }
  return request;
}

void PrintSubmitted(Context& context, const sdk::Transaction& transaction, bool created,
                    bool waited) {
  if (context.json) {
    context.PrintJson(transaction.text());
  } else if (waited) {
    context.terminal.out << ShowTransaction(transaction.json(), context.terminal, Now())
                         << std::flush;
  } else {
    context.terminal.out << ShowOutcome(transaction.json(), context.terminal) << std::flush;
    if (!created) {
      context.terminal.err << "entente: it had been submitted before with the same content\n";
    }
  }
}

void RunSubmit(Context& context, SubmitOptions options) {
  SortOutWait(options);
  DefinitionSource source;
  Result<sdk::SubmitRequest> request = RequestOf(context, options, source);
  const Result<WaitPlan> wait = ReadWait(options.wait);
  if (!request.ok() || !wait.ok()) {
    return context.Fail(request.ok() ? wait.status() : request.status());
  }
  request->wait = wait->first;
  sdk::Client& client = context.client();
  Result<sdk::SubmitResult> submitted = Checked(client.Submit(std::move(request).value()));
  if (!submitted.ok()) {
    if (options.file.empty() || !PrintRefusal(context, options.file, source, Sent::kWrittenAnew)) {
      context.Fail(submitted.status());
    }
    return;
  }
  sdk::Transaction transaction = std::move(submitted->transaction);
  if (options.wait.given) {
    const std::string gid = transaction.gid();
    Result<sdk::Transaction> waited = WaitOn(client, std::move(transaction), wait->until);
    if (!waited.ok()) {
      return context.Fail({waited.status().code(), waited.status().reason(),
                           gid + " was accepted, but how it goes on can not be asked for now: " +
                               waited.status().message()});
    }
    transaction = std::move(waited).value();
  }
  PrintSubmitted(context, transaction, submitted->created, options.wait.given);
  if (options.wait.given && !transaction.committed()) {
    context.exit_code = kExitNo;
  }
}

void AddSubmit(CLI::App& app, Context& context) {
  CLI::App* submit = app.add_subcommand("submit", "Start a transaction");
  const auto options = std::make_shared<SubmitOptions>();
  submit->add_option("DEFINITION", options->definition, "The name of a stored definition")
      ->type_name("");
  submit->add_option("--file", options->file, "Or a definition of its own, for this once")
      ->type_name("FILE");
  submit->add_option("--version", options->version, "Of the definition [the newest]")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  submit->add_option("--gid", options->gid, "Its name; submitting twice with it is safe [a UUID]")
      ->type_name("GID");
  submit->add_option("--input", options->input, "Its input [{}]")->type_name("JSON|@FILE|-");
  AddLabelOption(*submit, options->labels);
  submit->add_option("--deadline", options->deadline, "It is undone unless decided by then")
      ->type_name("DURATION");
  CLI::Option* wait = AddWaitOption(
      *submit, options->wait, "Wait for the end, or at most so long; exit 1 unless COMMITTED");
  AddClientOptions(*submit, context);
  submit->callback([&context, options, wait] {
    options->wait.given = wait->count() > 0;
    RunSubmit(context, *options);
  });
}

// ---- watch

struct WatchOptions {
  std::string gid;
  uint64_t after = 0;
};

// Draws the branches after each step. An event that an earlier look had seen already is skipped:
// the transaction as it is shows several steps at once.
Status WatchLive(Context& context, const WatchOptions& options, sdk::Client& client) {
  sdk::Client reader = context.NewClient();
  LiveView view(context.terminal);
  uint64_t shown = 0;
  return client.Watch(options.gid, options.after, [&](const sdk::Event& event) {
    if (event.revision <= shown) {
      return true;
    }
    const Result<sdk::Transaction> transaction = Checked(reader.Get(options.gid));
    if (!transaction.ok()) {
      // The events go on by themselves if the coordinator is only away for a moment.
      return transaction.status().code() == StatusCode::kUnavailable ||
             transaction.status().code() == StatusCode::kUnknownOutcome;
    }
    shown = transaction->revision();
    view.Draw(transaction->json(), Now());
    return true;
  });
}

Status WatchLines(Context& context, const WatchOptions& options, sdk::Client& client) {
  return client.Watch(options.gid, options.after, [&context](const sdk::Event& event) {
    if (context.json) {
      context.PrintJson(event.document.text);
    } else {
      const auto entry = event.document.json.find("entry");
      if (entry != event.document.json.end()) {
        context.terminal.out << ShowEntry(*entry, context.terminal, Now()) << std::flush;
      }
    }
    return true;
  });
}

void RunWatch(Context& context, const WatchOptions& options) {
  const bool live = context.terminal.live && !context.json;
  sdk::Client& client = context.client();
  // First, whether there is one to watch: a stream that is none would be tried again and again.
  if (const auto found = Checked(client.Get(options.gid)); !found.ok()) {
    return context.Fail(found.status());
  }
  const Status watched =
      live ? WatchLive(context, options, client) : WatchLines(context, options, client);
  if (!watched.ok()) {
    return context.Fail(watched);
  }
  const Result<sdk::Transaction> transaction = Checked(client.Get(options.gid));
  if (!transaction.ok()) {
    return context.Fail(transaction.status());
  }
  if (!context.json && !live) {
    context.terminal.out << ShowOutcome(transaction->json(), context.terminal) << std::flush;
  }
  context.exit_code = transaction->committed() ? kExitDone : kExitNo;
}

void AddWatch(CLI::App& app, Context& context) {
  CLI::App* watch =
      app.add_subcommand("watch", "Follow a transaction to its end; exit 1 unless COMMITTED");
  const auto options = std::make_shared<WatchOptions>();
  AddGid(*watch, options->gid);
  watch->add_option("--after", options->after, "Begin after this revision [0: the beginning]")
      ->type_name("N");
  AddClientOptions(*watch, context);
  watch->callback([&context, options] { RunWatch(context, *options); });
}

}  // namespace

void AddSubmitCommands(CLI::App& app, Context& context) {
  AddSubmit(app, context);
  AddWatch(app, context);
}

}  // namespace entente::cli
