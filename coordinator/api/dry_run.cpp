#include "coordinator/api/dry_run.h"

#include <atomic>
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

// Of the process; whoever has it plays.
std::atomic_flag playing = ATOMIC_FLAG_INIT;

class Turn {
 public:
  Turn() : has_(!playing.test_and_set(std::memory_order_acquire)) {}
  ~Turn() {
    if (has_) {
      playing.clear(std::memory_order_release);
    }
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return has_; }

 private:
  const bool has_;
};

}  // namespace

Result<DryRunResult> PlayDefinition(const storage::DefinitionRow& definition, const Json& input,
                                    const Json& answers) {
  const Turn turn;
  if (!turn) {
    return ResourceExhausted("dry_run.busy", "another dry run is being played: try again");
  }
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
  ENTENTE_ASSIGN_OR_RETURN(
      result.report,
      engine::DryRun(**plan, input, answers, {kMaxDryRunLines, kMaxDryRunBytes, kMaxDryRunSteps}));
  result.left_out = LeaveOut(result.report.lines);
  return result;
}

}  // namespace entente::api
