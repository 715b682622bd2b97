// Node and Move: a transaction with what its participants did, and what may happen to it next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "explore/explore.h"
#include "explore/requests.h"
#include "explore/values.h"

namespace entente::explore {

// What a forward call did at its participant.
enum class Effect : uint8_t {
  kNone,  // Nothing, or it was undone.
  kStands,
  kFinal,  // Confirmed, committed.
  kLate,   // Nothing yet: the call is still on its way.
};

struct Held {
  BranchId branch;
  uint32_t alternative = 0;
  Effect effect = Effect::kNone;
  bool overtaken = false;                              // It happened after its undo.
  std::shared_ptr<const RequestFacts> made = nullptr;  // What was called. Shared: nodes are copied.
};

struct Node {
  engine::TxnState state;
  std::vector<Held> world;  // In the order of the first calls.
  Instant now;
  size_t faults = 0;
  bool abandoned = false;  // Nobody sends what is waited for.
};

struct Move {
  enum class Kind : uint8_t {
    kSubmit,             // With the n-th input.
    kDone,               // With the n-th output.
    kRefused,            // With the n-th of the codes that lead to an alternative, or with another.
    kRefusedThoughDone,  // By a status that proves nothing.
    kDoneThoughNot,      // The same.
    kLost,               // It is done, the answer is lost.
    kLostBefore,         // It is lost with nothing done.
    kSilent,             // Done, and no attempt is ever answered.
    kSilentBefore,       // Not done, and no attempt is ever answered.
    kUnreached,          // No attempt reaches it.
    kLate,               // The same, and it is done after its undo.
    kNever,              // Refused for good although there is no way back.
    kNotFound,           // The undo of what is not there is answered so.
    kStopped,            // The coordinator stops and starts again; all that is out was done.
    kStoppedBefore,      // The same; nothing of it was done.
    kDeadline,
    kCancelled,
    kDecided,  // The person who is asked what to do cancels.
    kSignal,   // With the n-th payload.
    kNobody,   // No signal ever comes.
    kTimer,
  };

  Kind kind = Kind::kSubmit;
  BranchId branch = {};  // Of a call, a signal's step, a timer; a deadline's timer has none.
  engine::Role role = engine::Role::kForward;
  uint32_t alternative = 0;
  size_t value = 0;
};

// Costs nothing: what may happen on a good day. Else one.
[[nodiscard]] size_t FaultsOf(const Move& move);

// What a move led to.
struct Turn {
  Node node;
  std::vector<engine::Record> records;
  // An incident in `records` is the doing of a service that broke its promise or stayed away.
  bool excused = false;
  // The promises (docs/participants.md) that the participant had to keep, and whose.
  std::set<int> promises;
  std::optional<size_t> participant;
  bool possible = true;  // False: the engine refuses it here, as it may.
  Status status;         // Not ok: the engine broke its own rules.
};

// The rules of the game. Borrows what it is made of.
class Rules {
 public:
  Rules(const dsl::Plan& plan, const Values& values, const ExploreOptions& options)
      : plan_(plan), values_(values), options_(options) {}

  // The calls that are out.
  [[nodiscard]] std::vector<engine::Effect> CallsOf(const Node& node) const;

  // All that may happen next; nothing: it is at an end. `thinned` is set if orders of answers were
  // left out because too many calls are out at once.
  [[nodiscard]] std::vector<Move> MovesOf(const Node& node, bool& thinned) const;

  [[nodiscard]] Turn Make(const Node& node, const Move& move) const;

  // The code of a kRefused or kNever; empty: any that is one.
  [[nodiscard]] std::string CodeOf(const Move& refused) const;

  [[nodiscard]] const dsl::Plan& plan() const { return plan_; }
  [[nodiscard]] const dsl::Step& StepOf(const BranchId& branch) const;
  [[nodiscard]] bool HasBarrier(std::optional<size_t> participant) const;

 private:
  class Maker;

  void AddCallMoves(const Node& node, const engine::Effect& effect, bool first, bool in_any_order,
                    std::vector<Move>& moves) const;
  void AddSettlingMoves(const Node& node, const engine::CallBranch& call, const Move& base,
                        std::vector<Move>& moves) const;
  void AddForwardMoves(const Node& node, const engine::CallBranch& call, const Move& base,
                       std::vector<Move>& moves) const;
  void AddOutputs(const Node& node, Move base, std::vector<Move>& moves) const;
  void AddRefusals(const Move& base, std::vector<Move>& moves) const;
  [[nodiscard]] bool IsPersonAsked(const Node& node) const;
  void AddQuietMoves(const Node& node, std::vector<Move>& moves) const;

  const dsl::Plan& plan_;
  const Values& values_;
  const ExploreOptions& options_;
};

// The entry of the call, or null.
[[nodiscard]] const Held* FindHeld(const Node& node, const BranchId& branch, uint32_t alternative);

// Two hashes over all of a node but times and faults.
struct Fingerprint {
  uint64_t a = 0;
  uint64_t b = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};
[[nodiscard]] Fingerprint FingerprintOf(const Node& node);

}  // namespace entente::explore
