// simulation_tests [--seeds N] [--first K]      plays N runs and says what they covered
// simulation_tests --replay SEED [--transactions N]   plays one, with its whole trace
//   --stop-after N   ends after so many failing seeds (10)
//   --storm-ms N     ends the storm earlier
//   --without A,B    plays without these kinds of trouble (TroubleKinds in cluster.cpp)
//   --shrink 0       does not look for less that fails too
//   --cells 1        lists the cells of the transition tables that no run came through
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/sim/cells.h"
#include "tests/sim/world.h"

namespace {

using entente::sim::CellCounter;
using entente::sim::Coverage;
using entente::sim::World;
using entente::sim::WorldOptions;
using Violations = std::vector<std::string>;

unsigned long long N(uint64_t value) {
  return static_cast<unsigned long long>(value);
}

struct Flags {
  uint64_t seeds = 2000;
  uint64_t first = 1;
  uint64_t transactions = WorldOptions().transactions;
  uint64_t storm_ms = 4000;
  std::set<std::string> without;
  uint64_t stop_after = 10;
  bool replay = false;
  bool cells = false;
  bool shrink = true;
};

std::set<std::string> Split(const std::string& list) {
  std::set<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    parts.insert(part);
  }
  return parts;
}

std::string Join(const std::set<std::string>& parts) {
  std::string list;
  for (const std::string& part : parts) {
    list += (list.empty() ? "" : ",") + part;
  }
  return list;
}

bool ReadFlags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seeds") {
      flags.seeds = value;
    } else if (flag == "--first") {
      flags.first = value;
    } else if (flag == "--transactions") {
      flags.transactions = value;
    } else if (flag == "--storm-ms") {
      flags.storm_ms = value;
    } else if (flag == "--without") {
      flags.without = Split(argv[i + 1]);
    } else if (flag == "--stop-after") {
      flags.stop_after = value;
    } else if (flag == "--cells") {
      flags.cells = value != 0;
    } else if (flag == "--shrink") {
      flags.shrink = value != 0;
    } else if (flag == "--replay") {
      flags.first = value;
      flags.seeds = 1;
      flags.replay = true;
    } else {
      std::fprintf(stderr, "simulation_tests: unknown flag %s\n", flag.c_str());
      return false;
    }
  }
  return true;
}

WorldOptions OptionsOf(uint64_t seed, const Flags& flags) {
  WorldOptions options;
  options.seed = seed;
  options.transactions = flags.transactions;
  options.storm = std::chrono::milliseconds(flags.storm_ms);
  options.without = flags.without;
  options.trace = flags.replay;
  return options;
}

Violations Play(const WorldOptions& options, Coverage& total) {
  World world(options);
  Violations violations = world.Run();
  for (const auto& [what, count] : world.coverage().counts) {
    total.counts[what] += count;
  }
  for (const auto& [what, count] : world.coverage().probes) {
    total.probes[what] += count;
  }
  total.trace_hash = total.trace_hash * 31 + world.coverage().trace_hash;
  return violations;
}

bool Fails(const WorldOptions& options) {
  Coverage ignored;
  return !Play(options, ignored).empty();
}

// Less to read that fails too: the fewest transactions, then without each kind of trouble that it
// does not need, then the shortest storm. What it fails of may be another thing by then.
WorldOptions Shrink(WorldOptions options) {
  for (size_t fewer = 1; fewer < options.transactions; ++fewer) {
    WorldOptions less = options;
    less.transactions = fewer;
    if (Fails(less)) {
      options = less;
    }
  }
  for (const std::string& kind : entente::sim::TroubleKinds()) {
    WorldOptions less = options;
    if (less.without.insert(kind).second && Fails(less)) {
      options = less;
    }
  }
  for (WorldOptions less = options; less.storm > std::chrono::milliseconds(100);) {
    less.storm /= 2;
    if (!Fails(less)) {
      break;
    }
    options = less;
  }
  return options;
}

void Report(uint64_t seed, const Flags& flags, const Violations& violations) {
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < violations.size() && i < kShown; ++i) {
    std::printf("seed %llu: %s\n", N(seed), violations[i].c_str());
  }
  if (flags.replay) {
    return;
  }
  WorldOptions least = OptionsOf(seed, flags);
  least = flags.shrink ? Shrink(least) : least;
  const auto storm = std::chrono::duration_cast<std::chrono::milliseconds>(least.storm);
  std::printf(
      "replay: build/simulation_tests --replay %llu --transactions %llu --storm-ms %llu%s%s\n",
      N(seed), N(least.transactions), N(static_cast<uint64_t>(storm.count())),
      least.without.empty() ? "" : " --without ", Join(least.without).c_str());
}

