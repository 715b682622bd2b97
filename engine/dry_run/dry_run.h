// Dry run: plays a plan against stated answers in virtual time, with nothing called.
//
// The answers are one JSON object. A member "<step>.<operation>" ("flight.action",
// "room:2.compensate" for one element of a forEach) is the list of answers to the successive calls
// of that operation, its alternatives included. A call without a stated answer succeeds with the
// output {}. An answer is one of
//
//   {"done": <output>}             "done" alone: with the output {}
//   {"refused": "http.409"}        the participant said no
//   {"unknown": "timeout"}         no definite answer; takes the step's timeout unless it says more
//   {"notSent": "connect.refused"} it never arrived
//   {"pending": "30s"}             accepted, and completed with the next stated answer after 30s
//   {"readOnly": <output>}         to a prepare: yes, and there is nothing to commit
//   {"heuristic": "rolled-back"}   to an undo or finish: the participant decided by itself
//
// A success may have "headers" ({"etag": "7"}, in lower case) and a "statusCode" for those who read
// them. An answer may say how long it "takes" and, after unknown and notSent, "retryAfter" ("2s").
// The member "events" is a list of {"at": "5s", "cancel": "why"} and
// {"at": "5s", "signal": "approved", "payload": <any>}.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/json_text.h"
#include "base/status.h"
#include "dsl/plan.h"
#include "engine/core/branch.h"

namespace entente::engine {

struct DryRunLine {
  enum class Kind { kInput, kRecord, kEffect };

  Duration at;  // Since the submit.
  Kind kind = Kind::kInput;
  std::string text;
};

// "input", "record", "effect".
[[nodiscard]] std::string_view DryRunKindName(DryRunLine::Kind kind);

struct DryRunReport {
  std::vector<DryRunLine> lines;
  TxnStatus status = TxnStatus::kActive;
  JsonText output;
  // Why it stopped although the transaction had not ended ("waits for an operator: ..."); empty
  // if it ended.
  std::string stopped;
};

// A run stops after this many inputs.
inline constexpr size_t kMaxDryRunInputs = 100'000;

// For whoever plays what others wrote. A run that would say more stops once it has, with `stopped`
// saying so; as one does whose decision takes more than that many steps of evaluation, as those of
// limits::kMaxExpressionCost.
struct DryRunBounds {
  size_t lines = SIZE_MAX;
  size_t bytes = SIZE_MAX;  // Of the lines' texts together; the one that exceeds them is there.
  uint64_t steps = UINT64_MAX;
};

// Pure; safe from any thread. `input` must fit the plan's schema (checked here). Fails with
// kInvalidArgument, reasons dry_run.bad_answers, input.invalid and those of a submit.
[[nodiscard]] Result<DryRunReport> DryRun(const dsl::Plan& plan, const Json& input,
                                          const Json& answers, const DryRunBounds& bounds = {});

}  // namespace entente::engine
