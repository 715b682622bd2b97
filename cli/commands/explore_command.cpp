// explore: every path that a definition may take.
#include <chrono>
#include <memory>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline.h"
#include "cli/context.h"
#include "explore/explore.h"

namespace entente::cli {
namespace {

using explore::ExploreReport;
using explore::PathEnd;

struct ExploreArguments {
  std::string file;
  std::string input;
  std::string answers;
  std::vector<std::string> without_barrier;
  std::vector<std::string> may_stay;
  size_t faults = 2;
  uint64_t max_paths = 1'000'000;
  double seconds = 10;
};

// How many ends of paths are listed one by one.
constexpr size_t kMaxEndsShown = 12;

std::string Joined(const std::vector<std::string>& words, std::string_view none) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text.empty() ? std::string(none) : text;
}

void ShowEnds(Context& context, const ExploreReport& report) {
  std::ostream& out = context.terminal.out;
  out << (report.complete ? "" : "at least ") << report.paths << " paths through " << report.states
      << " states:";
  std::string separator = " ";
  for (const char* outcome : {"COMMITTED", "ABORTED", "INCIDENT", "WAITING"}) {
    if (const uint64_t paths = report.PathsThatEnd(outcome); paths > 0) {
      out << separator << paths << " " << context.terminal.Paint(StyleOfStatus(outcome), outcome);
      separator = ", ";
    }
  }
  out << "\n";
  for (size_t i = 0; i < report.ends.size() && i < kMaxEndsShown; ++i) {
    const PathEnd& end = report.ends[i];
    out << "  " << end.outcome << ", " << end.paths
        << " paths: " << ShowText(Joined(end.effects, "nothing"))
        << (end.effects.size() <= 1 ? " stands" : " stand") << "\n";
  }
  if (report.ends.size() > kMaxEndsShown) {
    out << "  and " << report.ends.size() - kMaxEndsShown << " more (--json has them all)\n";
  }
}

void ShowFinding(Context& context, const explore::Finding& finding) {
  std::ostream& out = context.terminal.out;
  out << "\n"
      << context.terminal.Paint(Style::kBad, finding.code) << ": " << ShowText(finding.message)
      << "\n";
  size_t number = 0;
  for (const std::string& line : finding.path) {
    if (line.starts_with(' ')) {
      out << "       " << ShowText(line) << "\n";
    } else {
      ++number;
      out << (number < 10 ? "   " : "  ") << number << ". " << ShowText(line) << "\n";
    }
  }
}

void ShowPromises(Context& context, const ExploreReport& report) {
  if (report.relies_on.empty()) {
    return;
  }
  std::ostream& out = context.terminal.out;
  out << "what it relies on (the promises of docs/participants.md):\n";
  for (const auto& [participant, promises] : report.relies_on) {
    out << "  " << ShowText(participant) << ":";
    for (const int promise : promises) {
      out << (promise == *promises.begin() ? " " : "; ")
          << (promise == 2   ? "a repeat of a call changes nothing (2)"
              : promise == 3 ? "an undo of what never came succeeds and is remembered (3)"
                             : "an undo or a finish may come again (4)");
    }
    out << "\n";
  }
}

void ShowList(Context& context, std::string_view title, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    context.terminal.out << title << ShowText(line) << "\n";
  }
}

void Show(Context& context, const ExploreReport& report) {
  ShowEnds(context, report);
  ShowPromises(context, report);
  ShowList(context, "left out: ", report.left_out);
  ShowList(context, "note: ", report.notes);
  for (const explore::Finding& finding : report.findings) {
    ShowFinding(context, finding);
  }
  context.terminal.out << (report.findings.empty()
                               ? context.terminal.Paint(Style::kGood, "nothing wrong was found")
                               : "\n" + std::to_string(report.findings.size()) + " found")
                       << "\n"
                       << std::flush;
}

