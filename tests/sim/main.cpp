// simulation_tests --seeds N [--first K]: plays N runs and prints what they covered.
// simulation_tests --replay SEED: plays one, with its whole trace.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/sim/world.h"

namespace {

using entente::sim::Coverage;
using entente::sim::World;
using entente::sim::WorldOptions;

size_t Play(uint64_t seed, bool trace, Coverage& total) {
  WorldOptions options;
  options.seed = seed;
  options.trace = trace;
  World world(options);
  const auto violations = world.Run();
  for (const std::string& violation : violations) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
  }
  const Coverage& one = world.coverage();
  total.committed += one.committed;
  total.aborted += one.aborted;
  total.crashes += one.crashes;
  total.failed_appends += one.failed_appends;
  total.incidents += one.incidents;
  total.calls += one.calls;
  total.timeouts += one.timeouts;
  total.effects += one.effects;
  total.undone += one.undone;
  total.resubmits += one.resubmits;
  total.heuristics += one.heuristics;
  total.expired += one.expired;
  total.read_only += one.read_only;
  total.one_phase += one.one_phase;
  total.pauses += one.pauses;
  total.takeovers += one.takeovers;
  total.fenced += one.fenced;
  total.leases_ended += one.leases_ended;
  total.unknown_outcomes += one.unknown_outcomes;
  for (const auto& [kind, ended] : one.ended) {
    total.ended[kind] += ended;
  }
  return violations.size();
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seeds = 2000;
  uint64_t first = 1;
  bool replay = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seeds") {
      seeds = value;
    } else if (flag == "--first") {
      first = value;
    } else if (flag == "--replay") {
      first = value;
      seeds = 1;
      replay = true;
    } else {
      std::fprintf(stderr, "simulation_tests: unknown flag %s\n", flag.c_str());
      return 2;
    }
  }
  Coverage total;
  size_t failed = 0;
  for (uint64_t seed = first; seed < first + seeds && failed < 10; ++seed) {
    failed += Play(seed, replay, total) != 0 ? 1 : 0;
  }
  const auto n = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu seeds: %llu committed, %llu aborted, %llu crashes, %llu failed appends, %llu "
      "incidents, "
      "%llu calls (%llu timed out), %llu effects (%llu undone), %llu resubmits\n",
      n(seeds), n(total.committed), n(total.aborted), n(total.crashes), n(total.failed_appends),
      n(total.incidents), n(total.calls), n(total.timeouts), n(total.effects), n(total.undone),
      n(total.resubmits));
  std::printf(
      "%llu heuristic reports, %llu expired, %llu read-only votes, %llu one-phase commits\n",
      n(total.heuristics), n(total.expired), n(total.read_only), n(total.one_phase));
  std::printf(
      "%llu shards taken over, %llu leases ended, %llu appends fenced, %llu of unknown outcome, "
      "%llu times a node was stopped\n",
      n(total.takeovers), n(total.leases_ended), n(total.fenced), n(total.unknown_outcomes),
      n(total.pauses));
  for (const auto& [kind, ended] : total.ended) {
    std::printf("%s, %s: %llu transactions\n",
                std::string(entente::dsl::ModeName(kind.first)).c_str(),
                kind.second ? "client-driven" : "declared", n(ended));
  }
  if (failed != 0) {
    std::printf("%zu seeds failed; replay one with ./dev test --seed N\n", failed);
    return 1;
  }
  // Runs that exercise nothing prove nothing.
  const bool exercised =
      replay ||
      (total.committed > 0 && total.aborted > 0 && total.crashes > 0 && total.failed_appends > 0 &&
       total.incidents > 0 && total.timeouts > 0 && total.undone > 0 && total.heuristics > 0 &&
       total.expired > 0 && total.read_only > 0 && total.one_phase > 0 && total.takeovers > 0 &&
       total.leases_ended > 0 && total.fenced > 0 && total.unknown_outcomes > 0 &&
       total.pauses > 0 && total.ended.size() == 6);
  if (!exercised) {
    std::printf("the runs did not exercise every kind of trouble\n");
  }
  return exercised ? 0 : 1;
}
