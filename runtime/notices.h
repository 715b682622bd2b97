// What people on call hear of, told as it happens.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "base/status.h"
#include "engine/engine.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::runtime {

// Each may be empty. Called on any thread; must be quick and must not block.
struct Notices {
  // A notable record is durable. So rare that nothing is paid for it while all goes well.
  std::function<void(const TxnEvent&)> transaction;
  // A batch that touched so many transactions was not written; they are read back.
  std::function<void(const Status&, size_t transactions)> rolled_back;
  // Driving a transaction failed by a defect or for want of memory; it is read back and goes on.
  std::function<void(const Gid&, const Status&)> held_back;
  // It failed too often: an operator has to release it.
  std::function<void(const Gid&, const engine::Failure&)> quarantined;
  // An exception that belongs to no transaction; what it was thrown from ended there.
  std::function<void(const std::string& what)> defect;
  // A new version of a definition is stored.
  std::function<void(const storage::DefinitionRow&)> definition_stored;
  // A shard is not driven any more: its lease was lost, or the store refused what it wrote. It is
  // taken again when it can be had.
  std::function<void(ShardId, const Status& why)> shard_lost;
  // The store begins to fail (`why`: its latest failure), or is well again.
  std::function<void(bool failing, const std::string& why)> store_failing;
};

// Incidents, what operators do, and ends that are MIXED. Not what the client of a transaction that
// it drives itself decides, nor what follows from a parent's abort: that is daily work.
[[nodiscard]] bool IsNotable(const engine::Record& record, bool client_driven);

}  // namespace entente::runtime
