// Membership: which nodes share a store, and which shards each of them has.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"

namespace entente::storage {

// What a node tells the others of itself.
struct NodeFacts {
  std::string peer_address;  // Where other nodes reach it, "host:port".
  std::string http_address;  // Where clients do; for people.
  std::string release;
  bool leaving = false;  // It takes no shards any more, and gives up those that it has.
};

struct NodeRow {
  std::string id;
  NodeFacts facts;
  Instant started_at;  // By the database's clock, as all that follows.
  Duration heard_ago{0};
  bool alive = false;  // Heard of within its lease.
};

// Who has a shard, at the moment of the look.
struct ShardRow {
  std::string owner;  // A node's id; empty: nobody.
  Epoch epoch;
  Duration left{0};  // Of the lease; not above zero: it has ended.

  [[nodiscard]] bool is_free() const { return owner.empty() || left <= Duration(0); }
};

struct ClusterView {
  std::vector<NodeRow> nodes;  // By id. Also those that were not heard of for a while.
  std::array<ShardRow, kShardCount> shards;
  uint64_t definitions = 0;  // Versions stored so far: when it has grown, there is another one.
};

// A shard that this node owns.
struct OwnedShard {
  ShardId shard;
  Epoch epoch;
};

// What a Journal is beside, if many processes may share its store. A node is alive for as long
// after a beat as its leases would last.
//
// Thread-safe; blocks. Fails with kUnavailable.
class Membership {
 public:
  virtual ~Membership() = default;

  // The id of this node, other than that of every process before and beside it: the owner that its
  // leases name.
  [[nodiscard]] virtual const std::string& node_id() const = 0;

  // Tells the others that this node is there, and looks who else is.
  [[nodiscard]] virtual Result<ClusterView> Beat(const NodeFacts& facts) = 0;

  // As Journal::Acquire and Journal::Release of each, in the order given, and for all of them
  // together at the cost of one: a node that joins, leaves or is lost moves a third of the shards
  // or more, and each stands still until its turn has come.
  [[nodiscard]] virtual std::vector<Result<Epoch>> AcquireShards(
      const std::vector<ShardId>& shards) = 0;
  [[nodiscard]] virtual std::vector<Status> ReleaseShards(
      const std::vector<OwnedShard>& shards) = 0;

  // Takes the node off the list. It has no shards any more, or they end by themselves.
  [[nodiscard]] virtual Status Leave() = 0;
};

}  // namespace entente::storage
