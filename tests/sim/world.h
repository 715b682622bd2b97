// Two nodes over one store, whose leases expire, with clients, operators, participants and a
// network around them, under a seeded scheduler: a storm in which everything may fail, then all is
// healed, and from there on everything has to end in bounded time. A node crashes or stops and
// starts again, is paused for longer than its leases last and goes on, or fails to renew them.
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
  bool trace = false;
};

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

  // world.cpp: the storm.
  void DrawPlans();
  void PutDefinitions();
  void MakeClients();
  void PlanStorm();
  void PlanFor(Client& client);
  void Start(size_t node);
  void CountPondered(Node& node);
  void Crash(size_t node, const std::string& why);
  void Drain(size_t node);
  void PauseNode(size_t node);
  [[nodiscard]] NodeSurroundings SurroundingsOf(size_t node);
  // Whom a client asks: mostly the node that drives `gid`. Null: nobody is up.
  [[nodiscard]] Node* NodeFor(const Gid& gid);
  void CheckOwned(ShardId shard, Epoch epoch, const std::string& what);
  void Heal();
  void Tend();
  void ScheduleDeliveries();
  void Deliver(Node& node);
  void Trace(const std::string& text);
  [[nodiscard]] bool AllEnded();
  [[nodiscard]] ClientFacts& FactsOf(const Client& client) {
    return history_.clients[client.gid.str()];
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
  static constexpr size_t kNodes = 2;
  // Who acquired each shard last.
  struct Owner {
    Epoch epoch;
    size_t node = 0;
  };
  std::map<ShardId, Owner> owners_;
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
    uint64_t pauses = 0;   // Of nodes.
    uint32_t stumble = 0;  // A lease can not be had just now.
    uint32_t slow_store = 0;
    uint32_t operators = 0;  // How busy.
  } mood_;
  Coverage coverage_;
  // Null: it is down. Last, so that they go first: a journal that goes still writes what it has,
  // and is checked by what is above.
  std::array<std::unique_ptr<Node>, kNodes> nodes_;  // Null: it is down.
};

}  // namespace entente::sim
