#include "runtime/forward_clock.h"

#include <catch2/catch.hpp>

namespace entente::runtime {
namespace {

TEST_CASE("the time of day follows the system clock forwards and never goes back") {
  ForwardClock clock;
  const auto read = [&clock](int64_t system_seconds, int64_t steady_seconds) {
    const Instant now = clock.Read(InstantFromMicros(system_seconds * 1'000'000),
                                   std::chrono::seconds(steady_seconds));
    return ToMicros(now) / 1'000'000;
  };
  CHECK(read(1'000, 5) == 1'000);
  CHECK(read(1'010, 15) == 1'010);
  CHECK(read(4'610, 20) == 4'610);  // The machine slept for an hour.
  CHECK(read(1'020, 25) == 4'615);  // A step back: time goes on at the steady clock's pace.
  CHECK(read(1'030, 35) == 4'625);
  CHECK(read(4'700, 40) == 4'700);
}

}  // namespace
}  // namespace entente::runtime
