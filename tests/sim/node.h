// One node: the shards it drives with its journal, its leases, its clock and its network around it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/node/ownership.h"
#include "runtime/node/worker_shards.h"
#include "storage/membership.h"
#include "storage/memory/memory_journal.h"
#include "tests/sim/network.h"
#include "tests/sim/node_table.h"
#include "tests/sim/scheduler.h"

namespace entente::sim {

class Node;

// What became of an append.
struct Written {
  ShardId shard;
  Epoch epoch;
  bool decides = false;  // It holds a decision, or an end.
};

// What a node has around it, all of which outlives it, and what is told of it.
struct NodeSurroundings {
  Scheduler& scheduler;
  Network& network;
  std::shared_ptr<storage::MemoryStore> store;
  NodeTable& table;
  // Whoever asks the store waits for its answer: asked before it does anything, and after. Time may
  // pass in them, in which everything goes on but who asks. Not ok: the store was not reached, or
  // did what it was asked for and the answer was lost.
  std::function<Status(Node&)> reach;
  std::function<Status(Node&)> hear;
  // An append of unknown outcome that may still arrive.
  std::function<void(storage::ShardBatch)> on_late;
  // Whether it can be read, just now.
  std::function<Status(const Node&)> read;
  // A call has left. The node may be stopped here, in the middle of its turn.
  std::function<void(Node&)> after_call;
  std::function<void(const Node&, ShardId, Epoch)> on_acquired;
  std::function<void(ShardId, Epoch)> on_handed_in;  // An append.
  std::function<void(const Written&, const Status&)> on_written;
  std::function<void(ShardId, const Status& why)> on_lost;
  std::function<void(const Node&)> on_released;  // Others may take what it had.
  std::function<void(const char* probe)> on_probe;
};

// Lives from a start to a crash or the end of the run; whatever is still scheduled for it then does
// nothing. While it is stopped, as by a signal or a hypervisor, what is due waits until it goes on.
//
// It has the threads of a real one, as far as they wait: whoever keeps the leases, and whoever
// beats, may be waiting for the store while its worker goes on.
class Node {
 public:
  struct Options {
    size_t index = 0;
    uint64_t process = 0;  // Its number among all that ever ran.
    uint64_t seed = 0;
    Duration clock_offset{};      // Its clock's, from the scheduler's.
    int64_t clock_drift_ppm = 0;  // How much faster than that it goes.
  };

  Node(Options options, NodeSurroundings surroundings);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] runtime::WorkerShards& shards() { return shards_; }
  [[nodiscard]] runtime::Ownership& ownership() { return ownership_; }
  [[nodiscard]] storage::MemoryJournal& journal() { return journal_; }
  // The next append that fails with an unknown outcome may arrive later, see on_late.
  void MakeLate() { journal_.MakeLate(); }
  [[nodiscard]] size_t index() const { return options_.index; }
  [[nodiscard]] uint64_t process() const { return options_.process; }
  [[nodiscard]] const std::string& id() const { return journal_.node_id(); }
  [[nodiscard]] const std::shared_ptr<bool>& alive() const { return host_.alive(); }
  [[nodiscard]] bool paused() const { return host_.paused(); }
  [[nodiscard]] Instant goes_on_at() const { return host_.goes_on_at(); }
  void PauseUntil(Instant instant) { host_.PauseUntil(instant); }
  // Between the two none of its tasks runs: one of them is being stopped in its middle.
  void StopInTurn() { host_.StopInTurn(true); }
  void GoOnInTurn() { host_.StopInTurn(false); }
  // Some of its code is still on the stack, so it may die, but not be destroyed.
  [[nodiscard]] bool busy() const { return busy_ != 0; }
  void Die();

  // Says that it is there, so that it has its share from the first.
  void Join();
  // Beats from now on, and takes and keeps the leases of its share. See failure().
  void Beat();
  // Something may have changed: looks soon who has what.
  void Look();
  // Hands over all that it has; then, or at once, calls `left`.
  void Leave(std::function<void()> left);
  // Once nobody keeps leases any more gives up what is left of them, and calls `released`.
  void ReleaseAll(std::function<void()> released);
  // Runs `task` on its own thread.
  void Post(std::function<void()> task) { host_.Post(std::move(task)); }

  // Why it has to stop, if it has to.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // Who had a shard when it looked last; empty: nobody, or one who is not heard of.
  [[nodiscard]] std::string OwnerOf(ShardId shard) const;

  // Questions that were asked and not answered yet.
  [[nodiscard]] const std::shared_ptr<int64_t>& asked() const { return asked_; }
  size_t deliveries_scheduled = 0;

 private:
  class Host final : public runtime::Host {
   public:
    Host(const Options& options, Scheduler& scheduler)
        : scheduler_(scheduler),
          dice_(options.seed),
          offset_(options.clock_offset),
          drift_ppm_(options.clock_drift_ppm),
          started_at_(scheduler.now()) {}
    ~Host() override { *alive_ = false; }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    [[nodiscard]] const std::shared_ptr<bool>& alive() const { return alive_; }
    void PauseUntil(Instant instant) { goes_on_at_ = std::max(goes_on_at_, instant); }
    [[nodiscard]] Instant goes_on_at() const { return goes_on_at_; }
    void StopInTurn(bool stopped) { stopped_in_turn_ = stopped; }
    [[nodiscard]] bool paused() const { return stopped_in_turn_ || scheduler_.now() < goes_on_at_; }

