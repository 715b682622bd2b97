#include "coordinator/api/dry_run.h"

#include <memory>
#include <utility>
#include <variant>

#include "dsl/compiler.h"

namespace entente::api {
namespace {

// Cuts the end off, and says how many lines that were.
size_t LeaveOut(std::vector<engine::DryRunLine>& lines) {
  size_t bytes = 0;
  size_t kept = 0;
  while (kept < lines.size() && kept < kMaxDryRunLines &&
         bytes + lines[kept].text.size() <= kMaxDryRunBytes) {
    bytes += lines[kept++].text.size();
  }
  const size_t left_out = lines.size() - kept;
  lines.resize(kept);
  return left_out;
}

}  // namespace

Result<DryRunResult> PlayDefinition(const storage::DefinitionRow& definition, const Json& input,
                                    const Json& answers) {
  dsl::CompileOptions options;
  options.offline = true;
  options.stored = true;
  const dsl::CompileResult compiled = dsl::Compile(definition.source, options);
  const auto* plan = std::get_if<std::shared_ptr<const dsl::Plan>>(&compiled);
  if (plan == nullptr) {
    return InvalidArgument("definition.invalid",
                           "definition '" + definition.name + "' version " +
                               std::to_string(definition.version) +
                               " can not be played: it is not valid any more; validate it");
  }
  DryRunResult result;
  ENTENTE_ASSIGN_OR_RETURN(result.report, engine::DryRun(**plan, input, answers));
  result.left_out = LeaveOut(result.report.lines);
  return result;
}

}  // namespace entente::api
