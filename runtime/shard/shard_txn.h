// What a shard keeps of one open transaction. Internal to the runtime.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/sensitive.h"
#include "runtime/exceptions.h"
#include "runtime/shard/shard.h"

namespace entente::runtime {

struct Shard::Txn {
  PlanPtr plan;
  // Changed in place while the transaction is open; handed out (and then never changed) once it is
  // finished. Open ones are copied for whoever asks.
  std::shared_ptr<engine::TxnState> state = std::make_shared<engine::TxnState>();

  std::vector<std::string> unsaved;  // Encoded records not yet handed to the journal...
  Sequence saved;                    // ...which follow this revision.
  bool summary_changed = false;
  // See shard.h. The latest records, the latest forced decision, and the latest records that were
  // handed to the journal, are in these batches.
  uint64_t last_batch = 0;
  uint64_t forced_batch = 0;
  uint64_t handed_batch = 0;
  bool touched = false;    // It is in the gathering batch.
  bool created = false;    // Its first record is durable.
  bool incident = false;   // It is counted among those that wait for an operator.
  bool abandoned = false;  // A turn or an append of it failed: another object takes its place.

  // Something is pondered: state and plan stay as they are until that is back, and what comes in
  // waits behind `held`.
  bool pondered = false;
  bool admitted = false;  // The next one is the first of those that waited.
  std::deque<HeldInput> held;

  MemoryCharge charge;

  // What its events do not show, as far as `state` tells: gathered once while somebody watches, and
  // not for each of many records. Null: nobody asked.
  std::unique_ptr<engine::Sensitive> sensitive;
  // In a record that is folded into `state` already.
  void HideSensitive(engine::Record& record);

  std::vector<Waiter> waiters;
  std::vector<std::pair<std::optional<BranchId>, DueTimers::Handle>> timers;
  // Calls that are due and were held back by their participant's gate, and since when.
  struct Blocked {
    BranchId branch;
    engine::Role role;
    std::unique_ptr<Earliest::Entry> since;
  };
  std::vector<Blocked> blocked;
  // The parent's call that this transaction answers when it ends.
  std::optional<engine::StartChild> parent_call;
  std::optional<Instant> follow_at;  // Held: when it looks again whether its parent has ended.
};

// Of a transaction in its family: 0 for one that a caller submitted.
[[nodiscard]] size_t ChildDepth(const Gid& gid);

// Why a call is not made any more, for the records.
[[nodiscard]] engine::Failure NotMadeWhileStopping();

// What becomes of a submit, whose input must match the schema of its definition; nothing if working
// it out takes more than `most`. Any thread.
[[nodiscard]] std::optional<engine::Decision> OpenWithin(uint64_t most, const dsl::Plan& plan,
                                                         const engine::Input& input);

// The reason with which a child's input is refused.
inline constexpr const char* kChildInputInvalid = "child.input_invalid";

// Why a held child is quarantined whose parent is not in the journal.
inline constexpr std::string_view kParentNotFound = "child.parent_not_found";

// What clients are told.
[[nodiscard]] Status NoRoom(const MemoryBudget& memory);
[[nodiscard]] Status HeldBack(const Gid& gid);
[[nodiscard]] Status Reloading(const Gid& gid);
[[nodiscard]] Status InQuarantine(const Gid& gid);
[[nodiscard]] Status MovedOn(const Gid& gid, Sequence is, Sequence expected);

// What runs later runs in a turn of the shard, or not at all.
template <class Work>
auto Shard::InTurn(Work work) {
  return [weak = weak_from_this(), work = std::move(work)](auto&&... args) mutable {
    if (const auto self = weak.lock()) {
      if (const Turn turn(*self); turn) {
        work(std::forward<decltype(args)>(args)...);
      }
    }
  };
}

// Runs `work`, a piece of the transaction's turn. If it throws, the transaction is held back and
// the answer is false. `txn` may be null: what is read back has no object yet.
template <class Work>
bool Shard::Guarded(const Gid& gid, const TxnPtr& txn, const Work& work) {
  const marks::WorkScope scope(gid.str());
  try {
    work();
    return true;
  } catch (...) {
    HoldBack(gid, txn, DescribeException());
    return false;
  }
}

// Why a shard whose lease could not be renewed in time is lost.
[[nodiscard]] Status LeaseEnded(ShardId shard);

// The list row of a transaction.
[[nodiscard]] storage::Summary MakeSummary(const dsl::Plan& plan, const engine::TxnState& state);

// True if the record changes what MakeSummary returns.
[[nodiscard]] bool ChangesSummary(const engine::Record& record);

// The plan of a client-driven transaction, from what its branches were enlisted with.
[[nodiscard]] Result<PlanPtr> ClientDrivenPlanOf(const engine::TxnState& state);

// As much of a quarantined transaction as its list row tells.
[[nodiscard]] TxnView QuarantinedView(const storage::StoredTxn& stored, Sequence revision);

// Folds stored records. kDataLoss if they are no journal of one transaction.
[[nodiscard]] Result<engine::TxnState> FoldRecords(const storage::StoredTxn& stored);

}  // namespace entente::runtime
