// ClusterCoordinator: the Coordinator of one node among several. Takes any request, and has it done
// by the node that drives the transaction: this one by its LocalCoordinator, another one by its
// PeerServer.
//
// What another node did is read from the store that both share, up to the revision that it said is
// durable. A wait for the end goes on when the shard moves: it is asked for again wherever the
// transaction is driven then. Lists, definitions and decisions need no other node.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordinator/cluster/errand.h"
#include "coordinator/cluster/event_gatherer.h"
#include "coordinator/cluster/follower.h"
#include "coordinator/cluster/members.h"
#include "coordinator/cluster/peer_seal.h"
#include "runtime/event_hub.h"
#include "runtime/node/local_coordinator.h"

namespace entente::cluster {

// As Coordinator. All that is given outlives it.
class ClusterCoordinator final : public runtime::Coordinator {
 public:
  ClusterCoordinator(runtime::LocalCoordinator& local, Members& members, PeerSeals& seals);
  ~ClusterCoordinator() override;

  // Ends what belongs to the workers, which still run; nothing may be asked any more. Blocks.
  void Stop();

  // Hands over all shards, for at most `grace`: other nodes have them then. New requests go to
  // those meanwhile, and waits are answered with the state so far. Blocks.
  void Leave(Duration grace);

  // Shards were given up: has the other nodes look at the store. Any thread.
  void OnReleased();
  // Others came or went. Any thread.
  void OnNodesChanged();

  // Has something done by the node that has `shard`: `here` if that is this one. For what belongs
  // to a node rather than to a transaction.
  void AskOwner(ShardId shard, pb::Ask ask,
                std::function<void(std::function<void(pb::Answer)>)> here,
                std::function<void(Result<pb::Answer>)> done);

  [[nodiscard]] const std::string& id() const override { return local_.id(); }
  void Submit(runtime::SubmitRequest request,
              runtime::Callback<runtime::SubmitReply> done) override;
  void Begin(runtime::BeginRequest request, runtime::Callback<runtime::SubmitReply> done) override;
  void Enlist(
      const Gid& gid, std::string branch,
      std::function<void(Result<runtime::EnlistReply>, std::vector<dsl::Problem>)> done) override;
  void Commit(const Gid& gid, std::optional<runtime::Wait> wait,
              runtime::Callback<runtime::TxnView> done) override;
  void Abort(const Gid& gid, engine::Actor actor, std::optional<runtime::Wait> wait,
             runtime::Callback<runtime::TxnView> done) override;
  void Get(const Gid& gid, std::optional<runtime::Wait> wait,
           runtime::Callback<runtime::TxnView> done) override;
  void GetHistory(const Gid& gid, runtime::Callback<runtime::History> done) override;
  void List(storage::Filter filter, storage::Page page,
            runtime::Callback<storage::SummaryPage> done) override;
  void Operate(runtime::OperatorRequest request, runtime::Callback<runtime::TxnView> done) override;
  void Signal(const Gid& gid, runtime::SignalRequest request,
              runtime::Callback<runtime::TxnView> done) override;
  void Complete(std::string token, std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                runtime::Callback<runtime::TxnView> done) override;
  void PutDefinition(
      std::string name, std::string source,
      std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) override;
  void ValidateDefinition(std::string source,
                          std::function<void(std::vector<dsl::Problem>)> done) override;
  void GetDefinition(std::string name, std::optional<uint32_t> version,
                     runtime::Callback<storage::DefinitionRow> done) override;
  void ListDefinitions(std::optional<std::string> name,
                       runtime::Callback<std::vector<storage::DefinitionRow>> done) override;
  [[nodiscard]] std::unique_ptr<runtime::Subscription> Subscribe(std::optional<Gid> gid,
                                                                 runtime::EventSink sink) override;
  [[nodiscard]] std::unique_ptr<runtime::Subscription> SubscribeEverywhere(
      runtime::EventSink sink, std::function<void()> begun) override;
  [[nodiscard]] std::optional<Gid> TransactionOf(const std::string& token) override {
    return local_.TransactionOf(token);
  }
  void Offload(std::function<void()> work, std::function<void()> done) override {
    local_.Offload(std::move(work), std::move(done));
  }
  [[nodiscard]] std::vector<runtime::ParticipantStats> Participants() override;
  [[nodiscard]] runtime::Health GetHealth() override;
  [[nodiscard]] runtime::Metrics GetMetrics() override;

 private:
  // Until when, and whether the client is still there.
  struct Waiting;
  using WaitingPtr = std::shared_ptr<Waiting>;

  // Runs it on each worker in turn. Blocks.
  void OnEachWorker(const std::function<void(size_t)>& work);
  void OnDesk(const Gid& gid, std::function<void(Desk&)> work);
  [[nodiscard]] static WaitingPtr Begin(std::optional<runtime::Wait> wait);
  // Has `ask` done for a view: `here` by this node. `heard` gets what another node answered beside
  // the view; it may be empty.
  void DoForView(const Gid& gid, Repeatable repeatable, Instant until,
                 std::function<void(runtime::Callback<runtime::TxnView>)> here,
                 std::function<pb::Ask(Duration)> ask, runtime::Callback<runtime::TxnView> done,
                 std::function<void(const pb::Answer&)> heard = {});
  void DoForReply(const Gid& gid, Instant until,
                  std::function<void(runtime::Callback<runtime::SubmitReply>)> here, pb::Ask ask,
                  runtime::Callback<runtime::SubmitReply> done);
  void AwaitEnd(const Gid& gid, const WaitingPtr& waiting, Result<runtime::TxnView> view,
                runtime::Callback<runtime::TxnView> done);
  void GetOnce(const Gid& gid, const WaitingPtr& waiting, runtime::Callback<runtime::TxnView> done);
  [[nodiscard]] std::shared_ptr<EventGatherer> NewGatherer();
  [[nodiscard]] std::shared_ptr<Follower> NewFollower(const Gid& gid, runtime::EventSink sink);
  // Runs `work` once no follower of the transaction is at its first look.
  void AfterFirstLooks(const Gid& gid, std::function<void()> work);
  void OnFirstLook(const Gid& gid);
  void GetHistoryElsewhere(const Gid& gid, runtime::Callback<runtime::History> done);
  void Tell(const pb::Ask& ask, Duration at_most, std::function<void()> done);
  [[nodiscard]] Gid NewGid() const;

  runtime::LocalCoordinator& local_;
  Members& members_;
  std::vector<std::unique_ptr<Desk>> desks_;  // By worker.
  runtime::EventHub elsewhere_;               // What happens at other nodes.
  std::shared_ptr<EventGatherer> gatherer_;   // The first worker's.
  std::atomic<bool> leaving_{false};
  std::mutex released_mutex_;
  std::condition_variable released_;

  struct FirstLooks {
    size_t under_way = 0;
    std::vector<std::function<void()>> after;
  };
  std::mutex looks_mutex_;
  std::unordered_map<Gid, FirstLooks> looks_;  // By transaction, while there are some.
};

}  // namespace entente::cluster
