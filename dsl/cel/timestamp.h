// Timestamps and durations of CEL: reading, writing, arithmetic, calendar fields. No clock.
//
// Failures are kInvalidArgument "expression.error" worded for the author of the expression.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// RFC 3339 with "Z" or a numeric offset; digits beyond nanoseconds are dropped.
[[nodiscard]] Result<Timestamp> ParseTimestamp(std::string_view text);

// An instant from seconds since 1970, checked against CEL's range.
[[nodiscard]] Result<Timestamp> TimestampFromSeconds(int64_t seconds);

// A signed sum of parts with the units h, m, s, ms, us, ns ("1h30m", "-1.5s"), or "0".
[[nodiscard]] Result<DurationNanos> ParseCelDuration(std::string_view text);

// RFC 3339 in UTC with exactly the digits needed.
[[nodiscard]] std::string FormatTimestamp(Timestamp timestamp);

// Seconds with exactly the digits needed and the suffix "s": "3.5s", "-0.000001s".
[[nodiscard]] std::string FormatCelDuration(DurationNanos duration);

// Sums and differences; a range error past the bounds of either type.
[[nodiscard]] Result<Timestamp> Add(Timestamp timestamp, DurationNanos duration);
[[nodiscard]] Result<Timestamp> Subtract(Timestamp timestamp, DurationNanos duration);
[[nodiscard]] Result<DurationNanos> Difference(Timestamp later, Timestamp earlier);
[[nodiscard]] Result<DurationNanos> Add(DurationNanos left, DurationNanos right);
[[nodiscard]] Result<DurationNanos> Subtract(DurationNanos left, DurationNanos right);

// Seconds east of UTC named by "UTC", "Z" or a fixed offset such as "+05:30" or "-09:00". Names of
// regions are refused: their rules live in a database that changes, and an expression must mean
// the same on every machine for ever.
[[nodiscard]] Result<int32_t> ParseTimezone(std::string_view text);

// The parts of an instant on the calendar and the clock of a zone.
struct CalendarFields {
  int32_t year;
  int32_t month;         // 0 to 11.
  int32_t day_of_month;  // 0 to 30.
  int32_t day_of_week;   // 0 is Sunday.
  int32_t day_of_year;   // 0 to 365.
  int32_t hours;
  int32_t minutes;
  int32_t seconds;
  int32_t milliseconds;
};
[[nodiscard]] CalendarFields FieldsOf(Timestamp timestamp, int32_t zone_offset_seconds);

}  // namespace entente::dsl::cel
