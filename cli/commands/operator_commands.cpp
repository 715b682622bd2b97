// cancel, pause, resume, retry, edit, skip, complete-branch, resolve, signal, complete.
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/transaction_text.h"

namespace entente::cli {
namespace {

using sdk::Action;

struct ActOptions {
  sdk::ActionRequest request;
  uint32_t revision = 0;
  std::string output;
  std::string body;
  std::string retry;
  bool refused = false;
};

void PrintOutcome(Context& context, const Result<sdk::Transaction>& transaction) {
  if (!transaction.ok()) {
    context.Fail(transaction.status());
  } else if (context.json) {
    context.PrintJson(transaction->text());
  } else {
    context.terminal.out << ShowOutcome(transaction->json(), context.terminal) << std::flush;
  }
}

// Reads the option into `to` if it was given. False: it could not be read, and that was said.
bool ReadOption(Context& context, const char* name, const std::string& text,
                std::optional<Json>& to) {
  if (text.empty()) {
    return true;
  }
  Result<Json> read = ReadJsonArgument(context, name, text);
  if (!read.ok()) {
    context.Fail(read.status());
    return false;
  }
  to = std::move(read).value();
  return true;
}

// False: what was said of an operation's end contradicts itself, and that was said.
bool CheckWord(Context& context, bool refused, bool has_output, bool has_why) {
  if (refused ? !has_output : !has_why) {
    return true;
  }
  context.Fail(InvalidArgument(
      "cli.contradiction",
      "--code and --message belong to --refused, and --output to a success; give one or the "
      "other"));
  return false;
}

void RunAct(Context& context, Action action, ActOptions options) {
  if (action == Action::kComplete) {
    const bool has_why = !options.request.code.empty() || !options.request.message.empty();
    if (!CheckWord(context, options.refused, !options.output.empty(), has_why)) {
      return;
    }
    options.request.outcome = options.refused ? "refused" : "done";
  }
  if (options.revision != 0) {
    options.request.expected_revision = options.revision;
  }
  if (!ReadOption(context, "--output", options.output, options.request.output) ||
      !ReadOption(context, "--body", options.body, options.request.body) ||
      !ReadOption(context, "--retry", options.retry, options.request.retry)) {
    return;
  }
  PrintOutcome(context, Checked(context.client().Act(action, options.request)));
}

void AddRefusal(CLI::App& command, bool& refused, std::string& code, std::string& message) {
  command.add_flag("--refused", refused, "It was refused, without an effect");
  command.add_option("--code", code, "Why it was refused: a word")->type_name("WORD");
  command.add_option("--message", message, "Why it was refused: a sentence")->type_name("TEXT");
}

void AddAct(CLI::App& app, Context& context, Action action, const char* name, const char* help) {
  CLI::App* command = app.add_subcommand(name, help);
  const auto options = std::make_shared<ActOptions>();
  AddGid(*command, options->request.gid);
  const bool one_branch =
      action == Action::kEdit || action == Action::kSkip || action == Action::kComplete;
  const bool grave = one_branch || action == Action::kResolve;
  command->add_option("--reason", options->request.reason, "Why; kept in the history")
      ->required(grave)
      ->type_name("TEXT");
  AddActor(*command, options->request.actor);
  command
      ->add_option("--revision", options->revision,
                   "Act only if the transaction still stands as `entente get` showed it")
      ->required(grave)
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  if (action == Action::kRetry || one_branch) {
    command
        ->add_option("--branch", options->request.branch,
                     action == Action::kComplete ? "The branch whose operation is pending"
                     : one_branch                ? "The stuck branch"
                                                 : "Only this branch [all that are stuck]")
        ->required(one_branch)
        ->type_name("ID");
  }
  if (action == Action::kEdit) {
    command->add_option("--body", options->body, "What is sent from now on [as it was]")
        ->type_name("JSON|@FILE|-");
    command
        ->add_option("--retry", options->retry,
                     "How it is retried: {\"attempts\": 3, \"initial\": \"1s\"} [as it was]")
        ->type_name("JSON|@FILE");
  }
  if (action == Action::kSkip || action == Action::kComplete) {
    command->add_option("--output", options->output, "What later steps read as the branch's output")
        ->type_name("JSON|@FILE|-");
  }
  if (action == Action::kComplete) {
    AddRefusal(*command, options->refused, options->request.code, options->request.message);
  }
  if (action == Action::kResolve) {
    command->add_option("--outcome", options->request.outcome, "COMMITTED or ABORTED")
        ->required()
        ->transform(CLI::IsMember({"COMMITTED", "ABORTED"}, CLI::ignore_case))
        ->type_name("STATUS");
  }
  AddClientOptions(*command, context);
  command->callback([&context, action, options] { RunAct(context, action, *options); });
}

struct SignalOptions {
  std::string gid;
  std::string name;
  std::string payload;
  std::string id;
};

void RunSignal(Context& context, const SignalOptions& options) {
  Json payload;
  if (!options.payload.empty()) {
    Result<Json> read = ReadJsonArgument(context, "--payload", options.payload);
    if (!read.ok()) {
      return context.Fail(read.status());
    }
    payload = std::move(read).value();
  }
  PrintOutcome(context,
               Checked(context.client().Signal(options.gid, options.name, payload, options.id)));
}

void AddSignal(CLI::App& app, Context& context) {
  CLI::App* signal = app.add_subcommand("signal", "Send a signal to a step that waits for it");
  const auto options = std::make_shared<SignalOptions>();
  AddGid(*signal, options->gid);
  signal->add_option("NAME", options->name, "The signal, as the definition names it")
      ->required()
      ->type_name("");
  signal->add_option("--payload", options->payload, "What the waiting step gives as its output")
      ->type_name("JSON|@FILE|-");
  signal
      ->add_option("--id", options->id,
                   "Its own name: sent again under the same one it changes nothing")
      ->type_name("TEXT");
  AddClientOptions(*signal, context);
  signal->callback([&context, options] { RunSignal(context, *options); });
}

struct CompleteOptions {
  sdk::CompletionRequest request;
  std::string output;
};

void RunComplete(Context& context, CompleteOptions options) {
  const bool has_why = !options.request.code.empty() || !options.request.message.empty();
  if (!CheckWord(context, options.request.refused, !options.output.empty(), has_why)) {
    return;
  }
  if (!options.output.empty()) {
    Result<Json> output = ReadJsonArgument(context, "--output", options.output);
    if (!output.ok()) {
      return context.Fail(output.status());
    }
    options.request.output = std::move(output).value();
  }
  const Result<sdk::Document> answer =
      Checked(Answer::kCompletion, context.client().Complete(options.request));
  if (!answer.ok()) {
    context.Fail(answer.status());
  } else if (context.json) {
    context.PrintJson(answer->text);
  } else {
    context.terminal.out << ShowOutcome(answer->json, context.terminal) << std::flush;
  }
}

void AddComplete(CLI::App& app, Context& context) {
  CLI::App* complete =
      app.add_subcommand("complete", "Give the outcome of an operation that was left pending");
  const auto options = std::make_shared<CompleteOptions>();
  complete->add_option("TOKEN", options->request.token, "The token the participant was given")
      ->required()
      ->type_name("");
  complete->add_option("--output", options->output, "The operation's output [null]")
      ->type_name("JSON|@FILE|-");
  AddRefusal(*complete, options->request.refused, options->request.code, options->request.message);
  AddClientOptions(*complete, context);
  complete->callback([&context, options] { RunComplete(context, *options); });
}

}  // namespace

void AddOperatorCommands(CLI::App& app, Context& context) {
  AddAct(app, context, Action::kCancel, "cancel", "Undo a transaction properly");
  AddAct(app, context, Action::kPause, "pause", "Make no new call until it is resumed");
  AddAct(app, context, Action::kResume, "resume", "Go on with a paused transaction");
  AddAct(app, context, Action::kRetry, "retry", "Retry what is stuck, now and with a fresh budget");
  AddAct(app, context, Action::kEdit, "edit",
         "Change what a stuck branch sends or how often it is tried, and retry it");
  AddAct(app, context, Action::kSkip, "skip",
         "Vouch that a stuck branch's operation is settled, and go on");
  AddAct(app, context, Action::kComplete, "complete-branch",
         "Say how an operation ended that its participant left pending");
  AddAct(app, context, Action::kResolve, "resolve",
         "End a transaction as MIXED, without undoing or finishing anything");
  AddSignal(app, context);
  AddComplete(app, context);
}

}  // namespace entente::cli
