// Times as people read them. This folder is an adapter: it may read the clock.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"

namespace entente::cli {

[[nodiscard]] Instant Now();

// About how long: "850ms", "12s", "3m 20s", "5h 10m", "4d 2h". Never negative.
[[nodiscard]] std::string FormatAbout(Duration duration);

// "3m 20s ago" or "in 12s".
[[nodiscard]] std::string FormatRelative(Instant instant, Instant now);

// RFC 3339 in UTC to the second: "2026-01-02T03:04:05Z".
[[nodiscard]] std::string FormatSeconds(Instant instant);

// An RFC 3339 text of the coordinator as "3m ago (2026-01-02T03:04:05Z)"; as it is if it is no
// instant, and nothing of nothing.
[[nodiscard]] std::string ShowInstant(std::string_view rfc3339, Instant now);

// Only the relative part, for tables.
[[nodiscard]] std::string ShowAge(std::string_view rfc3339, Instant now);

// For lines of a history: the time of day to the millisecond, in UTC, with its date before it
// unless that is `now`'s. As it is if it is no instant.
[[nodiscard]] std::string ShowMoment(std::string_view rfc3339, Instant now);

// What a user means by `option`, "--since": an RFC 3339 instant, or a duration ago ("2h"). Fails
// with cli.bad_time.
[[nodiscard]] Result<Instant> ReadInstant(std::string_view option, std::string_view text,
                                          Instant now);

}  // namespace entente::cli
