// One node: the shards it drives with its journal, its leases, its clock and its network around it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/node/ownership.h"
#include "runtime/node/worker_shards.h"
#include "storage/memory/memory_journal.h"
#include "tests/sim/network.h"
#include "tests/sim/scheduler.h"

namespace entente::sim {

// What a node has around it, all of which outlives it, and what is told of it.
struct NodeSurroundings {
  Scheduler& scheduler;
  Network& network;
  std::shared_ptr<storage::MemoryStore> store;
  std::function<Status()> stumble;  // Asked whenever a lease is to be had: not ok, it is not.
  std::function<void(ShardId, Epoch)> on_acquired;
  std::function<void(ShardId, Epoch, const Status&)> on_written;
  std::function<void(ShardId, const Status& why)> on_lost;
};

// Lives from a start to a crash or the end of the run; whatever is still scheduled for it then does
// nothing. While it is stopped, as by a signal or a hypervisor, what is due waits until it goes on.
class Node {
 public:
  struct Options {
    size_t index = 0;
    uint64_t process = 0;  // Its number among all that ever ran.
    uint64_t seed = 0;
    Duration clock_offset{};  // Its clock's, from the scheduler's.
  };

  Node(Options options, NodeSurroundings surroundings);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] runtime::WorkerShards& shards() { return shards_; }
  [[nodiscard]] runtime::Ownership& ownership() { return ownership_; }
  [[nodiscard]] storage::MemoryJournal& journal() { return journal_; }
  [[nodiscard]] size_t index() const { return options_.index; }
  [[nodiscard]] uint64_t process() const { return options_.process; }
  [[nodiscard]] const std::shared_ptr<bool>& alive() const { return host_.alive(); }
  [[nodiscard]] bool paused() const { return host_.paused(); }
  void PauseUntil(Instant instant) { host_.PauseUntil(instant); }

  // Renews and takes leases when they are due, from now on. Not ok: the node has to stop.
  void KeepLeases();
  [[nodiscard]] const std::string& failure() const { return failure_; }

  // Questions that were asked and not answered yet.
  [[nodiscard]] const std::shared_ptr<int64_t>& asked() const { return asked_; }
  size_t deliveries_scheduled = 0;

 private:
  class Host final : public runtime::Host {
   public:
    Host(const Options& options, Scheduler& scheduler)
        : scheduler_(scheduler), dice_(options.seed), offset_(options.clock_offset) {}
    ~Host() override { *alive_ = false; }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    [[nodiscard]] const std::shared_ptr<bool>& alive() const { return alive_; }
    void PauseUntil(Instant instant) { goes_on_at_ = instant; }
    [[nodiscard]] bool paused() const { return scheduler_.now() < goes_on_at_; }

    Instant Now() override { return scheduler_.now() + offset_; }
    uint64_t Entropy() override { return dice_.Next(); }
    void Post(std::function<void()> task) override { Later(Duration(0), std::move(task)); }
    void SetWakeHandler(std::function<void()> handler) override { on_wake_ = std::move(handler); }
    void WakeAt(std::optional<Instant> at) override;
    void Offload(std::function<void()> work, std::function<void()> done) override;
    void Later(Duration delay, std::function<void()> task);

   private:
    Scheduler& scheduler_;
    Dice dice_;
    const Duration offset_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    Instant goes_on_at_{};
    std::function<void()> on_wake_;
    uint64_t wake_wish_ = 0;
  };

  class Journal final : public storage::MemoryJournal {
   public:
    explicit Journal(const NodeSurroundings& surroundings)
        : MemoryJournal(surroundings.store, storage::MemoryDelivery::kManual),
          surroundings_(surroundings) {}
    Result<Epoch> Acquire(ShardId shard) override;
    Status Renew(ShardId shard, Epoch epoch) override;
    void Append(ShardId shard, Epoch epoch, storage::Batch batch,
                storage::AppendCallback on_durable) override;

   private:
    const NodeSurroundings& surroundings_;
  };

  class Caller final : public runtime::ParticipantCaller {
   public:
    Caller(Network& network, Host& host) : network_(network), host_(host) {}
    void Call(const runtime::CallContext& context, engine::CallBranch call,
              runtime::ReplyCallback done) override {
      network_.Call(Poster(), context, call, std::move(done));
    }
    void Poll(const runtime::CallContext& /*context*/, engine::PollBranch poll,
              runtime::ReplyCallback done) override {
      network_.Poll(Poster(), poll, std::move(done));
    }

   private:
    // Outlives the node, and does nothing then.
    [[nodiscard]] Network::Post Poster() {
      return [&host = host_, alive = host_.alive()](std::function<void()> task) {
        if (*alive) {
          host.Post(std::move(task));
        }
      };
    }

    Network& network_;
    Host& host_;
  };

  [[nodiscard]] runtime::OwnershipEvents MakeEvents();
  void KeepLeasesSoon(Duration delay);

  const Options options_;
  const NodeSurroundings surroundings_;
  std::shared_ptr<int64_t> asked_ = std::make_shared<int64_t>(0);
  std::string failure_;
  uint64_t keeping_ = 0;  // The latest wish to keep leases.
  Journal journal_;
  Host host_;
  Caller caller_;
  runtime::Definitions definitions_;
  runtime::EventHub events_;
  runtime::Ownership ownership_;
  runtime::WorkerShards shards_;
};

}  // namespace entente::sim
