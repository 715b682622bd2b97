// The texts of Protobuf's timestamps and durations. Internal to net.
//
// Protobuf's own reader (TimeUtil) throws on a timestamp whose UTC lies outside the years it can
// hold, and takes malformed durations for other ones, which would be sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace entente::net {

struct SecondsAndNanos {
  int64_t seconds = 0;
  int32_t nanos = 0;
};

// RFC 3339 with upper-case "T" and "Z", at most nine digits of a second's fraction, and a UTC from
// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z. `nanos` are not negative. Nothing: the
// text is anything else.
[[nodiscard]] std::optional<SecondsAndNanos> ReadTimestamp(std::string_view text);

// A sign or none, digits, possibly a point and at most nine digits, "s"; at most 315 576 000 000
// whole seconds (about 10 000 years) either way. `nanos` have the sign of `seconds`. Nothing: the
// text is anything else.
[[nodiscard]] std::optional<SecondsAndNanos> ReadDuration(std::string_view text);

}  // namespace entente::net
