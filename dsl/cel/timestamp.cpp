#include "dsl/cel/timestamp.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <limits>
#include <optional>

#include "dsl/cel/error.h"

namespace entente::dsl::cel {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kSecondsPerDay = 86'400;
constexpr int64_t kMinSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int64_t kMaxSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z

// GCC's name for it would not pass -Wpedantic.
__extension__ using Int128 = __int128;

Status TimestampRangeError() {
  return EvaluationError(
      "range error: timestamp outside 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z");
}

Status DurationRangeError() {
  return EvaluationError("range error: duration longer than 64 bits of nanoseconds (292 years)");
}

// A cursor over text; every reader returns nothing, and stays, when the text does not fit.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool AtEnd() const { return position_ == text_.size(); }
  [[nodiscard]] char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  void Skip() { ++position_; }

  bool Take(char wanted) {
    if (Peek() != wanted || AtEnd()) {
      return false;
    }
    Skip();
    return true;
  }

  bool TakeAny(std::string_view wanted) {
    if (AtEnd() || wanted.find(Peek()) == std::string_view::npos) {
      return false;
    }
    Skip();
    return true;
  }

  bool TakeWord(std::string_view wanted) {
    if (text_.substr(position_, wanted.size()) != wanted) {
      return false;
    }
    position_ += wanted.size();
    return true;
  }

  [[nodiscard]] std::string_view TakeDigits() {
    const size_t start = position_;
    while (Peek() >= '0' && Peek() <= '9') {
      Skip();
    }
    return text_.substr(start, position_ - start);
  }

  std::optional<int32_t> TakeTwoDigits() {
    const size_t start = position_;
    int32_t number = 0;
    for (int i = 0; i < 2; ++i) {
      if (Peek() < '0' || Peek() > '9') {
        position_ = start;
        return std::nullopt;
      }
      number = number * 10 + (Peek() - '0');
      Skip();
    }
    return number;
  }

 private:
  std::string_view text_;
  size_t position_ = 0;
};

Status BadTimestamp(std::string_view text) {
  return ConversionError(Kind::kString, Kind::kTimestamp,
                         Quote(text) + " is not an RFC 3339 instant like 2026-01-02T03:04:05Z");
}

