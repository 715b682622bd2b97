// A dry run of a definition for those who ask over the API: nothing is called, and nothing is kept.
#pragma once

#include <cstddef>

#include "base/json.h"
#include "base/status.h"
#include "engine/dry_run/dry_run.h"
#include "storage/journal.h"

namespace entente::api {

struct DryRunResult {
  engine::DryRunReport report;
  size_t left_out = 0;  // Lines for which there was no room; the run stopped with them.
};

// How much of a run is told, so that it fits into an answer.
inline constexpr size_t kMaxDryRunLines = 2'000;
inline constexpr size_t kMaxDryRunBytes = size_t{1} << 20;  // Of the lines' texts together.
inline constexpr uint64_t kMaxDryRunSteps = 250'000;        // Of each decision: some 25 ms.

// Plays `definition` as engine::DryRun does. What it reads of the environment stands for itself
// ("${env.NAME}"), since that may be a secret of the services. Blocks for as long as the run takes,
// which the bounds above keep short; safe from any thread, and of several at a time one is played,
// for they share their threads with what is read and written. kInvalidArgument: as DryRun, and
// definition.invalid; kResourceExhausted, dry_run.busy: another one is played.
[[nodiscard]] Result<DryRunResult> PlayDefinition(const storage::DefinitionRow& definition,
                                                  const Json& input, const Json& answers);

}  // namespace entente::api
