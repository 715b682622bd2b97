// What the store that all nodes share knows of them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/ids.h"
#include "base/time.h"
#include "storage/membership.h"

namespace entente::sim {

// The database's side of storage/membership.h; the nodes' is in Node. Who has which shard is noted
// here from what nodes ask for and get, and not read from the journal, so that it can be judged by.
class NodeTable {
 public:
  struct Lease {
    std::string owner;  // A node's id; empty: nobody.
    Epoch epoch;
    Instant until;
  };

  explicit NodeTable(Duration lease_time) : lease_time_(lease_time) {}

  void Beat(const std::string& id, const storage::NodeFacts& facts, Instant now) {
    rows_[id] = {facts, now};
  }
  void Leave(const std::string& id) { rows_.erase(id); }

  void Acquired(ShardId shard, const std::string& id, Epoch epoch, Instant now) {
    leases_.at(shard.value()) = {id, epoch, now + lease_time_};
  }
  void Renewed(ShardId shard, Instant now) { leases_.at(shard.value()).until = now + lease_time_; }
  void Released(ShardId shard) { leases_.at(shard.value()).owner.clear(); }

  [[nodiscard]] const Lease& LeaseOf(ShardId shard) const { return leases_.at(shard.value()); }

  [[nodiscard]] storage::ClusterView Look(Instant now) const {
    storage::ClusterView view;
    for (const auto& [id, row] : rows_) {
      const bool alive = now - row.heard < lease_time_;
      view.nodes.push_back({id, row.facts, {}, now - row.heard, alive});
    }
    for (size_t i = 0; i < kShardCount; ++i) {
      const Lease& lease = leases_.at(i);
      view.shards.at(i) = {lease.owner, lease.epoch, lease.until - now};
    }
    return view;
  }

 private:
  struct Row {
    storage::NodeFacts facts;
    Instant heard;
  };

  const Duration lease_time_;
  std::map<std::string, Row> rows_;  // By the nodes' ids.
  std::array<Lease, kShardCount> leases_;
};

}  // namespace entente::sim
