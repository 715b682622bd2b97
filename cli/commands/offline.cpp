#include "cli/commands/offline.h"

#include <utility>

#include "base/utf8.h"
#include "cli/context.h"
#include "cli/text/definition_text.h"
#include "cli/text/problem_text.h"

namespace entente::cli {

Compiled CompileFile(Context& context, const std::string& path) {
  Compiled compiled;
  Result<DefinitionSource> source = ReadDefinition(context, path);
  if (!source.ok()) {
    compiled.unreadable = source.status();
    return compiled;
  }
  compiled.source = std::move(source->written);
  compiled.json = std::move(source->json);
  dsl::CompileOptions options;
  options.offline = true;
  options.warn = [&compiled](dsl::Problem warning) {
    compiled.problems.push_back(std::move(warning));
  };
  dsl::CompileResult result = dsl::Compile(compiled.json, options);
  if (auto* problems = std::get_if<dsl::Problems>(&result)) {
    compiled.problems = std::move(*problems);
  } else {
    compiled.plan = std::get<std::shared_ptr<const dsl::Plan>>(std::move(result));
  }
  return compiled;
}

Json ProblemsJson(const dsl::Problems& problems) {
  Json list = Json::array();
  for (const dsl::Problem& problem : problems) {
    list.push_back(dsl::ProblemToJson(problem));
  }
  return list;
}

void PrintProblems(Context& context, const std::string& file, const Compiled& compiled) {
  const std::string name = NameOfFile(file);
  if (context.json) {
    context.terminal.err << ShowLines(DumpJson({{"code", "definition.invalid"},
                                                {"detail", name + ": the definition has mistakes"},
                                                {"problems", ProblemsJson(compiled.problems)}}))
                         << "\n";
    return;
  }
  for (const dsl::Problem& problem : compiled.problems) {
    context.terminal.err << ShowProblem(name, compiled.source, dsl::ProblemToJson(problem));
  }
}

}  // namespace entente::cli