Json ReportJson(const ExploreReport& report) {
  Json ends = Json::array();
  for (const PathEnd& end : report.ends) {
    ends.push_back({{"outcome", end.outcome}, {"effects", end.effects}, {"paths", end.paths}});
  }
  Json findings = Json::array();
  for (const explore::Finding& finding : report.findings) {
    findings.push_back({{"code", finding.code},
                        {"step", finding.step},
                        {"message", finding.message},
                        {"path", finding.path}});
  }
  Json outcomes = Json::object();
  for (const char* outcome : {"COMMITTED", "ABORTED", "INCIDENT", "WAITING"}) {
    outcomes[outcome] = report.PathsThatEnd(outcome);
  }
  Json relies_on = Json::object();
  for (const auto& [participant, promises] : report.relies_on) {
    relies_on[participant] = promises;
  }
  return {{"complete", report.complete},     {"paths", report.paths},
          {"states", report.states},         {"outcomes", std::move(outcomes)},
          {"ends", std::move(ends)},         {"findings", std::move(findings)},
          {"leftOut", report.left_out},      {"notes", report.notes},
          {"reliesOn", std::move(relies_on)}};
}

Result<ExploreReport> Walk(Context& context, const ExploreArguments& arguments,
                           const Compiled& compiled) {
  explore::ExploreOptions options;
  Json input;
  Json answers;
  if (!arguments.input.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(input, ReadJsonArgument(context, "--input", arguments.input));
    options.input = &input;
  }
  if (!arguments.answers.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(answers,
                             ReadJsonArgument(context, "--answers", '@' + arguments.answers));
    options.answers = &answers;
  }
  options.max_faults = arguments.faults;
  options.max_paths = arguments.max_paths;
  options.without_barrier = {arguments.without_barrier.begin(), arguments.without_barrier.end()};
  options.may_stay = {arguments.may_stay.begin(), arguments.may_stay.end()};
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                       std::chrono::duration<double>(arguments.seconds));
  options.out_of_time = [end] { return std::chrono::steady_clock::now() >= end; };
  // It compiled; only its strings and its schema's bounds are of interest.
  ENTENTE_ASSIGN_OR_RETURN(const Json definition,
                           ParseJson(compiled.json, limits::kDefinitionJson));
  return explore::Explore(*compiled.plan, definition, options);
}

void RunExplore(Context& context, const ExploreArguments& arguments) {
  const Compiled compiled = CompileFile(context, arguments.file);
  if (!compiled.unreadable.ok()) {
    return context.Fail(compiled.unreadable);
  }
  if (compiled.plan == nullptr) {
    PrintProblems(context, arguments.file, compiled);
    context.exit_code = kExitNo;
    return;
  }
  const Result<ExploreReport> report = Walk(context, arguments, compiled);
  if (!report.ok()) {
    return context.Fail(report.status());
  }
  if (context.json) {
    context.PrintJson(DumpJson(ReportJson(*report)));
  } else {
    Show(context, *report);
  }
  if (!report->findings.empty()) {
    context.exit_code = kExitNo;
  }
}

}  // namespace

void AddExplore(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "explore", "Walk every path that a definition may take; exit 1 if one goes wrong");
  const auto arguments = std::make_shared<ExploreArguments>();
  command->add_option("FILE", arguments->file, "A definition; - is standard input")
      ->required()
      ->type_name("");
  command->add_option("--input", arguments->input, "The input [made up by the schema]")
      ->type_name("JSON|@FILE|-");
  command
      ->add_option("--answers", arguments->answers,
                   "What the calls answer when they are done, as for a dry-run [made up]")
      ->type_name("FILE");
  command
      ->add_option("--no-barrier", arguments->without_barrier,
                   "A participant that carries out an action that comes after its undo; * is all")
      ->type_name("NAME");
  command
      ->add_option("--may-stay", arguments->may_stay,
                   "A step whose effect is meant to stay whatever the end")
      ->type_name("STEP");
  command->add_option("--faults", arguments->faults, "Things that go wrong on one path [2]")
      ->check(CLI::Range(0, 10))
      ->type_name("N");
  command->add_option("--max-paths", arguments->max_paths, "Paths walked at most [1000000]")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  command->add_option("--seconds", arguments->seconds, "Time taken at most [10]")
      ->check(CLI::Range(0.001, 86'400.0))
      ->type_name("SECONDS");
  command->add_flag("--json", context.json, "Print one JSON document, for scripts");
  command->callback([&context, arguments] { RunExplore(context, *arguments); });
}

}  // namespace entente::cli