// Rare paths that runs enough must come through; without one of them they prove less than they
// seem to.
const std::vector<const char*>& Probes() {
  static const std::vector<const char*> all = {
      "a branch came too late to join",
      "a branch's name is taken",
      "a call of an earlier owner is refused",
      "a cancel while a one-phase commit is in doubt",
      "a cancel while the pivot is in doubt",
      "a client died",
      "a hand-over is cut short",
      "a late action is refused",
      "a lease ended",
      "a node is cut off from the store",
      "a node is stopped in the middle of its turn",
      "a node that stops has handed everything over",
      "a poll found out",
      "a repeat of what had worked is refused",
      "a request could not be forwarded",
      "a request was forwarded",
      "a request was forwarded to who did not have it any more",
      "a shard is handed over while calls are out",
      "a shard was taken over",
      "a signal was repeated",
      "a start with a clock that is ahead",
      "a start with a clock that is behind",
      "a stop that was in time",
      "a stop while calls are out",
      "a write was fenced",
      "an append that was late is fenced",
      "an append that was late is written",
      "an end was forced",
      "an incident of action",
      "an incident of cancel",
      "an incident of commit",
      "an incident of compensate",
      "an incident of confirm",
      "an incident of rollback",
      "an operator found out",
      "an operator vouched",
      "an undo of what never happened",
      "no answer in time",
      "submitted again",
      "taken over: 2pc ABORTING",
      "taken over: 2pc ACTIVE",
      "taken over: 2pc COMMITTING",
      "taken over: saga ABORTING",
      "taken over: saga ACTIVE",
      "taken over: saga COMMITTING",
      "taken over: tcc ABORTING",
      "taken over: tcc ACTIVE",
      "taken over: tcc COMMITTING",
      "the store's answer is lost",
      "unknown outcome",
      "unknown outcome of a decision",
      "who is busy is to be asked again",
  };
  return all;
}

size_t CountMissing(const Coverage& total) {
  size_t missing = 0;
  for (const char* probe : Probes()) {
    const auto hit = total.probes.find(probe);
    const uint64_t hits = hit == total.probes.end() ? 0 : hit->second;
    std::printf("  %-56s %llu%s\n", probe, N(hits), hits == 0 ? "  <-- never" : "");
    missing += hits == 0 ? 1 : 0;
  }
  return missing;
}

void ReportCells(std::string_view name, const CellCounter::Reached& reached, bool list) {
  std::printf("%.*s: %llu of %llu cells reached\n", static_cast<int>(name.size()), name.data(),
              N(reached.reached), N(reached.legal));
  if (list) {
    std::printf("%s", reached.missed.c_str());
  }
}

void ReportCells(const CellCounter& cells, bool list) {
  for (const auto mode :
       {entente::dsl::Mode::kSaga, entente::dsl::Mode::kTcc, entente::dsl::Mode::kTwoPhaseCommit}) {
    ReportCells(entente::dsl::ModeName(mode), cells.Of(mode), list);
  }
  ReportCells("families", cells.OfFamilies(), list);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ReadFlags(argc, argv, flags)) {
    return 2;
  }
  const CellCounter cells;
  Coverage total;
  size_t failed = 0;
  uint64_t played = 0;
  for (; played < flags.seeds && failed < flags.stop_after; ++played) {
    const uint64_t seed = flags.first + played;
    const Violations violations = Play(OptionsOf(seed, flags), total);
    if (!violations.empty()) {
      ++failed;
      Report(seed, flags, violations);
    }
  }
  std::printf("%llu seeds, trace hash %016llx\n", N(played), N(total.trace_hash));
  for (const auto& [what, count] : total.counts) {
    std::printf("  %-56s %llu\n", what.c_str(), N(count));
  }
  std::printf("rare paths:\n");
  const size_t missing = CountMissing(total);
  ReportCells(cells, flags.cells);
  if (failed != 0) {
    std::printf("%zu seeds failed\n", failed);
    return 1;
  }
  constexpr uint64_t kEnough = 1000;  // Fewer are not expected to come through everything.
  if (missing != 0 && played >= kEnough) {
    std::printf("%zu rare paths were never taken\n", missing);
    return 1;
  }
  return 0;
}
