// dry-run: what a definition would do, given the participants' answers.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline.h"
#include "cli/context.h"
#include "cli/text/table.h"
#include "engine/dry_run/dry_run.h"

#include "base/utf8.h"

namespace entente::cli {
namespace {

using engine::DryRunLine;
using engine::DryRunReport;

struct DryRunOptions {
  std::string file;
  std::string answers;
  std::string input;
};

Result<Json> ReadAnswers(Context& context, const std::string& path) {
  if (path.empty()) {
    return Json(Json::object());
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::string text, ReadFile(context, path));
  Result<Json> json = ParseExactJson(text, limits::kPayloadJson);
  if (!json.ok()) {
    return InvalidArgument(json.status().reason(), path + ": " + json.status().message());
  }
  return json;
}

// What comes in, what is decided and what goes out, told apart at a glance.
Cell TextCell(const DryRunLine& line) {
  switch (line.kind) {
    case DryRunLine::Kind::kInput: return {"<- " + line.text, Style::kDim};
    case DryRunLine::Kind::kRecord: return {"   " + line.text, Style::kBold};
    case DryRunLine::Kind::kEffect: return {"-> " + line.text};
  }
  CheckFailed("Kind is a declared enumerator", __FILE__, __LINE__);
}

void Show(Context& context, const DryRunReport& report) {
  Table table({});
  for (const DryRunLine& line : report.lines) {
    table.Add({{FormatDuration(line.at), Style::kDim}, TextCell(line)});
  }
  const std::string_view status = engine::TxnStatusName(report.status);
  const Terminal& terminal = context.terminal;
  terminal.out << table.Render(terminal) << terminal.Paint(StyleOfStatus(status), status);
  if (!report.stopped.empty()) {
    terminal.out << "; " << ShowText(report.stopped);
  }
  if (!report.output.is_null()) {
    terminal.out << ", output " << ShowText(report.output.text());
  }
  terminal.out << "\n" << std::flush;
}

Json ReportJson(const DryRunReport& report) {
  Json lines = Json::array();
  for (const DryRunLine& line : report.lines) {
    lines.push_back({{"at", FormatDuration(line.at)},
                     {"kind", engine::DryRunKindName(line.kind)},
                     {"text", line.text}});
  }
  Json json{{"status", engine::TxnStatusName(report.status)},
            {"output", report.output.Read()},
            {"lines", std::move(lines)}};
  if (!report.stopped.empty()) {
    json["stopped"] = report.stopped;
  }
  return json;
}

Result<DryRunReport> Play(Context& context, const DryRunOptions& options, const dsl::Plan& plan) {
  Json input = Json::object();
  if (!options.input.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(input, ReadJsonArgument(context, "--input", options.input));
  }
  ENTENTE_ASSIGN_OR_RETURN(const Json answers, ReadAnswers(context, options.answers));
  return engine::DryRun(plan, input, answers);
}

void RunDryRun(Context& context, const DryRunOptions& options) {
  Compiled compiled = CompileFile(context, options.file);
  if (!compiled.unreadable.ok()) {
    return context.Fail(compiled.unreadable);
  }
  if (compiled.plan == nullptr) {
    PrintProblems(context, options.file, compiled);
    context.exit_code = kExitNo;
    return;
  }
  const Result<DryRunReport> report = Play(context, options, *compiled.plan);
  if (!report.ok()) {
    return context.Fail(report.status());
  }
  if (context.json) {
    context.PrintJson(DumpJson(ReportJson(*report)));
  } else {
    Show(context, *report);
  }
  if (report->status != engine::TxnStatus::kCommitted) {
    context.exit_code = kExitNo;
  }
}

}  // namespace

void AddDryRun(CLI::App& app, Context& context) {
  CLI::App* dry_run = app.add_subcommand(
      "dry-run", "Play a definition against stated answers; exit 1 unless COMMITTED");
  const auto options = std::make_shared<DryRunOptions>();
  dry_run->add_option("FILE", options->file, "A definition; - is standard input")
      ->required()
      ->type_name("");
  dry_run
      ->add_option("--answers", options->answers,
                   "What the participants answer [each call succeeds]; - is standard input")
      ->type_name("FILE");
  dry_run->add_option("--input", options->input, "The transaction's input [{}]")
      ->type_name("JSON|@FILE|-");
  dry_run->add_flag("--json", context.json, "Print one JSON document, for scripts");
  dry_run->callback([&context, options] { RunDryRun(context, *options); });
}

}  // namespace entente::cli
