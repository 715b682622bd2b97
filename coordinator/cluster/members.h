// Members: which nodes there are, and what is this one's share. The one place of the cluster that
// asks the store.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/cluster/peer_client.h"
#include "runtime/node/ownership.h"
#include "storage/membership.h"

namespace entente::cluster {

// What one look at the store showed.
struct View {
  storage::ClusterView table;
  runtime::ShardSet share;  // What this node is to have.
};
using ViewPtr = std::shared_ptr<const View>;

// What is done about it. Called on the thread of Members alone.
struct MembersHooks {
  // The share, and which shards nobody has.
  std::function<void(const runtime::ShardSet& share, const runtime::ShardSet& free)> set_share;
  std::function<void()> definitions_changed;
  // The node is alone, or not any more; others joined or left: their ids, for the log.
  std::function<void(const std::vector<std::string>& nodes)> nodes_changed;
};

// Beats a few times in the course of a lease, and whenever it is told that something changed; and
// from what it sees then computes this node's share. Every node does the same and comes to the
// same, so nobody has to say what is whose. A node that is not heard of for a lease is left out;
// its leases have ended by then, or do in a moment. While the store can not be asked the last view
// stands.
//
// Threads: one of its own. All methods may be called from any.
class Members {
 public:
  Members(storage::Membership& table, storage::NodeFacts facts, Duration lease, MembersHooks hooks);
  // As Stop.
  ~Members();
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  // The first beat, which tells where clients reach the node; blocks. Then the thread begins.
  [[nodiscard]] Status Start(const std::string& http_address);
  // Ends the thread; the node stays on the list until it is not heard of any more, see Leave.
  void Stop();

  // From now on this node's share is nothing: others take what it gives up.
  void BeginLeaving();
  // Takes it off the list. Blocks.
  void Leave();

  // Something may have changed: looks soon.
  void Look();

  [[nodiscard]] const std::string& id() const { return id_; }
  // Of nothing before the first beat.
  [[nodiscard]] ViewPtr view() const;
  // How long ago the view was had.
  [[nodiscard]] Duration age() const;

  // Who has the shard by the latest view; nothing: nobody, or one that is not alive.
  [[nodiscard]] std::optional<Peer> OwnerOf(ShardId shard) const;
  // All others that are alive.
  [[nodiscard]] std::vector<Peer> Others() const;

 private:
  void Run();
  [[nodiscard]] Status Beat();

  storage::Membership& table_;
  const std::string id_;
  const Duration lease_;
  const MembersHooks hooks_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  storage::NodeFacts facts_;
  ViewPtr view_ = std::make_shared<const View>();
  Instant viewed_at_;
  Instant beat_at_;  // When the latest beat began.
  bool wanted_ = false;
  bool stopping_ = false;

  uint64_t definitions_ = 0;        // The thread's own.
  std::vector<std::string> alive_;  // As definitions_.
  std::thread thread_;
};

}  // namespace entente::cluster
