// begin, enlist, commit, abort, decision: a transaction driven by whoever runs these commands.
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/definition_text.h"
#include "cli/text/instants.h"
#include "cli/text/problem_text.h"
#include "cli/text/transaction_text.h"
#include "cli/wait.h"

#include "base/utf8.h"

namespace entente::cli {
namespace {

// The exit codes of `decision`, beside those of every command.
constexpr int kExitAborted = 3;
constexpr int kExitUndecided = 4;

void PrintOutcome(Context& context, const sdk::Transaction& transaction) {
  if (context.json) {
    context.PrintJson(transaction.text());
  } else {
    context.terminal.out << ShowOutcome(transaction.json(), context.terminal) << std::flush;
  }
}

void PrintCreated(Context& context, const sdk::SubmitResult& result, const char* before) {
  PrintOutcome(context, result.transaction);
  if (!result.created && !context.json) {
    context.terminal.err << "entente: " << before << " before with the same content\n";
  }
}

// ---- begin

struct BeginOptions {
  std::string mode;
  std::string gid;
  std::string time_limit;
  std::vector<std::string> labels;
};

Result<sdk::BeginRequest> RequestOf(const BeginOptions& options) {
  sdk::BeginRequest request;
  request.mode = options.mode;
  request.gid = options.gid;
  if (!options.time_limit.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(request.time_limit,
                             ReadDurationArgument("--time-limit", options.time_limit));
  }
  ENTENTE_ASSIGN_OR_RETURN(request.labels, ReadLabels(options.labels));
  return request;
}

void RunBegin(Context& context, const BeginOptions& options) {
  Result<sdk::BeginRequest> request = RequestOf(options);
  if (!request.ok()) {
    return context.Fail(request.status());
  }
  const Result<sdk::SubmitResult> begun =
      Checked(context.client().Begin(std::move(request).value()));
  if (!begun.ok()) {
    return context.Fail(begun.status());
  }
  PrintCreated(context, *begun, "it had been begun");
}

void AddBegin(CLI::App& app, Context& context) {
  CLI::App* begin = app.add_subcommand("begin", "Begin a transaction that you drive yourself");
  const auto options = std::make_shared<BeginOptions>();
  begin->add_option("--mode", options->mode, "saga, tcc or 2pc")
      ->required()
      ->check(CLI::IsMember({"saga", "tcc", "2pc"}))
      ->type_name("MODE");
  begin->add_option("--gid", options->gid, "Its name; beginning twice with it is safe [a UUID]")
      ->type_name("GID");
  begin
      ->add_option("--time-limit", options->time_limit,
                   "It is undone unless committed by then [1m]")
      ->type_name("DURATION");
  AddLabelOption(*begin, options->labels);
  AddClientOptions(*begin, context);
  begin->callback([&context, options] { RunBegin(context, *options); });
}

// ---- enlist

struct EnlistOptions {
  std::string gid;
  std::string file;
};

void RunEnlist(Context& context, const EnlistOptions& options) {
  const Result<DefinitionSource> branch = ReadDefinition(context, options.file);
  if (!branch.ok()) {
    return context.Fail(branch.status());
  }
  const Result<sdk::SubmitResult> enlisted =
      Checked(context.client().Enlist(options.gid, branch->json));
  if (enlisted.ok()) {
    return PrintCreated(context, *enlisted, "the branch had been enlisted");
  }
  if (!PrintRefusal(context, options.file, *branch, Sent::kAsWritten)) {
    context.Fail(enlisted.status());
  }
}

void AddEnlist(CLI::App& app, Context& context) {
  CLI::App* enlist =
      app.add_subcommand("enlist", "Enlist a branch, before you work with its participant");
  const auto options = std::make_shared<EnlistOptions>();
  AddGid(*enlist, options->gid);
  enlist->add_option("FILE", options->file, "The branch, as JSON; - is standard input")
      ->required()
      ->type_name("");
  AddClientOptions(*enlist, context);
  enlist->callback([&context, options] { RunEnlist(context, *options); });
}

// ---- commit, abort

struct DecideOptions {
  bool commit = false;
  std::string gid;
  std::string reason;
  std::string actor;
  WaitOption wait;
};

// Whether it came to what was asked for; what goes on counts unless its end was to be waited for.
bool IsAsAsked(const DecideOptions& options, const sdk::Transaction& transaction) {
  const std::string status = transaction.status();
  const std::string_view wanted = options.commit ? "COMMITTED" : "ABORTED";
  if (options.wait.given || transaction.finished()) {
    return status == wanted;
  }
  return status != (options.commit ? "ABORTING" : "COMMITTING");
}

void RunDecide(Context& context, const DecideOptions& options) {
  const Result<WaitPlan> wait = ReadWait(options.wait);
  if (!wait.ok()) {
    return context.Fail(wait.status());
  }
  sdk::Client& client = context.client();
  Result<sdk::Transaction> transaction = Checked(
      options.commit ? client.Commit(options.gid, wait->first)
                     : client.Abort(options.gid, options.reason, wait->first, options.actor));
  if (transaction.ok() && options.wait.given) {
    transaction = WaitOn(client, std::move(transaction).value(), wait->until);
  }
  if (!transaction.ok()) {
    return context.Fail(transaction.status());
  }
  PrintOutcome(context, *transaction);
  context.exit_code = IsAsAsked(options, *transaction) ? kExitDone : kExitNo;
}

void AddDecide(CLI::App& app, Context& context, bool commit) {
  CLI::App* command =
      commit ? app.add_subcommand("commit", "Commit a transaction that you drive")
             : app.add_subcommand("abort", "Undo every branch of a transaction that you drive");
  const auto options = std::make_shared<DecideOptions>();
  options->commit = commit;
  AddGid(*command, options->gid);
  if (!commit) {
    command->add_option("--reason", options->reason, "Why; kept in the history")->type_name("TEXT");
    AddActor(*command, options->actor);
  }
  CLI::Option* wait =
      AddWaitOption(*command, options->wait,
                    commit ? "Wait for the end, or at most so long; exit 1 unless COMMITTED"
                           : "Wait for the end, or at most so long; exit 1 unless ABORTED");
  AddClientOptions(*command, context);
  command->callback([&context, options, wait] {
    options->wait.given = wait->count() > 0;
    RunDecide(context, *options);
  });
}

// ---- decision

int ExitCodeOf(sdk::Decision decision) {
  switch (decision) {
    case sdk::Decision::kCommitted: return kExitDone;
    case sdk::Decision::kAborted: return kExitAborted;
    case sdk::Decision::kUndecided: return kExitUndecided;
  }
  return kExitNo;
}

void RunDecision(Context& context, const std::string& gid) {
  const Result<sdk::Document> answer = context.client().Decision(gid);
  if (!answer.ok()) {
    return context.Fail(answer.status());
  }
  const Result<sdk::Decision> decision = sdk::ReadDecision(*answer);
  if (!decision.ok()) {
    return context.Fail(decision.status());
  }
  if (context.json) {
    context.PrintJson(answer->text);
  } else {
    context.terminal.out << ShowText(gid) << " " << Text(answer->json, "decision")
                         << (IsTrue(answer->json, "known") ? "" : " (not known)") << std::endl;
  }
  context.exit_code = ExitCodeOf(*decision);
}

void AddDecision(CLI::App& app, Context& context) {
  CLI::App* decision =
      app.add_subcommand("decision", "What was decided: exit 0 committed, 3 aborted, 4 undecided");
  const auto gid = std::make_shared<std::string>();
  AddGid(*decision, *gid);
  AddClientOptions(*decision, context);
  decision->callback([&context, gid] { RunDecision(context, *gid); });
}

}  // namespace

void AddClientDrivenCommands(CLI::App& app, Context& context) {
  AddBegin(app, context);
  AddEnlist(app, context);
  AddDecide(app, context, /*commit=*/true);
  AddDecide(app, context, /*commit=*/false);
  AddDecision(app, context);
}

}  // namespace entente::cli
