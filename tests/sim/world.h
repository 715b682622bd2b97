// Three nodes over one store, whose leases expire, with clients, operators, participants and a
// network around them, under a seeded scheduler: a storm in which everything may fail, then all is
// healed, and from there on everything has to end in bounded time. A node crashes, or hands over
// what it has and stops, and starts again; is stopped for longer than its leases last, between two
// tasks, in the middle of one, or while it waits for the store, and goes on; is cut off from the
// store or from other nodes; has a clock of its own speed.
//
// Shards go by shares, as in a cluster of real nodes. Clients ask any node, which has it done by
// whoever had the shard when it looked last: the rule of the nodes' forwarding; what carries it
// from node to node, with its threads, is not part of the simulation.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/memory/memory_journal.h"
#include "tests/sim/history.h"
#include "tests/sim/network.h"
#include "tests/sim/node.h"
#include "tests/sim/node_table.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/services.h"
#include "tests/sim/spec.h"

namespace entente::sim {

struct WorldOptions {
  uint64_t seed = 1;
  size_t transactions = 12;
  Duration storm = std::chrono::seconds(4);  // Faults and crashes happen; then everything heals.
  // From the healing on, until every transaction has ended.
  Duration limit = std::chrono::minutes(2);
  // Kinds of trouble, see TroubleKinds, that do not happen although the seed has them.
  std::set<std::string> without = {};
  bool trace = false;
};

// By name: what a run may be played without, to find out what a failure needs.
[[nodiscard]] const std::vector<std::string>& TroubleKinds();

// What one run did, so that a run which exercised nothing is noticed.
struct Coverage {
  std::map<std::string, uint64_t> counts;
  std::map<std::string, uint64_t> probes;
  uint64_t trace_hash = 0;  // Of everything that happened, in order: the same for the same seed.
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Plays the run; returns the violations found, empty when every invariant held.
  std::vector<std::string> Run();

  [[nodiscard]] const Coverage& coverage() const { return coverage_; }

 private:
  // The client's side of one transaction.
  struct Client {
    Gid gid;
    const PlanSpec* plan = nullptr;  // Of its definition; null if it drives by itself.
    Json input;
    bool submitted = false;
    bool retry_armed = false;

    // A client that drives its transaction itself: it enlists, works, and says what it wants.
    std::optional<Protocol> drives;
    std::vector<StepSpec> branches;  // In order.
    size_t enlisted = 0;
    bool wants_abort = false;
    bool gone = false;  // It died and never comes back.

    [[nodiscard]] std::string what() const {
      return plan != nullptr ? plan->name : std::string("~") + NameOf(*drives);
    }
  };
  using TxnStatus = engine::TxnStatus;
  using TxnView = runtime::TxnView;

  // world.cpp: the storm.
  void DrawPlans();
  void PutDefinitions();
  void MakeClients();
  void PlanStorm();
  void PlanFor(Client& client);
  void Make(size_t node);
  void Start(size_t node);
  void CountPondered(Node& node);
  void Crash(size_t node, const std::string& why);
  void Heal();
  void Tend();
  void Step();
  void Trace(const std::string& text);
  [[nodiscard]] bool AllEnded();
  [[nodiscard]] ClientFacts& FactsOf(const Client& client) {
    return history_.clients[client.gid.str()];
  }

  // cluster.cpp: what befalls nodes, and who drives what.
  void PlanTrouble();
  void DrawTrouble();
  void DropUnwanted(Faults& network);
  [[nodiscard]] NodeSurroundings SurroundingsOf(size_t node);
  void Drain(size_t node);
  void PauseNode(size_t node);
  void CutOff(size_t node);
  void SetApart();
  [[nodiscard]] Status Reach(Node& node);
  [[nodiscard]] Status Hear(Node& node);
  [[nodiscard]] Status Read(const Node& node) const;
  void MayStop(Node& node);
  void LetPass(Node& node, Duration span);
  void OnAcquired(const Node& node, ShardId shard, Epoch epoch);
  void OnHandedIn(ShardId shard, Epoch epoch);
  void OnWritten(const Written& written, const Status& status);
  void OnReleased(const Node& node);
  [[nodiscard]] bool IsCutOff(size_t node) const;
  [[nodiscard]] bool IsApart(size_t one, size_t other) const;
  void ScheduleDeliveries();
  void Deliver(Node& node);
  void FailAppend(Node& node);
  void ArriveLater(storage::ShardBatch batch);
  void CheckOwner(ShardId shard, Epoch epoch, const std::string& what);
  void CheckCaller(ShardId shard, Epoch epoch);
  // Who answers a client that asks any node about `gid`. Null: nobody does, just now.
  [[nodiscard]] Node* NodeFor(const Gid& gid);
  // What a client does with an answer of `node`: nothing, if the process ended in the middle of it.
  template <class Done>
  [[nodiscard]] static auto From(Node& node, Done done) {
    return [alive = node.alive(), done = std::move(done)](const auto& answer) {
      if (*alive) {
        done(answer);
      }
    };
  }

