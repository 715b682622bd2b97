// LocalCoordinator: the Coordinator of one process: workers, the shards they drive, definitions.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "observe/registry.h"
#include "runtime/blocking_pool.h"
#include "runtime/completion_token.h"
#include "runtime/coordinator.h"
#include "runtime/definitions/definitions.h"
#include "runtime/event_hub.h"
#include "runtime/node/ownership.h"
#include "runtime/node/worker.h"
#include "runtime/node/worker_shards.h"
#include "runtime/notices.h"

namespace entente::runtime {

class LocalCoordinator;

struct LocalCoordinatorOptions {
  size_t workers = 2;
  size_t max_open = limits::kMaxOpenTransactions;
  Duration retention = std::chrono::hours(24 * 7);  // Of finished transactions.
  Duration purge_interval = std::chrono::seconds(30);
  Duration store_check_interval = std::chrono::seconds(1);
  dsl::CompileOptions compile;
  // Told once, on any thread, when the store can no longer be trusted: the process has to stop.
  std::function<void(Status)> on_fatal;
  Notices notices;
  // Asked for health and metrics, on any thread. Null: nothing is known.
  std::function<LocalExhaustion()> local_exhaustion;
  marks::CrashMarks* crash_marks = nullptr;  // May be null. Outlives the coordinator.
  // What the message types of participants take; asked as that. Null: not known.
  std::function<size_t()> message_type_bytes;
  size_t payload_memory = SIZE_MAX;  // See MemoryBudget.
  // What each worker's thread measures goes to its recorder, by the worker's number. May be null.
  // Outlives the coordinator.
  observe::Registry* registry = nullptr;
  // Told once, on any thread, how the recovery ended that Start began. Shards that another node
  // has, or that are lost meanwhile, are not waited for.
  std::function<void(const Status&)> on_recovered;
  // The shards are shared with other nodes: this one has none before SetShare says which, and only
  // then can its start end.
  bool shared = false;
  // Told on any thread that shards were given up because they are not of the share any more.
  std::function<void()> on_released;
  // Called by Start before anything is driven: who subscribes in it misses no event. May be empty.
  std::function<void(LocalCoordinator&)> on_made;
  // Called before the threads end, also after a failure to start: who uses the coordinator ends.
  std::function<void()> on_stopping;
};

// Makes the caller of one worker. Called during Start; `tokens` outlives the caller.
using CallerFactory =
    std::function<std::unique_ptr<ParticipantCaller>(Worker&, const CompletionTokens&)>;
using ParticipantStatsSource = std::function<std::vector<ParticipantStats>()>;

class LocalCoordinator final : public Coordinator {
 public:
  // Begins to rebuild what was open and to carry on with it, and returns as soon as clients can be
  // answered: with kUnavailable, coordinator.recovering, to whatever is new until on_recovered
  // hears the end of it. Without on_recovered, blocks until then and returns its failure. `journal`
  // must outlive the coordinator's threads, which Stop and the destructor end; nothing of it is
  // used afterwards, and what it has to say of appends by then is said to nobody.
  [[nodiscard]] static Result<std::unique_ptr<LocalCoordinator>> Start(
      LocalCoordinatorOptions options, storage::Journal& journal, const CallerFactory& make_caller,
      ParticipantStatsSource participant_stats);
  // As Stop with no grace.
  ~LocalCoordinator() override;

  // Refuses what is new, waits up to `grace` for calls in flight, and until everything decided is
  // durable. Blocks. The workers still run, so that answers get out.
  void Drain(Duration grace);
  // Ends the threads of the workers and of what was offloaded. Blocks.
  void Stop();

  [[nodiscard]] const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }
  // One beside them that drives nothing, for clients who watch: what they cost is spent there.
  [[nodiscard]] Worker& watchers() { return watchers_; }

  // Where several nodes share the shards; see Ownership. Any thread.
  void SetShare(const ShardSet& share, const ShardSet& free);
  [[nodiscard]] bool Serves(ShardId shard) const { return ownership_.Serves(shard); }
  [[nodiscard]] ShardSet Served() const { return ownership_.Served(); }
  [[nodiscard]] std::array<Epoch, kShardCount> ServedEpochs() const {
    return ownership_.ServedEpochs();
  }
  [[nodiscard]] ShardSet Held() const { return ownership_.Held(); }
  // Health says so from now on, and no shard is begun any more.
  void BeginLeaving() { draining_ = true; }
  // See Definitions.
  void ForgetNewestDefinitions() { definitions_.ForgetNewest(); }
  // Whose completion a token stands for, or nothing if it is not one of ours.
  [[nodiscard]] std::optional<Gid> GidOf(std::string_view token) const;
  // What another node drives, from the journal: see stored_view.h. Any thread; `done` runs on it if
  // it is a worker's.
  void ReadStored(const Gid& gid, Sequence revision, bool quarantined, Callback<TxnView> done);
  void ReadStoredHistory(const Gid& gid, Sequence revision, Callback<History> done);

