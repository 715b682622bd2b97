// simulation_tests [--seeds N] [--first K]      plays N runs and says what they covered
// simulation_tests --replay SEED [--transactions N]   plays one, with its whole trace
//   --stop-after N   ends after so many failing seeds (10)
//   --shrink 0       does not look for fewer transactions that fail too
//   --cells 1        lists the cells of the transition tables that no run came through
#include <cstdio>
#include <cstdlib>
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
  uint64_t stop_after = 10;
  bool replay = false;
  bool cells = false;
  bool shrink = true;
};

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

Violations Play(uint64_t seed, uint64_t transactions, bool trace, Coverage& total) {
  WorldOptions options;
  options.seed = seed;
  options.transactions = transactions;
  options.trace = trace;
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

// The fewest transactions with which the seed fails too: less to read.
uint64_t Shrink(uint64_t seed, uint64_t transactions) {
  for (uint64_t fewer = 1; fewer < transactions; ++fewer) {
    Coverage ignored;
    if (!Play(seed, fewer, false, ignored).empty()) {
      return fewer;
    }
  }
  return transactions;
}

void Report(uint64_t seed, const Flags& flags, const Violations& violations) {
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < violations.size() && i < kShown; ++i) {
    std::printf("seed %llu: %s\n", N(seed), violations[i].c_str());
  }
  if (!flags.replay) {
    const uint64_t fewest = flags.shrink ? Shrink(seed, flags.transactions) : flags.transactions;
    std::printf("replay: build/simulation_tests --replay %llu --transactions %llu\n", N(seed),
                N(fewest));
  }
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
    const Violations violations = Play(seed, flags.transactions, flags.replay, total);
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
