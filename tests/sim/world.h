// Two nodes over one store, whose leases expire, under a seeded scheduler. A node crashes and
// starts again, is stopped for longer than its leases last and goes on, or fails to renew them.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/runtime/ownership.h"
#include "coordinator/runtime/worker_shards.h"
#include "storage/memory/memory_journal.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/services.h"

namespace entente::sim {

struct WorldOptions {
  uint64_t seed = 1;
  size_t transactions = 12;
  Duration storm = std::chrono::seconds(4);   // Faults and crashes happen; then everything heals.
  Duration limit = std::chrono::minutes(30);  // By then every transaction has ended.
  bool trace = false;
};

// What one run did, so that a run which exercised nothing is noticed.
struct Coverage {
  uint64_t committed = 0, aborted = 0, crashes = 0, failed_appends = 0, incidents = 0, calls = 0,
           timeouts = 0, effects = 0, undone = 0, resubmits = 0, heuristics = 0, expired = 0,
           read_only = 0, one_phase = 0, pauses = 0, takeovers = 0, fenced = 0, leases_ended = 0,
           unknown_outcomes = 0;
  // By mode, declared and client-driven.
  std::map<std::pair<dsl::Mode, bool>, uint64_t> ended;
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
  class Host;
  class Caller;
  class Journal;
  struct Node;
  static constexpr size_t kNodes = 2;
  // Whom a client asks: mostly the node that drives `gid`. Null: nobody is up.
  [[nodiscard]] runtime::WorkerShards* NodeFor(const Gid& gid);

  // The client's side of one transaction.
  struct Client {
    Gid gid;
    std::string definition;
    Json input;
    bool submitted = false;
    bool acknowledged = false;
    bool retry_armed = false;
    std::set<engine::TxnStatus> ends_seen;

    // A client that drives its transaction itself: it enlists, works, and says what it wants.
    std::optional<dsl::Mode> drives;
    std::vector<std::string> branches;  // Descriptions, in order.
    size_t enlisted = 0;
    bool wants_abort = false;
    bool gone = false;  // It died and never comes back.
  };

  void PutDefinitions();
  void PlanStorm();
  void Start(size_t node);
  void KeepLeases(Node& node);
  void KeepLeasesSoon(Node& node, Duration delay);
  void Crash(size_t node, const std::string& why);
  void Pause(size_t node);
  void Heal();
  void Tend();
  void Submit(Client& client);
  [[nodiscard]] runtime::Shard::SubmitCommand CommandOf(const Client& client);
  void MakeDriving(Client& client);
  void DriveOn(Client& client);
  void DriveSoon(Client& client);
  void Enlist(Client& client);
  void WorkFor(Client& client, const BranchId& branch);
  void Decide(Client& client);
  void Do(Client& client, engine::Event event);
  void Nudge(Client& client);
  void Observe(Client& client, const runtime::TxnView& view);
  void CheckDurable(const Gid& gid, engine::TxnStatus decided, const std::string& what);
  void CheckOwned(ShardId shard, Epoch epoch, const std::string& what);
  void ScheduleDeliveries();
  void Deliver(Node& node);
  void Trace(const std::string& text);
  [[nodiscard]] bool AllEnded();

  void CheckEnds(std::vector<std::string>& violations);
  void CheckLedger(std::vector<std::string>& violations);
  void CheckUndoOrder(std::vector<std::string>& violations);
  void CheckJournals(std::vector<std::string>& violations);
  void CheckJournal(const storage::StoredTxn& stored, runtime::Definitions& definitions,
                    std::vector<std::string>& violations);
  void Cover(const engine::TxnState& state);

  const WorldOptions options_;
  Scheduler scheduler_;
  Dice dice_;
  Faults faults_;
  Services services_;
  std::shared_ptr<storage::MemoryStore> store_;
  storage::MemoryJournal reader_;  // Of nobody's.
  runtime::Definitions definitions_;
  // Who acquired each shard last.
  struct Owner {
    Epoch epoch;
    size_t node = 0;
  };
  std::map<ShardId, Owner> owners_;
  std::vector<Client> clients_;
  std::map<Gid, engine::TxnState> final_states_;
  std::vector<std::string> failures_;              // Found on the way.
  std::array<std::string, kNodes> node_failures_;  // It has to stop.
  bool healed_ = false;
  Coverage coverage_;
  std::array<std::unique_ptr<Node>, kNodes> nodes_;  // Null: it is down. They use all of the above.
};

}  // namespace entente::sim
