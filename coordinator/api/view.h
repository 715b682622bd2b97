// What REST and gRPC both show of a transaction: computed once here, written by each codec.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/api/commands.h"
#include "dsl/plan.h"
#include "engine/engine.h"

namespace entente::api {

// One branch. Views and pointers are those of the state and the plan, and live as long; absent
// things are null or empty.
struct BranchFields {
  std::string_view id;
  std::string_view step;
  std::optional<uint32_t> index;
  std::string_view participant;
  std::string_view phase;
  std::string_view operation;
  uint32_t alternative = 0;
  uint32_t attempt = 0;
  uint32_t max_attempts = 0;
  std::optional<Instant> next_attempt_at;
  bool may_have_happened = false;
  const JsonText* output = nullptr;
  const JsonText* item = nullptr;
  const engine::Failure* failure = nullptr;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  std::optional<Instant> stuck_since;
  std::optional<Instant> waits_until;
  std::string_view signal;
  std::optional<Instant> deadline;
  std::optional<Instant> expires_at;
  std::optional<Instant> decide_by;
  std::string_view vote;
  std::string_view heuristic;
  bool one_phase = false;
  std::string key;
  std::string_view blocked_by;
  std::string child;
};

// Calls `visit` for every branch in the plan's order; a step that is not expanded yet shows as one
// branch that is blocked, or skipped.
void ForEachBranch(const TxnDetail& detail, const std::function<void(const BranchFields&)>& visit);
// For `count` of them at most, from the one at `first` on.
void ForEachBranch(const TxnDetail& detail, BranchPosition first, size_t count,
                   const std::function<void(const BranchFields&)>& visit);
// How many there are.
[[nodiscard]] size_t CountBranches(const TxnDetail& detail);
// Where the branch is that comes `count` after `first`; nothing if there is none.
[[nodiscard]] std::optional<BranchPosition> PositionAfter(const TxnDetail& detail,
                                                          BranchPosition first, size_t count);
// Whether there are more than are shown with their transaction.
[[nodiscard]] bool HasTooManyBranches(const TxnDetail& detail);

// The final output, or null if there is none to show.
[[nodiscard]] const JsonText* OutputOf(const engine::TxnState& state);

// What the branch's operation sends, or would send if it were called now. Fails as
// engine::PreviewCall.
[[nodiscard]] Result<BranchCallResult> BranchCallOf(const runtime::TxnView& view,
                                                    const BranchId& branch);

// One record. As above.
struct HistoryFields {
  std::string_view type;
  std::string step;
  std::string_view branch;
  std::string_view operation;
  uint32_t alternative = 0;
  std::string_view outcome;
  const engine::Failure* failure = nullptr;
  std::optional<Instant> due_at;
  std::optional<Instant> deadline;
  const JsonText* payload = nullptr;
  std::optional<JsonText> owned_payload;  // Where the record has no single value to point to.
  std::string_view cause;
  std::string_view status;
  std::string_view forced;
  std::string_view name;
  const engine::Actor* actor = nullptr;
  uint32_t version = 0;
  const engine::ParentLink* parent = nullptr;
  bool client_driven = false;
  std::string_view vote;
  bool one_phase = false;
  std::optional<Instant> expires_at;

  [[nodiscard]] const JsonText* shown_payload() const {
    return owned_payload ? &*owned_payload : payload;
  }
};

// `plan` names steps and may be null: a step is then "#<index>".
[[nodiscard]] HistoryFields DescribeRecord(const engine::Record& record, engine::Mode mode,
                                           const dsl::Plan* plan);

// The mode of the transaction an event is about.
[[nodiscard]] engine::Mode ModeOf(const runtime::TxnEvent& event);

}  // namespace entente::api
