// What a shard driver keeps of one open transaction. Internal to the runtime.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/runtime/exceptions.h"
#include "coordinator/runtime/shard_driver.h"

namespace entente::runtime {

struct ShardDriver::Txn {
  PlanPtr plan;
  // Changed in place while the transaction is open; handed out (and then never changed) once it is
  // finished. Open ones are copied for whoever asks.
  std::shared_ptr<engine::TxnState> state = std::make_shared<engine::TxnState>();

  std::vector<std::string> unsaved;  // Encoded records not yet handed to the journal...
  Sequence saved;                    // ...which follow this revision.
  bool summary_changed = false;
  uint64_t last_batch = 0;    // The batch that holds its latest records; durable if written.
  uint64_t forced_batch = 0;  // The batch that holds its latest forced decision.
  bool touched = false;       // It is in the gathering batch.
  bool created = false;       // Its first record is durable.
  bool incident = false;      // It is counted among those that wait for an operator.
  bool abandoned = false;     // A turn of it failed: another object takes its place.

  MemoryCharge charge;

  std::vector<Waiter> waiters;
  std::vector<std::pair<std::optional<BranchId>, Timers::Handle>> timers;
  // The parent's call that this transaction answers when it ends.
  std::optional<engine::StartChild> parent_call;
};

// What clients are told.
[[nodiscard]] Status NoRoom(const MemoryBudget& memory);
[[nodiscard]] Status HeldBack(const Gid& gid);
[[nodiscard]] Status Reloading(const Gid& gid);
[[nodiscard]] Status InQuarantine(const Gid& gid);
[[nodiscard]] Status MovedOn(const Gid& gid, Sequence is, Sequence expected);

// Runs `work`, a piece of the transaction's turn. If it throws, the transaction is held back and
// the answer is false. `txn` may be null: what is read back has no object yet.
template <class Work>
bool ShardDriver::Guarded(const Gid& gid, const TxnPtr& txn, const Work& work) {
  const marks::WorkScope scope(gid.str());
  try {
    work();
    return true;
  } catch (...) {
    HoldBack(gid, txn, DescribeException());
    return false;
  }
}

// The list row of a transaction.
[[nodiscard]] storage::Summary MakeSummary(const dsl::Plan& plan, const engine::TxnState& state);

// True if the record changes what MakeSummary returns.
[[nodiscard]] bool ChangesSummary(const engine::Record& record);

// The plan of a client-driven transaction, from what its branches were enlisted with.
[[nodiscard]] Result<PlanPtr> ClientDrivenPlanOf(const engine::TxnState& state);

// Folds stored records. kDataLoss if they are no journal of one transaction.
[[nodiscard]] Result<engine::TxnState> FoldRecords(const storage::StoredTxn& stored);

}  // namespace entente::runtime
