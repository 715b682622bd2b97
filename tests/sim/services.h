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

struct Effect {
  Gid gid;
  BranchId branch;
  dsl::Role role;
  std::string key;
  Instant at;
};

// What the network and the services do to one call. Chances in thousandths.
struct Faults {
  uint32_t not_sent = 0;
  uint32_t lose_request = 0;
  uint32_t lose_reply = 0;
  uint32_t duplicate = 0;
  uint32_t slow = 0;         // Longer than the caller's timeout.
  uint32_t fail_before = 0;  // 5xx, nothing done.
  uint32_t fail_after = 0;   // Done, then 5xx.
  uint32_t refuse_undo = 0;  // The undo answers 409: retried, then an incident.
  uint32_t pending = 0;      // Of forward calls.
};

class Services {
 public:
  Services(uint64_t seed, uint32_t refusals) : seed_(seed), refusals_(refusals) {}

  // Carries out one call that arrived now.
  engine::Reply Handle(const engine::CommandId& command, Instant now, const Faults& faults,
                       Dice& dice) {
    if (dice.Chance(faults.fail_before)) {
      return engine::ReplyUnknown{{"http.503", "nothing done"}, std::nullopt};
    }
    engine::Reply reply = command.role == dsl::Role::kForward ? Forward(command, now)
                                                              : Undo(command, now, faults, dice);
    if (dice.Chance(faults.fail_after)) {
      return engine::ReplyUnknown{{"http.500", "done, but who knows"}, std::nullopt};
    }
    return reply;
  }

  engine::Reply Forward(const engine::CommandId& command, Instant now) {
    const std::string key = engine::StepKey(command);
    Entry& entry = entries_[key];
    if (entry == Entry::kUndone) {
      return engine::ReplyRefused{{"http.409", "it was undone before"}};
    }
    if (entry == Entry::kNone) {
      if (std::hash<std::string>()(key + std::to_string(seed_)) % 1000 < refusals_) {
        return engine::ReplyRefused{{"http.409", "no room"}};
      }
      entry = Entry::kDone;
      ledger_.push_back({command.gid, command.branch, command.role, key, now});
    }
    return engine::ReplyDone{Json{{"id", key}, {"price", 100}}};
  }

  void StopRefusing() { refusals_ = 0; }

  [[nodiscard]] const std::vector<Effect>& ledger() const { return ledger_; }

 private:
  enum class Entry { kNone, kDone, kUndone };

  engine::Reply Undo(const engine::CommandId& command, Instant now, const Faults& faults,
                     Dice& dice) {
    if (dice.Chance(faults.refuse_undo)) {
      return engine::ReplyRefused{{"http.409", "not now"}};
    }
    const std::string key = engine::StepKey(command);
    Entry& entry = entries_[key];
    if (entry == Entry::kDone) {
      ledger_.push_back({command.gid, command.branch, command.role, key, now});
    }
    entry = Entry::kUndone;
    return engine::ReplyDone{};
  }

  const uint64_t seed_;
  uint32_t refusals_;
  std::map<std::string, Entry> entries_;
  std::vector<Effect> ledger_;
};

}  // namespace entente::sim
