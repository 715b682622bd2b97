// validate, graph, eval: what needs no coordinator.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/commands/commands.h"
#include "cli/commands/offline.h"
#include "cli/context.h"
#include "dsl/cel/expression.h"
#include "dsl/graph.h"

#include "base/utf8.h"

namespace entente::cli {
namespace {

void RunValidate(Context& context, const std::vector<std::string>& files) {
  Json report = Json::array();
  for (const std::string& file : files) {
    Compiled compiled = CompileFile(context, file);
    if (!compiled.unreadable.ok()) {
      context.Fail(compiled.unreadable);
      continue;
    }
    if (context.json) {
      report.push_back(
          {{"file", file},
           {"valid", compiled.plan != nullptr},
           {compiled.plan != nullptr ? "warnings" : "problems", ProblemsJson(compiled.problems)}});
    } else if (compiled.plan != nullptr) {
      context.terminal.out << file << ": " << context.terminal.Paint(Style::kGood, "ok") << " ("
                           << ShowText(compiled.plan->name) << ", "
                           << dsl::ModeName(compiled.plan->mode) << ", "
                           << compiled.plan->steps.size()
                           << (compiled.plan->steps.size() == 1 ? " step)\n" : " steps)\n");
      PrintProblems(context, file, compiled);
    } else {
      PrintProblems(context, file, compiled);
    }
    if (compiled.plan == nullptr) {
      context.exit_code = kExitNo;
    }
  }
  if (context.json) {
    context.PrintJson(DumpJson(report));
  }
  context.terminal.out << std::flush;
}

void AddValidate(CLI::App& app, Context& context) {
  CLI::App* validate =
      app.add_subcommand("validate", "Check definitions; every mistake is shown where it stands");
  const auto files = std::make_shared<std::vector<std::string>>();
  validate->add_option("FILE", *files, "Definitions; - is standard input")
      ->required()
      ->type_name("");
  validate->add_flag("--json", context.json, "Print a JSON array, for scripts");
  validate->callback([&context, files] { RunValidate(context, *files); });
}

struct GraphOptions {
  std::string file;
  std::string format = "mermaid";
};

void RunGraph(Context& context, const GraphOptions& options) {
  Compiled compiled = CompileFile(context, options.file);
  if (!compiled.unreadable.ok()) {
    return context.Fail(compiled.unreadable);
  }
  if (compiled.plan == nullptr) {
    PrintProblems(context, options.file, compiled);
    context.exit_code = kExitNo;
    return;
  }
  const std::string text =
      options.format == "dot" ? dsl::ToDot(*compiled.plan) : dsl::ToMermaid(*compiled.plan);
  if (context.json) {
    context.PrintJson(
        DumpJson({{"name", compiled.plan->name}, {"format", options.format}, {"text", text}}));
    return;
  }
  context.terminal.out << ShowLines(text) << (text.ends_with('\n') ? "" : "\n") << std::flush;
}

void AddGraph(CLI::App& app, Context& context) {
  CLI::App* graph = app.add_subcommand("graph", "Draw a definition: its steps and the way back");
  const auto options = std::make_shared<GraphOptions>();
  graph->add_option("FILE", options->file, "A definition; - is standard input")
      ->required()
      ->type_name("");
  graph->add_option("--format", options->format, "mermaid or dot [mermaid]")
      ->check(CLI::IsMember({"mermaid", "dot"}))
      ->type_name("FORMAT");
  graph->add_flag("--json", context.json,
                  "Print the drawing within one JSON document, for scripts");
  graph->callback([&context, options] { RunGraph(context, *options); });
}

struct EvalOptions {
  std::string expression;
  std::string data;
};

// The expression with a caret under `offset`, if it is one line.
std::string PointAt(const std::string& expression, size_t offset) {
  if (expression.find('\n') != std::string::npos || offset > expression.size()) {
    return "";
  }
  size_t column = 0;
  for (size_t i = 0; i < offset; ++i) {
    column += (static_cast<unsigned char>(expression[i]) & 0xC0) != 0x80 ? 1 : 0;
  }
  return "\n  " + expression + "\n  " + std::string(column, ' ') + "^";
}

Result<Json> Evaluate(Context& context, const EvalOptions& options) {
  Json data = Json::object();
  if (!options.data.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(const std::string text, ReadFile(context, options.data));
    Result<Json> read = ParseExactJson(text, limits::kPayloadJson);
    if (!read.ok()) {
      return InvalidArgument(read.status().reason(), options.data + ": " + read.status().message());
    }
    data = std::move(read).value();
    if (!data.is_object()) {
      return InvalidArgument("expression.data",
                             options.data +
                                 ": the data must be a JSON object; its members are the names that "
                                 "the expression may use");
    }
  }
  const auto parsed = dsl::cel::Expression::Parse(options.expression);
  if (const auto* error = std::get_if<dsl::cel::ParseError>(&parsed)) {
    return InvalidArgument("expression.syntax",
                           error->message + PointAt(options.expression, error->offset));
  }
  return std::get<dsl::cel::Expression>(parsed).EvaluateToJson(dsl::cel::Activation(data));
}

// What looks like an option that there is not is the expression, if no other is given.
void TakeExpression(const CLI::App& eval, EvalOptions& options) {
  std::vector<std::string> unknown = eval.remaining();
  std::erase(unknown, "--");  // What follows it is the expression as it is.
  if (unknown.size() > (options.expression.empty() ? 1U : 0U)) {
    throw CLI::ExtrasError(unknown);
  }
  if (!unknown.empty()) {
    options.expression = unknown.front();
  }
  if (options.expression.empty()) {
    throw CLI::RequiredError("EXPRESSION");
  }
}

void AddEval(CLI::App& app, Context& context) {
  CLI::App* eval = app.add_subcommand("eval", "Evaluate an expression (CEL) and print its JSON");
  const auto options = std::make_shared<EvalOptions>();
  eval->add_option("EXPRESSION", options->expression, "Without ${ }; it may begin with -")
      ->type_name("");
  eval->allow_extras();  // An expression such as -x looks like an option.
  eval->add_option("--data", options->data,
                   "A JSON object: the names it may use; - is standard input")
      ->type_name("FILE");
  eval->add_flag("--json", context.json, "Errors too as JSON, for scripts");
  eval->callback([&context, options, eval] {
    TakeExpression(*eval, *options);
    const Result<Json> value = Evaluate(context, *options);
    if (value.ok()) {
      context.PrintJson(DumpJson(*value));
    } else {
      context.Fail(value.status());
    }
  });
}

}  // namespace

void AddOfflineCommands(CLI::App& app, Context& context) {
  AddValidate(app, context);
  AddGraph(app, context);
  AddEval(app, context);
}

}  // namespace entente::cli