  [[nodiscard]] const std::string& id() const override { return id_; }
  void Submit(SubmitRequest request, Callback<SubmitReply> done) override;
  void Begin(BeginRequest request, Callback<SubmitReply> done) override;
  void Enlist(const Gid& gid, std::string branch,
              std::function<void(Result<EnlistReply>, std::vector<dsl::Problem>)> done) override;
  void Commit(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) override;
  void Abort(const Gid& gid, engine::Actor actor, std::optional<Wait> wait,
             Callback<TxnView> done) override;
  void Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) override;
  void GetHistory(const Gid& gid, Callback<History> done) override;
  void List(storage::Filter filter, storage::Page page,
            Callback<storage::SummaryPage> done) override;
  void Operate(OperatorRequest request, Callback<TxnView> done) override;
  void Signal(const Gid& gid, SignalRequest request, Callback<TxnView> done) override;
  void Complete(std::string token, std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                Callback<TxnView> done) override;
  void PutDefinition(
      std::string name, std::string source,
      std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) override;
  void ValidateDefinition(std::string source,
                          std::function<void(std::vector<dsl::Problem>)> done) override;
  void GetDefinition(std::string name, std::optional<uint32_t> version,
                     Callback<storage::DefinitionRow> done) override;
  void ListDefinitions(std::optional<std::string> name,
                       Callback<std::vector<storage::DefinitionRow>> done) override;
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(std::optional<Gid> gid,
                                                        EventSink sink) override;
  [[nodiscard]] std::optional<Gid> TransactionOf(const std::string& token) override;
  void Offload(std::function<void()> work, std::function<void()> done) override;
  [[nodiscard]] std::vector<ParticipantStats> Participants() override;
  [[nodiscard]] Health GetHealth() override;
  [[nodiscard]] Metrics GetMetrics() override;

 private:
  LocalCoordinator(LocalCoordinatorOptions options, storage::Journal& journal,
                   const std::string& secret, std::string id,
                   ParticipantStatsSource participant_stats);

  // A quarter of what the process may use, if payloads may take half.
  [[nodiscard]] size_t inline_bytes_limit() const {
    return std::min(limits::kMaxInlineDefinitionBytes, options_.payload_memory / 2);
  }
  void MakeWorkers(const CallerFactory& make_caller);
  [[nodiscard]] OwnershipEvents MakeOwnershipEvents();
  void StartShard(const LeasePtr& lease);
  void OnServing(const Lease& lease);
  void OnLost(const Lease& lease, const Status& why);
  void EndStart(const Status& status);
  void EndStartIfSettled();
  void Fail(const Status& status);
  void KeepLeases();
  [[nodiscard]] Status RefuseInline(const SubmitRequest& request) const;
  void SubmitWithPlan(SubmitRequest request, PlanPtr plan, Callback<SubmitReply> done,
                      Status children = {});
  void DeliverAndWait(const Gid& gid, engine::Event event, std::optional<Wait> wait,
                      Callback<TxnView> done);
  [[nodiscard]] Gid NewGid(size_t worker);
  [[nodiscard]] size_t WorkerOf(const Gid& gid) const;
  // Runs `task` on the worker that `gid` belongs to: at once if that is this thread.
  void OnWorker(const Gid& gid, std::function<void(WorkerShards&)> task);
  template <class T>
  void OffloadTo(std::function<Result<T>()> work, Callback<T> done);
  [[nodiscard]] std::optional<Duration> StoreLag() const;
  void KeepHouse();
  void CheckStore();
  void Purge();

  const LocalCoordinatorOptions options_;
  const std::string id_;
  storage::Journal& journal_;
  Definitions definitions_;
  MemoryBudget memory_;
  EventHub events_;
  const CompletionTokens tokens_;
  ParticipantStatsSource participant_stats_;
  BlockingPool pool_;
  BlockingPool computing_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Worker watchers_;
  std::vector<std::unique_ptr<ParticipantCaller>> callers_;
  std::vector<std::unique_ptr<WorkerShards>> shards_;  // By worker.
  Ownership ownership_;
  std::atomic<uint64_t> next_worker_{0};
  std::atomic<uint64_t> queued_{0};
  std::atomic<bool> ready_{false};
  std::atomic<bool> share_known_{false};
  std::atomic<bool> start_ended_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> draining_{false};
  struct Housekeeper;
  std::unique_ptr<Housekeeper> housekeeper_;
  struct LeaseKeeper;
  std::unique_ptr<LeaseKeeper> lease_keeper_;
  std::function<void(const Status&)> on_start_ended_;
  BlockingPool loaders_;  // Last: what it runs uses the members above.
};

}  // namespace entente::runtime
