// WorkerShards: the shards that one worker drives.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/shard/shard.h"

namespace entente::runtime {

// What a worker's shards need beside their options. All of it outlives the WorkerShards, but for
// the journal, which may go before: see ~WorkerShards.
struct WorkerShardsSurroundings {
  Host& host;
  storage::Journal& journal;
  ParticipantCaller& caller;
  Definitions& definitions;
  EventHub& events;
  // Runs work that blocks for long on some other thread.
  std::function<void(std::function<void()> work)> load;
  // A shard carries on with all that was open. Called on the host's thread.
  std::function<void(const Lease&)> on_serving;
  // A shard could not be read, or dropped itself, for the reason given. As on_serving.
  std::function<void(const Lease&, const Status& why)> on_lost;
};

// Routes what is asked to the shard of its gid, multiplexes their timers over the host's one
// wake-up, and hands their batches to the journal. Everything on the host's own thread, where
// callbacks run too, but for RefusalNow and counters().
//
// Batches go to the journal together: those of all shards that have something to write, once what
// was ready to run has run. Their outcomes come back together, too. So a thread is woken at most
// once on each side of a commit, however many shards there are; each batch is still its own
// shard's, under its epoch, and written or refused alone.
class WorkerShards final : private ShardKeeper {
 public:
  WorkerShards(ShardOptions options, WorkerShardsSurroundings surroundings);
  // Appends that the journal has not answered by then are answered to nobody. The host runs no
  // task of this any more.
  ~WorkerShards() override;
  WorkerShards(const WorkerShards&) = delete;
  WorkerShards& operator=(const WorkerShards&) = delete;

  // Drives the shard from now on: reads what is open by `load`, for as long as `go_on` says yes
  // (called on that thread), and carries on with it.
  void Start(std::shared_ptr<const Lease> lease, std::function<bool()> go_on);

  // The lease was lost: Shard::Drop. Nothing if the shard is not driven under it any more.
  void Drop(const Lease& lease);

  // Hands the shard over: drains it, drops it, and says so by `done`, in a task of the host.
  // Nothing if it is not driven under this lease any more.
  void HandOver(const Lease& lease, std::function<void()> done);

  // Shard::Drain of all; `drained` when all are.
  void Drain(const std::function<void()>& drained);

  // What clients ask: see Shard. kUnavailable shard.lost: the shard is not driven here.
  void Submit(Shard::SubmitCommand command, Callback<SubmitReply> done);
  void Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done);
  void GetHistory(const Gid& gid, Callback<History> done);
  void Deliver(const Gid& gid, engine::Event event, std::optional<Sequence> expected_revision,
               Callback<TxnView> done);
  void Enlist(const Gid& gid, const std::string& branch,
              const std::shared_ptr<std::vector<dsl::Problem>>& problems,
              Callback<EnlistReply> done);

  // Why something new would be refused now, as far as that can be told. Any thread.
  [[nodiscard]] Status RefusalNow() const;

  [[nodiscard]] const ShardCounters& counters() const { return counters_; }

 private:
  using ShardPtr = std::shared_ptr<Shard>;
  using Wakes = TimerQueue<ShardId>;
  struct Driven {
    ShardPtr shard;
    std::optional<Wakes::Handle> wake;
  };
  // The way from the journal's thread to the host's. Shared with the journal's callbacks, which may
  // outlive the WorkerShards.
  class Answers;

  void WakeAt(ShardId shard, std::optional<Instant> at) override;
  void OnLost(ShardId shard, const Status& why) override;
  void FlushSoon(ShardId shard) override;
  void Append(const Lease& lease, storage::Batch batch,
              std::function<void(const Status&)> done) override;

  template <class Ask, class Done>
  void With(const Gid& gid, const Done& done, const Ask& ask);
  void OnRead(const ShardPtr& shard, const Status& read);
  template <class Work>
  void InTurnOf(const ShardPtr& shard, const Work& work);
  void Flush();
  void HandIn(std::vector<storage::ShardBatch> batches, const std::vector<ShardPtr>& shards);
  void OnWritten();
  void Lose(const ShardPtr& shard, const Status& why);
  void Remove(ShardId shard);
  void UpdateWake();
  void OnWake();

  const ShardOptions options_;
  const WorkerShardsSurroundings surroundings_;
  ShardCounters counters_;
  std::unordered_map<ShardId, Driven> driven_;
  Wakes wakes_;
  std::optional<Instant> wake_wish_;
  std::vector<ShardId> flushes_;  // That are wanted, each once.
  bool flush_posted_ = false;
  std::shared_ptr<Answers> answers_;
};

}  // namespace entente::runtime
