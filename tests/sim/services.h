// Participants that lie about nothing but time: idempotent by key, a tombstone for an undo that
// comes first, and an append-only ledger as ground truth.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/branch.h"
#include "engine/input.h"
#include "tests/sim/scheduler.h"

namespace entente::sim {

// Something that became visible: a saga's action and its compensation, a confirm, a commit.
struct Effect {
  Gid gid;
  BranchId branch;
  dsl::Role role;  // kUndo takes it back; the others bring it about.
  std::string key;
  Instant at;
};

// What the network and the services do to one call. Chances in thousandths.
struct Faults {
  uint32_t not_sent = 0;
  uint32_t lose_request = 0;
  uint32_t lose_reply = 0;
  uint32_t duplicate = 0;
  uint32_t slow = 0;             // Longer than the caller's timeout.
  uint32_t fail_before = 0;      // 5xx, nothing done.
  uint32_t fail_after = 0;       // Done, then 5xx.
  uint32_t refuse_settling = 0;  // An undo or a finish answers 409: retried, then an incident.
  uint32_t pending = 0;          // Of forward calls.
  uint32_t heuristic = 0;        // An undo or a finish was carried out before it was asked for.
};

// One call as it arrives.
struct Call {
  engine::CommandId command;
  dsl::Mode mode = dsl::Mode::kSaga;
  bool client_driven = false;
  bool one_phase = false;
};

class Services {
 public:
  Services(uint64_t seed, uint32_t refusals) : seed_(seed), refusals_(refusals) {}

  // Carries out one call that arrived now.
  engine::Reply Handle(const Call& call, Instant now, const Faults& faults, Dice& dice);

  // The forward operation alone, without faults of the way there.
  engine::Reply Forward(const Call& call, Instant now);

  // A client's own work for a branch that it enlisted; false if it is refused.
  bool Work(const Call& call, Instant now);

  void StopRefusing() { refusals_ = 0; }

  [[nodiscard]] const std::vector<Effect>& ledger() const { return ledger_; }
  // Calls that no coordinator may ever make.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  enum class Entry {
    kNone,
    kWorked,    // By a client, in a two-phase commit: not prepared yet.
    kReserved,  // Tried or prepared.
    kReadOnly,  // Prepared, and nothing to commit.
    kDone,
    kUndone,   // Also when there was nothing to undo: what comes later is refused.
    kRefused,  // For good.
  };

  engine::Reply Undo(const Call& call, Instant now);
  engine::Reply Finish(const Call& call, Instant now);
  engine::Reply CommitInOnePhase(const Call& call, Instant now);
  [[nodiscard]] bool Refuses(const std::string& key) const;
  void Write(const Call& call, const std::string& key, Instant now);

  const uint64_t seed_;
  uint32_t refusals_;
  std::map<std::string, Entry> entries_;
  std::vector<Effect> ledger_;
  std::vector<std::string> violations_;
};

}  // namespace entente::sim
