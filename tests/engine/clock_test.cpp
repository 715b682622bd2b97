// The table of docs/architecture.md that says what a step of the clock does, row by row.
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// Its instant, and whether it moves with the clock at a start.
std::vector<std::pair<std::string, bool>> DocumentedInstants() {
  std::ifstream page(std::string(ENTENTE_SOURCE_DIR) + "/docs/architecture.md");
  std::vector<std::pair<std::string, bool>> rows;
  bool in_table = false;
  for (std::string line; std::getline(page, line);) {
    in_table = line.starts_with("| instant |") || (in_table && line.starts_with("|"));
    if (!in_table || line.starts_with("| instant |") || line.starts_with("|---")) {
      continue;
    }
    std::vector<std::string> cells;
    std::istringstream rest(line.substr(1));
    for (std::string cell; std::getline(rest, cell, '|');) {
      cells.push_back(Trimmed(cell));
    }
    REQUIRE(cells.size() == 4);
    REQUIRE((cells[3] == "moves back" || cells[3] == "stays"));
    rows.emplace_back(cells[0], cells[3] == "moves back");
  }
  return rows;
}

PlanPtr Saga(const std::string& step, const std::string& more = "") {
  return CompilePlan(R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
                         "retry": {"initial": "10s", "factor": 1, "max": "10s", "jitter": 0},)" +
                     more + R"("steps": [{"id": "a", )" + step + "}]}");
}

const char* const kCall = R"("participant": "p", "action": {"post": "/a"}, "compensate": null)";

// One instant of each kind, armed in a transaction.
World WaitingFor(const std::string& instant) {
  if (instant == "a transaction's `deadline`") {
    World world(Saga(kCall, R"("deadline": "10m", )"));
    world.Submit();
    return world;
  }
  if (instant == "how long a reservation holds") {
    World world(CompilePlan(
        R"({"name": "x", "mode": "tcc", "participants": {"p": {"http": "http://p"}},
            "steps": [{"id": "a", "participant": "p", "expires": "15m",
                       "try": {"put": "/a"}, "confirm": null, "cancel": null},
                      {"id": "b", "wait": {"signal": "go"}}]})"));
    world.Submit();
    world.Answer("a", ReplyDone{});
    return world;
  }
  if (instant.starts_with("a wait `for`")) {
    World world(Saga(R"("wait": {"for": "10m"})"));
    world.Submit();
    return world;
  }
  if (instant.starts_with("a wait `until`")) {
    World world(Saga(R"("wait": {"until": "2027-01-15T09:00:00Z"})"));
    world.Submit();
    return world;
  }
  if (instant == "a signal's `timeout`") {
    World world(Saga(R"("wait": {"signal": "go", "timeout": "10m"})"));
    world.Submit();
    return world;
  }
  const bool bounded =
      instant == "how long an operation may be pending" || instant == "a step's `deadline`";
  World world(Saga(std::string(kCall) + (bounded ? R"(, "deadline": "10m")" : "")));
  world.Submit();
  if (instant == "a retry's back-off" || instant == "a step's `deadline`") {
    world.Answer("a", ReplyUnknown{{"timeout", ""}, std::nullopt});
  } else if (instant == "the next poll of a pending operation") {
    world.Answer("a", ReplyPending{"/poll", std::nullopt});
  } else if (instant == "how long an operation may be pending") {
    world.Answer("a", ReplyPending{"", std::nullopt});
  } else {
    FAIL("docs/architecture.md names an instant that this test does not know: " << instant);
  }
  return world;
}

// The one that `instant` names.
Instant Find(const World& world, const std::string& instant) {
  const TxnState& state = world.state();
  if (instant == "a transaction's `deadline`") {
    return state.deadline.value();
  }
  const BranchState& branch = state.steps[0].branches[0];
  return instant == "a step's `deadline`" ? branch.forward_deadline.value()
                                          : branch.wake_at.value();
}

TEST_CASE("what docs/architecture.md says of a clock that is behind at a start is what happens") {
  const auto rows = DocumentedInstants();
  CHECK(rows.size() == 9);
  for (const auto& [instant, moves] : rows) {
    CAPTURE(instant);
    World world = WaitingFor(instant);
    const Instant before = Find(world, instant);
    world.set_now(world.now() - hours(1));
    world.Crash();
    CHECK(Find(world, instant) == (moves ? before - hours(1) : before));
    // Its timer is armed for that very instant.
    if (instant != "a step's `deadline`") {
      const auto next = world.NextTimer(kOrigin + hours(24 * 365));
      REQUIRE(next.has_value());
      CHECK(next->at == Find(world, instant));
    }
    // Once: another start with the same clock changes nothing more.
    const Instant after = Find(world, instant);
    world.Crash();
    CHECK(Find(world, instant) == after);
  }
}

TEST_CASE("a back-off of a second takes no longer than that after a start with a corrected clock") {
  const Duration ahead =
      GENERATE(Duration(1), Duration(seconds(1)), Duration(hours(1)), Duration(hours(24 * 365)));
  CAPTURE(FormatDuration(ahead));
  World world(Saga(kCall));
  world.Submit();
  world.Answer("a", ReplyUnknown{{"timeout", ""}, std::nullopt});
  world.set_now(world.now() - ahead);
  world.Crash();
  CHECK(world.NextTimer(world.now() + seconds(10)).has_value());
  CHECK_FALSE(world.NextTimer(world.now() + seconds(9)).has_value());
}

TEST_CASE("a timer for a deadline that there is not, or that was missed, arms none") {
  World endless(Saga(kCall));
  endless.Submit();
  const size_t before = endless.effects().size();
  endless.Feed(TimerFired{});
  CHECK(endless.effects().size() == before);

  World late(CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}}, "deadline": "10m",
          "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "pivot": true},
                    {"id": "b", "participant": "p", "action": {"post": "/b"}}]})"));
  late.Submit();
  late.Answer("a", ReplyDone{});
  late.set_now(kOrigin + std::chrono::minutes(10));
  late.Feed(TimerFired{});
  REQUIRE(late.state().deadline_missed);
  late.set_now(kOrigin + std::chrono::minutes(1));
  const size_t missed = late.effects().size();
  late.Feed(TimerFired{});
  CHECK(late.effects().size() == missed);
}

TEST_CASE("a start whose clock is ahead, or the same, records nothing of it") {
  World world(Saga(R"("wait": {"for": "10m"})"));
  world.Submit();
  const size_t records = world.journal().size();
  world.set_now(world.now() + GENERATE(Duration(0), Duration(hours(1))));
  world.Crash();
  CHECK(world.journal().size() == records);
}

}  // namespace
}  // namespace entente::engine::test
