// Instants and durations, without a clock.
//
// The pure folders compute with these types and can not ask what time it is: UnixClock has no
// now(). Only adapters in coordinator/ read a real clock and hand the instant in.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/status.h"

namespace entente {

using Duration = std::chrono::microseconds;

// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
struct UnixClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UnixClock, Duration>;
  static constexpr bool is_steady = false;
};
using Instant = UnixClock::time_point;

[[nodiscard]] constexpr Instant InstantFromMicros(int64_t micros_since_epoch) {
  return Instant(Duration(micros_since_epoch));
}
[[nodiscard]] constexpr int64_t ToMicros(Instant instant) {
  return instant.time_since_epoch().count();
}

// Reads a duration as people write it: a sum of parts such as "1h30m", "250ms", "1.5s"; units
// d, h, m, s, ms, us. Not negative, at most 3660 days. Fails with kInvalidArgument.
[[nodiscard]] Result<Duration> ParseDuration(std::string_view text);

// The shortest exact form ParseDuration accepts: "1h30m", "250ms", "0s".
[[nodiscard]] std::string FormatDuration(Duration duration);

// RFC 3339, with "Z" or a numeric offset, up to nanoseconds in (truncated to microseconds).
[[nodiscard]] Result<Instant> ParseInstant(std::string_view text);

// The nearest instant of the years 1 to 9999, which is what google.protobuf.Timestamp holds and
// four digits of a year in RFC 3339 can say to every reader.
[[nodiscard]] Instant ClampToCalendar(Instant instant);

// RFC 3339 in UTC with exactly the digits needed: "2026-01-02T03:04:05.25Z".
[[nodiscard]] std::string FormatInstant(Instant instant);

// As HTTP's Date field has it (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string FormatHttpDate(Instant instant);

}  // namespace entente
