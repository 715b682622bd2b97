// What a simulated transaction is to do, in the simulation's own words. The definition that the
// coordinator compiles is printed from it, and what happened is judged by it: nothing here is code
// of the coordinator's.
//
// Every call of a step goes to "/<protocol>/<step>/<way>/<verb>/<key>". A way is a participant of
// its own: what one of them holds another knows nothing of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "tests/sim/scheduler.h"

namespace entente::sim {

enum class Protocol : uint8_t { kSaga, kTcc, kTwoPhase };
const char* NameOf(Protocol protocol);  // As definitions write it.

// How long a participant holds what was tried; without a margin it is twice the time limit of a
// call.
struct HoldSpec {
  Duration lasts{};
  std::optional<Duration> margin;
};

struct StepSpec {
  enum class Kind : uint8_t { kCall, kSleep, kSignal, kChild };
  enum class Undo : uint8_t {
    kByKey,
    kByOutput,  // By what the action answered, or by the key if it never did.
    kAsk,       // By what it answered; somebody has to look if it never did.
    kByChild,   // Another transaction.
    kChild,     // The compensations of the transaction that it ran.
    kNone,
  };

  std::string id;
  Kind kind = Kind::kCall;
  std::vector<size_t> after = {};  // Direct predecessors; all of them come earlier.
  bool after_any = false;  // They race: the first that is done counts, the others are undone.
  Undo undo = Undo::kByKey;
  std::optional<size_t> when_over = {};  // Runs if the input has more items than so many.
  size_t each_parallel = 0;              // Not 0: a branch for each item, so many at a time.
  bool in_block = false;                 // Of the plan's block: the steps for each item.
  size_t alternatives = 0;               // Other calls of the same participant.
  bool elsewhere = false;                // The last alternative is another participant's.
  bool after_undo = false;               // The last one comes once what was given up is undone.
  bool by_code = false;                  // Each alternative is there for one code: CodeFor.
  bool busy = false;                     // Who is busy (423) is asked again.
  std::string tag_of = {};               // Sends the ETag that this step was answered with.
  bool pivot = false;
  bool after_pivot = false;
  // Called once the outcome is decided so; `after` then names others of the same.
  enum class Stage : uint8_t { kMain, kCommitted, kAborted };
  Stage stage = Stage::kMain;
  uint32_t attempts = 4;
  std::optional<Duration> deadline = {};
  std::optional<HoldSpec> hold = {};
  bool one_phase = false;
  uint32_t rounds = 0;                // Not 0: called again until it was asked so many times.
  bool optional = false;              // When it fails the rest goes on.
  std::string child = {};             // The definition that it runs.
  std::optional<Duration> wait = {};  // kSleep: how long; kSignal: at most.
  bool fails_late = false;            // kSignal: no signal in time is a refusal.
};

struct PlanSpec {
  std::string name;
  Protocol protocol = Protocol::kSaga;
  std::vector<StepSpec> steps;
  std::optional<Duration> deadline = {};
  bool hopeless = false;  // Nobody ever signals: only its deadline ends it.
};

inline constexpr Duration kCallLimit = std::chrono::milliseconds(200);
inline constexpr Duration kClientLimit = std::chrono::seconds(3);  // Of one that a client drives.

// The code of the refusals that an alternative is there for.
[[nodiscard]] const char* CodeFor(size_t alternative);

// The definition, as JSON text.
[[nodiscard]] std::string DefinitionOf(const PlanSpec& plan);
// What a client enlists a branch with.
[[nodiscard]] std::string BranchOf(Protocol protocol, const StepSpec& step);

// Shapes that were thought of.
[[nodiscard]] const std::vector<PlanSpec>& StandardPlans();
// One that was not.
[[nodiscard]] PlanSpec DrawPlan(const std::string& name, Dice& dice);

// ---- what follows from a plan ----

// The branches of a step for an input of so many items; none if it is skipped.
[[nodiscard]] std::vector<std::string> BranchesOf(const StepSpec& step, size_t items);
// Its branches call a participant.
[[nodiscard]] bool Calls(const StepSpec& step);
// By step: which steps come before it, however many others lie between.
[[nodiscard]] std::vector<std::vector<bool>> Closure(const PlanSpec& plan);
// The step that it races with others for; null: none.
[[nodiscard]] const StepSpec* GoalOf(const PlanSpec& plan, const StepSpec& step);
// The step that a branch ("f:3", "a") belongs to; null if none does.
[[nodiscard]] const StepSpec* StepOf(const PlanSpec& plan, const std::string& branch);
[[nodiscard]] size_t IndexOf(const PlanSpec& plan, const StepSpec& step);
[[nodiscard]] std::string StepName(const std::string& branch);
// The number of a forEach's branch, 0 of any other.
[[nodiscard]] size_t ItemOf(const std::string& branch);

}  // namespace entente::sim
