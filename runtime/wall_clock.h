// The time of day, for durable instants.
#pragma once

#include "base/time.h"

namespace entente::runtime {

// The time of day, anchored when the process began and then moved on by the monotonic clock: a step
// of the wall clock neither fires nor delays a timer. Thread-safe.
[[nodiscard]] Instant WallNow();

}  // namespace entente::runtime