// "Z" or "+hh:mm"; the sign may be left out where `sign_optional`.
std::optional<int32_t> TakeOffset(Reader& reader, bool sign_optional) {
  if (reader.TakeAny("Zz")) {
    return 0;
  }
  const bool negative = reader.Peek() == '-';
  if (!reader.TakeAny("+-") && !sign_optional) {
    return std::nullopt;
  }
  const std::optional<int32_t> hours = reader.TakeTwoDigits();
  if (!hours || !reader.Take(':')) {
    return std::nullopt;
  }
  const std::optional<int32_t> minutes = reader.TakeTwoDigits();
  if (!minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  const int32_t offset = *hours * 3600 + *minutes * 60;
  return negative ? -offset : offset;
}

// The digits after the point as nanoseconds.
int32_t NanosOfFraction(std::string_view digits) {
  int32_t nanos = 0;
  for (size_t i = 0; i < 9; ++i) {
    nanos = nanos * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return nanos;
}

struct Clock {
  int32_t hours;
  int32_t minutes;
  int32_t seconds;
  int32_t nanos;
};

std::optional<Clock> TakeClock(Reader& reader) {
  const std::optional<int32_t> hours = reader.TakeTwoDigits();
  if (!hours || *hours > 23 || !reader.Take(':')) {
    return std::nullopt;
  }
  const std::optional<int32_t> minutes = reader.TakeTwoDigits();
  if (!minutes || *minutes > 59 || !reader.Take(':')) {
    return std::nullopt;
  }
  const std::optional<int32_t> seconds = reader.TakeTwoDigits();
  if (!seconds || *seconds > 59) {
    return std::nullopt;
  }
  int32_t nanos = 0;
  if (reader.Take('.')) {
    const std::string_view digits = reader.TakeDigits();
    if (digits.empty()) {
      return std::nullopt;
    }
    nanos = NanosOfFraction(digits);
  }
  return Clock{*hours, *minutes, *seconds, nanos};
}

Result<Timestamp> Checked(int64_t seconds, int32_t nanos) {
  if (seconds < kMinSeconds || seconds > kMaxSeconds) {
    return TimestampRangeError();
  }
  return Timestamp{seconds, nanos};
}

Result<DurationNanos> CheckedDuration(Int128 nanos) {
  if (nanos > std::numeric_limits<int64_t>::max() || nanos < std::numeric_limits<int64_t>::min()) {
    return DurationRangeError();
  }
  return DurationNanos{static_cast<int64_t>(nanos)};
}

Int128 NanosSinceEpoch(Timestamp timestamp) {
  return Int128{timestamp.seconds} * kNanosPerSecond + timestamp.nanos;
}

Result<Timestamp> FromNanosSinceEpoch(Int128 nanos) {
  Int128 seconds = nanos / kNanosPerSecond;
  Int128 rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    rest += kNanosPerSecond;
    --seconds;
  }
  return Checked(static_cast<int64_t>(seconds), static_cast<int32_t>(rest));
}

// The nanoseconds in one of the unit named next in the text.
std::optional<int64_t> TakeUnit(Reader& reader) {
  struct Unit {
    std::string_view name;
    int64_t nanos;
  };
  // "ms" stands before "m", which it starts with.
  static constexpr std::array<Unit, 6> kUnits = {{{"h", 3600 * kNanosPerSecond},
                                                  {"ms", 1'000'000},
                                                  {"m", 60 * kNanosPerSecond},
                                                  {"s", kNanosPerSecond},
                                                  {"us", 1'000},
                                                  {"ns", 1}}};
  for (const Unit& unit : kUnits) {
    if (reader.TakeWord(unit.name)) {
      return unit.nanos;
    }
  }
  return std::nullopt;
}

// Digits of "12.5" and their unit as nanoseconds; past the range it stays somewhere past it.
std::optional<Int128> TakeDurationPart(Reader& reader) {
  constexpr Int128 kCeiling = Int128{std::numeric_limits<int64_t>::max()} * 2;
  const std::string_view whole = reader.TakeDigits();
  const std::string_view fraction = reader.Take('.') ? reader.TakeDigits() : std::string_view();
  if (whole.empty() && fraction.empty()) {
    return std::nullopt;
  }
  const std::optional<int64_t> unit = TakeUnit(reader);
  if (!unit) {
    return std::nullopt;
  }
  Int128 nanos = 0;
  for (const char digit : whole) {
    nanos = std::min(nanos * 10 + (digit - '0') * Int128{*unit}, kCeiling);
  }
  Int128 scale = *unit;
  for (const char digit : fraction) {
    nanos += scale * (digit - '0') / 10;
    scale /= 10;
  }
  return nanos;
}

std::string FractionDigits(int64_t nanos) {
  if (nanos == 0) {
    return "";
  }
  std::array<char, 16> buffer{};
  std::snprintf(buffer.data(), buffer.size(), ".%09d", static_cast<int>(nanos));
  std::string digits = buffer.data();
  digits.erase(digits.find_last_not_of('0') + 1);
  return digits;
}

}  // namespace

Result<Timestamp> ParseTimestamp(std::string_view text) {
  Reader reader(text);
  const std::string_view year = reader.TakeDigits();
  if (year.size() < 4 || !reader.Take('-')) {
    return BadTimestamp(text);
  }
  const std::optional<int32_t> month = reader.TakeTwoDigits();
  if (!month || !reader.Take('-')) {
    return BadTimestamp(text);
  }
  const std::optional<int32_t> day = reader.TakeTwoDigits();
  if (!day || !reader.TakeAny("Tt")) {
    return BadTimestamp(text);
  }
  const std::optional<Clock> clock = TakeClock(reader);
  const std::optional<int32_t> offset = clock ? TakeOffset(reader, false) : std::nullopt;
  if (!offset || !reader.AtEnd()) {
    return BadTimestamp(text);
  }
  if (year.size() > 4) {
    return TimestampRangeError();
  }
  const std::chrono::year_month_day date(std::chrono::year(std::stoi(std::string(year))),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) {
    return BadTimestamp(text);
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return Checked(
      days * kSecondsPerDay + clock->hours * 3600 + clock->minutes * 60 + clock->seconds - *offset,
      clock->nanos);
}

Result<Timestamp> TimestampFromSeconds(int64_t seconds) {
  return Checked(seconds, 0);
}

Result<DurationNanos> ParseCelDuration(std::string_view text) {
  Reader reader(text);
  const bool negative = reader.Peek() == '-';
  reader.TakeAny("+-");
  if (reader.TakeWord("0") && reader.AtEnd()) {
    return DurationNanos{0};
  }
  reader = Reader(text);
  reader.TakeAny("+-");
  Int128 total = 0;
  do {
    const std::optional<Int128> part = TakeDurationPart(reader);
    if (!part) {
      return ConversionError(Kind::kString, Kind::kDuration,
                             Quote(text) + " is not a duration like 1h30m, 250ms or 1.5s");
    }
    total += *part;
  } while (!reader.AtEnd());
  return CheckedDuration(negative ? -total : total);
}

std::string FormatTimestamp(Timestamp timestamp) {
  const CalendarFields fields = FieldsOf(timestamp, 0);
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02d-%02dT%02d:%02d:%02d", fields.year,
                fields.month + 1, fields.day_of_month + 1, fields.hours, fields.minutes,
                fields.seconds);
  return buffer.data() + FractionDigits(timestamp.nanos) + "Z";
}

std::string FormatCelDuration(DurationNanos duration) {
  const int64_t seconds = duration.nanos / kNanosPerSecond;
  const int64_t nanos = duration.nanos % kNanosPerSecond;
  const std::string sign = duration.nanos < 0 && seconds == 0 ? "-" : "";
  return sign + std::to_string(seconds) + FractionDigits(nanos < 0 ? -nanos : nanos) + "s";
}

Result<Timestamp> Add(Timestamp timestamp, DurationNanos duration) {
  return FromNanosSinceEpoch(NanosSinceEpoch(timestamp) + duration.nanos);
}

Result<Timestamp> Subtract(Timestamp timestamp, DurationNanos duration) {
  return FromNanosSinceEpoch(NanosSinceEpoch(timestamp) - duration.nanos);
}

Result<DurationNanos> Difference(Timestamp later, Timestamp earlier) {
  return CheckedDuration(NanosSinceEpoch(later) - NanosSinceEpoch(earlier));
}

Result<DurationNanos> Add(DurationNanos left, DurationNanos right) {
  return CheckedDuration(Int128{left.nanos} + right.nanos);
}

Result<DurationNanos> Subtract(DurationNanos left, DurationNanos right) {
  return CheckedDuration(Int128{left.nanos} - right.nanos);
}

Result<int32_t> ParseTimezone(std::string_view text) {
  if (text == "UTC" || text == "Z" || text == "GMT") {
    return 0;
  }
  Reader reader(text);
  const std::optional<int32_t> offset = TakeOffset(reader, true);
  if (!offset || !reader.AtEnd()) {
    return EvaluationError("invalid_argument: unknown timezone " + Quote(text) +
                           "; use 'UTC' or a fixed offset like '+02:00'");
  }
  return *offset;
}

CalendarFields FieldsOf(Timestamp timestamp, int32_t zone_offset_seconds) {
  const std::chrono::sys_seconds local{
      std::chrono::seconds(timestamp.seconds + zone_offset_seconds)};
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<std::chrono::seconds> clock(local - day);
  const std::chrono::sys_days new_year(date.year() / std::chrono::January / 1);
  return CalendarFields{
      .year = static_cast<int32_t>(date.year()),
      .month = static_cast<int32_t>(static_cast<unsigned>(date.month())) - 1,
      .day_of_month = static_cast<int32_t>(static_cast<unsigned>(date.day())) - 1,
      .day_of_week = static_cast<int32_t>(std::chrono::weekday(day).c_encoding()),
      .day_of_year = static_cast<int32_t>((day - new_year).count()),
      .hours = static_cast<int32_t>(clock.hours().count()),
      .minutes = static_cast<int32_t>(clock.minutes().count()),
      .seconds = static_cast<int32_t>(clock.seconds().count()),
      .milliseconds = timestamp.nanos / 1'000'000,
  };
}

}  // namespace entente::dsl::cel
