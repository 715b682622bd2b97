#include "observe/registry.h"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

namespace entente::observe::test {
namespace {

TEST_CASE("what several threads measure is read as one") {
  Registry registry;
  for (size_t thread = 0; thread < 3; ++thread) {
    registry.RecorderOf(thread).Find(Family::kTransaction, "travel", "COMMITTED").Record(7);
  }
  registry.RecorderOf(1).Find(Family::kTransaction, "travel", "ABORTED").Record(7);
  const auto series = registry.Read(Family::kTransaction);
  REQUIRE(series.size() == 2);
  CHECK(series.at({"travel", "COMMITTED"}).count() == 3);
  CHECK(series.at({"travel", "ABORTED"}).count() == 1);
}

TEST_CASE("a thread has one recorder") {
  Registry registry;
  CHECK(&registry.RecorderOf(4) == &registry.RecorderOf(4));
  CHECK(&registry.RecorderOf(4) != &registry.RecorderOf(5));
}

TEST_CASE("names without end become few labels, the same in every thread") {
  Registry registry;
  for (size_t i = 0; i < 3 * kMaxNames; ++i) {
    // The threads meet them in different orders.
    registry.RecorderOf(0).Find(Family::kCall, "p" + std::to_string(i), "action").Record(1);
    registry.RecorderOf(1)
        .Find(Family::kCall, "p" + std::to_string(3 * kMaxNames - 1 - i), "action")
        .Record(1);
  }
  const auto series = registry.Read(Family::kCall);
  CHECK(series.size() == kMaxNames + 1);
  uint64_t all = 0;
  for (const auto& [labels, snapshot] : series) {
    CAPTURE(labels.first);
    CHECK((labels.first == kOther || snapshot.count() == 2));
    all += snapshot.count();
  }
  CHECK(all == 6 * kMaxNames);
  CHECK(series.at({std::string(kOther), "action"}).count() == 4 * kMaxNames);
  // Further kinds of what is told apart, and of what is not.
  registry.RecorderOf(0).Find(Family::kCall, "p0", "compensate").Record(1);
  registry.RecorderOf(0).Find(Family::kCall, "none", "compensate").Record(1);
  CHECK(registry.Read(Family::kCall).size() == kMaxNames + 3);
}

TEST_CASE("a family's names are its own") {
  Registry registry;
  for (size_t i = 0; i < 2 * kMaxNames; ++i) {
    registry.RecorderOf(0).Find(Family::kCall, "p" + std::to_string(i), "try").Record(1);
  }
  registry.RecorderOf(0).Find(Family::kTransaction, "late", "COMMITTED").Record(1);
  CHECK(registry.Read(Family::kTransaction).contains({"late", "COMMITTED"}));
}

TEST_CASE("it may be read while threads measure") {
  Registry registry;
  constexpr uint64_t kEach = 20'000;
  const auto measure = [&registry](size_t thread) {
    Recorder& recorder = registry.RecorderOf(thread);
    const Gid gid("g");
    for (uint64_t i = 0; i < kEach; ++i) {
      recorder.Find(Family::kTransaction, "d" + std::to_string(i % 90), "COMMITTED")
          .Record(i, {gid, "", InstantFromMicros(static_cast<int64_t>(i) * 500'000)});
    }
  };
  const auto count = [&registry] {
    uint64_t all = 0;
    for (const auto& [labels, snapshot] : registry.Read(Family::kTransaction)) {
      all += snapshot.count();
    }
    return all;
  };
  std::thread one(measure, 1);
  std::thread two(measure, 2);
  uint64_t before = 0;
  for (int i = 0; i < 50; ++i) {
    const uint64_t seen = count();
    CHECK(seen >= before);
    before = seen;
  }
  one.join();
  two.join();
  CHECK(count() == 2 * kEach);
}

TEST_CASE("a clock that was set back measures nothing") {
  CHECK(Micros(Duration(-5)) == 0);
  CHECK(Micros(Duration(5)) == 5);
}

}  // namespace
}  // namespace entente::observe::test
