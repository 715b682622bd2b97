#include "runtime/wall_clock.h"

#include <chrono>

#include "runtime/forward_clock.h"

namespace entente::runtime {

Instant WallNow() {
  static ForwardClock clock;
  const auto micros = [](auto now) {
    return std::chrono::duration_cast<Duration>(now.time_since_epoch());
  };
  return clock.Read(Instant(micros(std::chrono::system_clock::now())),
                    micros(std::chrono::steady_clock::now()));
}

}  // namespace entente::runtime
