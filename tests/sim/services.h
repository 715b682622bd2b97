// Participants: idempotent by key, a tombstone for an undo that comes first, and an append-only
// ledger as ground truth. Every other one refuses an epoch older than it has seen for the same
// operation, as the SDK's barrier does; to the others keys are enough. They lie about nothing, but
// they forget what they answered, hold what was tried only for a while, and change their minds
// about what they have not done. They know what is on the wire and nothing else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/input.h"
#include "tests/sim/history.h"
#include "tests/sim/scheduler.h"

namespace entente::sim {

// What the network and the services do to one call. Chances in thousandths.
struct Faults {
  uint32_t not_sent = 0;
  uint32_t lose_request = 0;
  uint32_t lose_reply = 0;
  uint32_t duplicate = 0;
  uint32_t slow = 0;             // Longer than the caller's time limit.
  uint32_t fail_before = 0;      // 5xx, nothing done.
  uint32_t fail_after = 0;       // Done, then 5xx.
  uint32_t refuse_repeat = 0;    // What is done already is answered 409.
  uint32_t refuse_settling = 0;  // An undo or a finish answers 409: retried, then an incident.
  uint32_t pending = 0;          // Of forward calls.
  uint32_t heuristic = 0;        // An undo or a finish was carried out before it was asked for.
  uint32_t retry_after = 0;      // Of 5xx: the caller is told when to come back.
  uint32_t busy = 0;             // A saga's action answers 423, nothing done.
};

// One call as it arrives.
struct Request {
  std::string target;
  std::string gid;
  std::string branch;
  uint32_t attempt = 1;
  bool one_phase = false;
  uint64_t epoch = 0;  // A copy of a call has its attempt and its epoch.
};

// "/<root>/<step>/<way>/<verb>/<key>", taken apart.
struct Target {
  std::string root;
  std::string step;
  std::string way;
  Verb verb = Verb::kDo;
  std::string key;

  [[nodiscard]] std::string place() const { return root + "/" + step + "/" + way; }
  [[nodiscard]] bool saga() const { return root.starts_with("saga"); }
  [[nodiscard]] bool two_phase() const { return root.starts_with("2pc"); }
  [[nodiscard]] bool client() const { return root.ends_with(".client"); }
};
[[nodiscard]] std::optional<Target> ParseTarget(const std::string& target);

// What a service says when it refuses what `key` names: always the same, whatever the reason.
[[nodiscard]] std::string RefusalCode(const std::string& key);

class Services {
 public:
  Services(uint64_t seed, uint32_t refusals, History& history)
      : seed_(seed), refusals_(refusals), history_(history) {}

  // Carries out one call that arrived now.
  engine::Reply Handle(const Request& request, Instant now, const Faults& faults, Dice& dice);

  // The forward operation alone, without faults of the way there.
  engine::Reply Forward(const Request& request, Instant now, const Faults& faults, Dice& dice);

  // A client's own work for a branch that it enlisted; false if it is refused.
  bool Work(const Request& request, Instant now);

  // How a forward operation that was answered "pending" stands.
  engine::Reply Status(const Request& request, Instant now);

  // Somebody carries out by hand what was asked for last.
  void ByHand(const Request& request, Instant now);

  void StopRefusing() { refusals_ = 0; }

  // Until when what is held for the branch is held, by its participant's own word.
  [[nodiscard]] std::optional<Instant> HeldUntil(const std::string& gid,
                                                 const std::string& branch) const;
  // What is held for whom and was neither made final nor let go, as "<gid> <place>".
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> Holding() const;

 private:
  enum class State : uint8_t {
    kNone,
    kWorked,    // By a client, in a two-phase commit: not prepared yet.
    kReserved,  // Tried or prepared.
    kReadOnly,  // Prepared, and nothing to commit.
    kDone,
    kUndone,   // Also when there was nothing to undo: what comes later is refused.
    kRefused,  // For good.
  };
  struct Entry {
    std::string gid;
    State state = State::kNone;
    uint64_t epoch = 0;                // The latest that called, if the service looks at epochs.
    std::pair<uint64_t, uint32_t> by;  // The epoch and the attempt which did it.
    uint32_t asked = 0;                // How often it was answered as done.
    uint32_t refused = 0;  // So many attempts were; each copy of them is, whenever it comes.
    std::optional<Instant> until;
  };

  engine::Reply Undo(const Request& request, const Target& target, Instant now);
  engine::Reply Finish(const Request& request, const Target& target, Instant now);
  engine::Reply CommitInOnePhase(const Request& request, const Target& target, Instant now,
                                 const Faults& faults, Dice& dice);
  engine::Reply Repeated(const Request& request, const Target& target, Entry& entry,
                         const Faults& faults, Dice& dice);
  engine::Reply Done(const std::string& key, const Entry& entry) const;
  [[nodiscard]] bool Refuses(const std::string& key) const;
  [[nodiscard]] bool IsStale(const Request& request, const Target& target);
  Entry& EntryOf(const Request& request, const Target& target);
  void Write(const Request& request, const Target& target, bool undo, Instant now);
  void CheckName(const Request& request, const Target& target);

  const uint64_t seed_;
  uint32_t refusals_;
  History& history_;
  std::map<std::string, Entry> entries_;
  std::map<std::pair<std::string, std::string>, Instant> held_;  // By gid and branch.
  bool by_hand_ = false;
};

}  // namespace entente::sim
