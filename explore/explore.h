// Explore: every path that a definition may take, walked before it runs.
//
// The engine decides as it does in a coordinator; what it can not know is tried: each call is done,
// refused, done with the answer lost, lost with nothing done, silent until it is given up; the
// coordinator stops while calls are out; the deadline passes, or somebody cancels; each condition
// goes both ways. The services are taken to keep what docs/participants.md asks of them, so what is
// found is wrong in the definition. That a service refuses or stays away for good where there is no
// way back is tried too and counted, but it is no mistake of the definition.
//
// States that differ in nothing but the time are walked once. Paths on which less goes wrong are
// walked first, so what is found is shown on a path on which as little as possible went wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "dsl/plan.h"

namespace entente::explore {

struct ExploreOptions {
  // Instead of made-up values. `answers` are those of a dry run (engine/dry_run/dry_run.h): what is
  // `done` there is what the step may answer.
  const Json* input = nullptr;
  const Json* answers = nullptr;
  size_t max_faults = 2;  // Lost answers, stops and the like on one path.
  uint64_t max_paths = 1'000'000;
  // Asked from time to time; true ends the walk. May be empty.
  std::function<bool()> out_of_time;
  // Participants without a barrier: they carry an action out that comes after its undo, and answer
  // 404 to the undo of what they do not have. "*" is all of them.
  std::set<std::string> without_barrier;
  std::set<std::string> may_stay;  // Steps whose effect is meant to stay whatever the end.
  bool check_invariants = false;   // Of every state, for tests of the engine: costs time.
};

// Something that the definition should not let happen. `code` is one of
//   effect.stands        the transaction ended, and something is neither undone nor part of its end
//   effect.unconfirmed   it is COMMITTED, and something is held that nothing made final
//   effect.missing       it is COMMITTED, and something that it says is done was not
//   undo.overtaken       an action came after its undo and was carried out
//   undo.names_other     an undo names something else than its call did
//   call.names_nothing   a repeat of the call can not be told from another call
//   call.names_same      two calls name the same thing
//   person.needed        nothing goes on without a person, although every service did its part
//   waits.forever        something is held for as long as nobody sends a signal
//   never.commits        no path ends COMMITTED
//   engine.broken        the engine broke a rule of its own: a mistake of this program
struct Finding {
  std::string code;
  std::string step;               // The one concerned, or empty.
  std::string message;            // What is wrong, and what to do about it.
  std::vector<std::string> path;  // The first path on which it happens, a line per event.
};

// How paths ended, and what stood then. Counts are of paths, capped at 2^62.
struct PathEnd {
  std::string outcome;               // COMMITTED, ABORTED, INCIDENT, WAITING.
  std::vector<std::string> effects;  // "flight", "hotel (alternative 1)", "pay, perhaps".
  uint64_t paths = 0;
};

struct ExploreReport {
  std::vector<Finding> findings;
  std::vector<PathEnd> ends;
  uint64_t paths = 0;
  size_t states = 0;
  // Every path within `max_faults` was walked to its end.
  bool complete = false;
  std::vector<std::string> left_out;  // Sentences.
  std::vector<std::string> notes;     // What is no mistake, but worth knowing.
  // Per participant, the promises of docs/participants.md without which some path goes wrong.
  std::map<std::string, std::set<int>> relies_on;

  [[nodiscard]] uint64_t PathsThatEnd(std::string_view outcome) const;
};

// `definition` is what `plan` was compiled from. Pure but for `out_of_time`; blocks for as long as
// that allows. Fails as MakeValues does, and with kInvalidArgument explore.unknown_name for a
// participant or step of the options that the definition does not have.
[[nodiscard]] Result<ExploreReport> Explore(const dsl::Plan& plan, const Json& definition,
                                            const ExploreOptions& options);

}  // namespace entente::explore
