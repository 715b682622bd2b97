// definitions put, get, list, show.
#include <memory>

#include <CLI/CLI.hpp>

#include "base/limits.h"
#include "cli/answers.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/text/definition_text.h"
#include "cli/text/instants.h"
#include "cli/text/problem_text.h"
#include "cli/text/table.h"
#include "cli/text/transaction_text.h"

#include "base/utf8.h"

namespace entente::cli {
namespace {

// The name that the definition gives itself, if it can be read: the coordinator says what is wrong
// with one that can not.
std::string NameIn(const std::string& source) {
  const Result<Json> json = ParseJson(source, limits::kDefinitionJson);
  return json.ok() ? Text(*json, "name") : std::string();
}

void RunPut(Context& context, const std::string& file) {
  const Result<DefinitionSource> source = ReadDefinition(context, file);
  if (!source.ok()) {
    return context.Fail(source.status());
  }
  const std::string name = NameIn(source->json);
  if (name.empty()) {
    return context.Fail(InvalidArgument(
        "definition.no_name", NameOfFile(file) +
                                  " has no \"name\" that can be read; `entente validate " + file +
                                  "` shows every mistake"));
  }
  const Result<sdk::Document> stored =
      Checked(Answer::kDefinition, context.client().PutDefinition(name, source->json));
  if (stored.ok()) {
    if (context.json) {
      context.PrintJson(stored->text);
    } else {
      context.terminal.out << ShowText(Text(stored->json, "name")) << " version "
                           << NumberText(stored->json, "version") << std::endl;
      for (Json warning : Items(stored->json, "warnings")) {
        warning["warning"] = true;
        context.terminal.err << ShowProblem(NameOfFile(file), source->written, warning);
      }
    }
    return;
  }
  if (!PrintRefusal(context, file, *source, Sent::kAsWritten)) {
    context.Fail(stored.status());
  }
}

struct GetOptions {
  std::string name;
  uint32_t version = 0;
};

Result<sdk::Document> GetDefinition(Context& context, const GetOptions& options) {
  return Checked(
      Answer::kDefinition,
      context.client().GetDefinition(
          options.name, options.version == 0 ? std::nullopt : std::optional(options.version)));
}

void RunGet(Context& context, const GetOptions& options) {
  const Result<sdk::Document> found = GetDefinition(context, options);
  if (!found.ok()) {
    context.Fail(found.status());
  } else {
    context.PrintJson(context.json ? found->text : Text(found->json, "source"));
  }
}

void RunList(Context& context, const std::string& name, const sdk::PageRequest& page) {
  const Result<sdk::Document> list =
      Checked(Answer::kDefinitions, context.client().ListDefinitions(name, page));
  if (!list.ok()) {
    return context.Fail(list.status());
  }
  if (context.json) {
    return context.PrintJson(list->text);
  }
  Table table({"NAME", "VERSION", "CREATED", "DIGEST"});
  for (const Json& row : Items(list->json, "definitions")) {
    table.Add({Text(row, "name"), NumberText(row, "version"),
               ShowInstant(Text(row, "createdAt"), Now()), Text(row, "digest").substr(0, 12)});
  }
  context.terminal.out << (table.empty() ? "no definitions\n" : table.Render(context.terminal))
                       << NextPage(list->json) << std::flush;
}

std::string JoinedNames(const Json& value) {
  std::string text;
  for (const Json& name : value.is_array() ? value : Json::array()) {
    text += (text.empty() ? "" : ", ") + (name.is_string() ? name.get<std::string>() : "?");
  }
  return text;
}

std::string AfterText(const Json& step) {
  const auto after = step.find("after");
  if (after == step.end()) {
    return "";
  }
  const bool races = after->is_object() && after->contains("any");
  return races ? "first of " + JoinedNames((*after)["any"]) : JoinedNames(*after);
}

// The steps as their author wrote them.
Table StepsOf(const Json& definition) {
  Table table({"STEP", "AFTER", "CALLS", "UNDONE BY", ""});
  for (const Json& step : Items(definition, "steps")) {
    std::string calls = Text(step, "participant");
    if (step.contains("wait")) {
      calls = "waits";
    } else if (step.contains("transaction")) {
      calls = "child transaction";
    }
    std::string undo;
    for (const char* member : {"compensate", "cancel", "rollback"}) {
      // "compensate": null says that there is nothing to undo.
      const auto found = step.find(member);
      undo = found != step.end() && !found->is_null() ? member : undo;
    }
    std::string notes;
    for (const char* member : {"pivot", "when", "forEach", "alternatives", "expires", "onePhase"}) {
      notes += step.contains(member) ? (notes.empty() ? "" : ", ") + std::string(member) : "";
    }
    table.Add({Text(step, "id"), AfterText(step), calls, undo, notes});
  }
  return table;
}

void RunShow(Context& context, const GetOptions& options) {
  const Result<sdk::Document> found = GetDefinition(context, options);
  if (!found.ok()) {
    return context.Fail(found.status());
  }
  if (context.json) {
    return context.PrintJson(found->text);
  }
  const Result<Json> source = ParseJson(Text(found->json, "source"), limits::kDefinitionJson);
  const Json definition = source.ok() ? *source : Json::object();
  Table table({});
  const auto add = [&table](const char* name, std::string text) {
    if (!text.empty()) {
      table.Add({{name, Style::kDim}, std::move(text)});
    }
  };
  add("name", Text(found->json, "name"));
  add("version", NumberText(found->json, "version"));
  add("mode", Text(definition, "mode"));
  add("deadline", Text(definition, "deadline"));
  add("created", ShowInstant(Text(found->json, "createdAt"), Now()));
  add("digest", Text(found->json, "digest"));
  context.terminal.out << table.Render(context.terminal) << "\n"
                       << StepsOf(definition).Render(context.terminal) << std::flush;
}

void AddGetLike(CLI::App& definitions, Context& context, const char* name, const char* help,
                void (*run)(Context&, const GetOptions&)) {
  CLI::App* command = definitions.add_subcommand(name, help);
  const auto options = std::make_shared<GetOptions>();
  command->add_option("NAME", options->name, "The definition")->required()->type_name("");
  command->add_option("--version", options->version, "[the newest]")
      ->check(CLI::Range(1U, ~0U))
      ->type_name("N");
  AddClientOptions(*command, context);
  command->callback([&context, options, run] { run(context, *options); });
}

}  // namespace

void AddDefinitionCommands(CLI::App& app, Context& context) {
  CLI::App* definitions = app.add_subcommand("definitions", "Store and read definitions");
  definitions->require_subcommand(1);

  CLI::App* put = definitions->add_subcommand("put", "Store a new version of a definition");
  const auto file = std::make_shared<std::string>();
  put->add_option("FILE", *file, "The definition; - is standard input")->required()->type_name("");
  AddClientOptions(*put, context);
  put->callback([&context, file] { RunPut(context, *file); });

  AddGetLike(*definitions, context, "get", "Print a definition as it was stored", RunGet);
  AddGetLike(*definitions, context, "show", "Summarize a definition", RunShow);

  CLI::App* list = definitions->add_subcommand("list", "List the newest version of each");
  const auto name = std::make_shared<std::string>();
  list->add_option("NAME", *name, "All versions of this one instead")->type_name("");
  const auto page = std::make_shared<sdk::PageRequest>();
  AddPage(*list, page->limit, page->cursor);
  AddClientOptions(*list, context);
  list->callback([&context, name, page] { RunList(context, *name, *page); });
}

}  // namespace entente::cli