    Instant Now() override;
    uint64_t Entropy() override { return dice_.Next(); }
    void Post(std::function<void()> task) override { Later(Duration(0), std::move(task)); }
    void SetWakeHandler(std::function<void()> handler) override { on_wake_ = std::move(handler); }
    void WakeAt(std::optional<Instant> at) override;
    void Offload(std::function<void()> work, std::function<void()> done) override;
    void Later(Duration delay, std::function<void()> task);  // By the scheduler's clock.
    // When its own clock shows `at`.
    void LaterAt(Instant at, std::function<void()> task);

   private:
    void GoOnLater();

    Scheduler& scheduler_;
    Dice dice_;
    const Duration offset_;
    const int64_t drift_ppm_;
    const Instant started_at_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    Instant goes_on_at_{};
    bool stopped_in_turn_ = false;
    std::deque<std::function<void()>> waiting_;  // Tasks that were due while it was stopped.
    std::function<void()> on_wake_;
    uint64_t wake_wish_ = 0;
  };

  class Journal final : public storage::MemoryJournal, public storage::Membership {
   public:
    explicit Journal(Node& node)
        : MemoryJournal(node.surroundings_.store, storage::MemoryDelivery::kManual),
          node_(node),
          id_("n" + std::to_string(node.options_.process)) {}

    void MakeLate() { is_late_ = true; }

    Result<Epoch> Acquire(ShardId shard) override;
    Status Renew(ShardId shard, Epoch epoch) override;
    Status Release(ShardId shard, Epoch epoch) override;
    void Append(ShardId shard, Epoch epoch, storage::Batch batch,
                storage::AppendCallback on_durable) override;
    Status LoadOpen(ShardId shard, const std::function<Status(storage::StoredTxn)>& sink) override;
    Result<storage::StoredTxn> Load(const Gid& gid) override;

    const std::string& node_id() const override { return id_; }
    Result<storage::ClusterView> Beat(const storage::NodeFacts& facts) override;
    std::vector<Result<Epoch>> AcquireShards(const std::vector<ShardId>& shards) override;
    std::vector<Status> ReleaseShards(const std::vector<storage::OwnedShard>& shards) override;
    Status Leave() override;

   private:
    // Before and after whatever is asked of the store and waited for. Whoever is dead asks for
    // nothing; what was on its way to the store arrives.
    [[nodiscard]] Status Reach();
    [[nodiscard]] Status Hear();
    [[nodiscard]] Result<Epoch> AcquireHere(ShardId shard);
    [[nodiscard]] Status ReleaseHere(ShardId shard, Epoch epoch);
    void OnDelivered(const Written& written, const Status& status);

    Node& node_;
    const std::string id_;
    std::deque<storage::ShardBatch> handed_in_;  // What Deliver has not delivered, in its order.
    bool is_late_ = false;
  };

  class Caller final : public runtime::ParticipantCaller {
   public:
    explicit Caller(Node& node) : node_(node) {}
    void Call(const runtime::CallContext& context, engine::CallBranch call,
              runtime::ReplyCallback done) override;
    void Poll(const runtime::CallContext& context, engine::PollBranch poll,
              runtime::ReplyCallback done) override;

   private:
    [[nodiscard]] Network::Post Poster();

    Node& node_;
  };

  // While it lives, some of the node's code is on the stack.
  class Busy {
   public:
    explicit Busy(Node& node) : node_(node) { ++node_.busy_; }
    ~Busy() { --node_.busy_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Node& node_;
  };

  [[nodiscard]] runtime::OwnershipEvents MakeEvents();
  void KeepLeases();
  void KeepLeasesAt(Instant at);
  void KeepLeasesSoon();
  void BeatAfter(Duration delay);
  // Reads a shard's transactions, as a loader of a process does.
  void Load(std::function<void()> work);
  void TakeIn(storage::ClusterView&& view);
  void CheckLeft();

  const Options options_;
  const NodeSurroundings surroundings_;
  std::shared_ptr<int64_t> asked_ = std::make_shared<int64_t>(0);
  std::string failure_;
  int busy_ = 0;
  uint64_t keep_wish_ = 0;  // The latest wish to keep leases.
  bool keeping_ = false;
  bool keep_again_ = false;  // It was wished for while it was being done.
  uint64_t beat_wish_ = 0;
  bool beating_ = false;
  Instant beaten_at_{};
  storage::NodeFacts facts_;
  storage::ClusterView view_;
  std::vector<std::string> takers_;  // Of shards, by the latest look.
  runtime::ShardSet share_;
  std::function<void()> left_;
  Journal journal_;
  Host host_;
  Caller caller_;
  runtime::Definitions definitions_;
  runtime::EventHub events_;
  runtime::Ownership ownership_;
  runtime::WorkerShards shards_;
  std::list<std::function<void()>> loads_;  // Last: what they are of uses the members above.
};

}  // namespace entente::sim