  // clients.cpp: what clients do, and what they are told.
  void Submit(Client& client);
  [[nodiscard]] runtime::Shard::SubmitCommand CommandOf(const Client& client);
  void Nudge(Client& client);
  void Ask(Client& client, engine::Event event, std::function<void(const Status&)> answered);
  void Cancel(Client& client);
  void Signal(Client& client, int number);
  void Observe(Client& client, const runtime::TxnView& view);
  void CheckDurable(const std::string& gid, TxnStatus decided, const std::string& what);
  void CheckUndo(const Sent& undo);
  void CheckRefusal(const std::string& gid, const Status& status);

  // driving_clients.cpp
  void MakeDriving(Client& client);
  void DriveOn(Client& client);
  void DriveSoon(Client& client);
  void Enlist(Client& client, Node& node);
  void EnlistLate(Client& client, Node& node);
  void EnlistOtherwise(Client& client, Node& node);
  void WorkFor(Client& client, const StepSpec& branch);
  void Decide(Client& client, Node& node);

  // operators.cpp
  void Pause(Client& client);
  void Resume(Client& client);
  void Resolve(Client& client);
  void LookAtIncidents();
  void Mend(const storage::SummaryRow& row, const storage::IncidentRow& incident);
  void Retry(const Gid& gid, const std::optional<BranchId>& branch);
  bool CarryOutByHand(const Gid& gid, const storage::IncidentRow& incident);

  // judge.cpp: gathers the evidence and has it judged.
  void Judge(std::vector<std::string>& violations);
  void CheckFolds(std::vector<std::string>& violations);
  void CheckAtRest(std::vector<std::string>& violations);

  const WorldOptions options_;
  Scheduler scheduler_;
  Dice dice_;
  History history_;
  Services services_;
  Network network_;
  std::shared_ptr<storage::MemoryStore> store_;
  storage::MemoryJournal reader_;  // Of what is durable.
  runtime::Definitions definitions_;
  static constexpr size_t kNodes = 3;
  static constexpr Duration kLeaseTime = std::chrono::milliseconds(500);
  NodeTable table_;
  std::map<ShardId, size_t> had_;                 // Which node acquired a shard last.
  std::set<std::pair<ShardId, Epoch>> in_doubt_;  // An append under it has no known outcome.
  Epoch doubtful_;                                // The latest of them.
  std::array<Instant, kNodes> cut_off_until_{};   // From the store.
  std::map<std::pair<size_t, size_t>, Instant> apart_until_;  // Two nodes, from each other.
  int depth_ = 0;                                             // Of LetPass.
  std::vector<PlanSpec> drawn_;
  std::vector<Client> clients_;
  uint64_t processes_ = 0;
  std::array<Duration, kNodes> clock_offsets_{};
  bool healed_ = false;
  // Drawn per seed: how much of what goes on.
  struct Mood {
    uint64_t crashes = 0;
    uint32_t failed_append = 0;
    uint32_t crash_at_append = 0;
    uint32_t clock_jump = 0;
    uint64_t pauses = 0;  // Of nodes.
    uint32_t pause_in_turn = 0;
    uint32_t drift_ppm = 0;    // By which clocks go faster or slower at most.
    uint64_t cuts = 0;         // Of nodes from the store.
    uint64_t partitions = 0;   // Of nodes from each other.
    uint32_t stumble = 0;      // The store can not be asked just now.
    uint32_t lost_answer = 0;  // Of the store, to what is waited for.
    uint32_t waits = 0;        // Whoever asks the store waits for it.
    uint32_t slow_store = 0;
    uint32_t operators = 0;  // How busy.
  } mood_;
  Coverage coverage_;
  // Null: it is down. Last, so that they go first: a journal that goes still writes what it has,
  // and is checked by what is above.
  std::array<std::unique_ptr<Node>, kNodes> nodes_;  // Null: it is down.
  std::vector<std::unique_ptr<Node>> dead_;  // Until nothing of theirs is on the stack any more.
};

}  // namespace entente::sim
