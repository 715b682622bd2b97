#include "base/time.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace entente {
namespace {

struct Unit {
  std::string_view name;
  int64_t micros;
};

// "m" is tried after "ms", which begins with it.
constexpr std::array<Unit, 6> kUnits{{{"d", 86'400'000'000},
                                      {"h", 3'600'000'000},
                                      {"ms", 1'000},
                                      {"m", 60'000'000},
                                      {"us", 1},
                                      {"s", 1'000'000}}};

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
constexpr int64_t kMaxDurationMicros = 3660 * kMicrosPerDay;
constexpr size_t kMaxQuotedBytes = 64;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

Status BadDuration(std::string_view text, const std::string& why) {
  return InvalidArgument("duration.invalid", "'" + std::string(text.substr(0, kMaxQuotedBytes)) +
                                                 "' is not a duration: " + why +
                                                 "; write for example 250ms, 1.5s or 1h30m");
}

// Consumes the digits at the front of `rest`.
std::string_view TakeDigits(std::string_view& rest) {
  size_t count = 0;
  while (count < rest.size() && IsDigit(rest[count])) {
    ++count;
  }
  const std::string_view digits = rest.substr(0, count);
  rest.remove_prefix(count);
  return digits;
}

// The value of decimal digits times `scale`, or nothing when it exceeds the longest duration.
std::optional<int64_t> Scaled(std::string_view digits, int64_t scale) {
  int64_t value = 0;
  for (const char c : digits) {
    value = value * 10 + (c - '0');
    if (value > kMaxDurationMicros / scale) {
      return std::nullopt;
    }
  }
  return value * scale;
}

// The value of the digits after the point times `scale`, or nothing when it is no whole number.
std::optional<int64_t> ScaledFraction(std::string_view digits, int64_t scale) {
  // The longest unit times 10^8 still fits; more decimals are never needed in practice.
  static constexpr size_t kMaxDecimals = 8;
  while (digits.ends_with('0')) {
    digits.remove_suffix(1);
  }
  if (digits.size() > kMaxDecimals) {
    return std::nullopt;
  }
  int64_t numerator = 0;
  int64_t denominator = 1;
  for (const char c : digits) {
    numerator = numerator * 10 + (c - '0');
    denominator *= 10;
  }
  if (numerator * scale % denominator != 0) {
    return std::nullopt;
  }
  return numerator * scale / denominator;
}

// Exactly `count` digits at the front of `rest`, or nothing.
std::optional<int> TakeNumber(std::string_view& rest, size_t count) {
  if (rest.size() < count) {
    return std::nullopt;
  }
  int value = 0;
  for (const char c : rest.substr(0, count)) {
    if (!IsDigit(c)) {
      return std::nullopt;
    }
    value = value * 10 + (c - '0');
  }
  rest.remove_prefix(count);
  return value;
}

bool TakeOneOf(std::string_view& rest, std::string_view choices) {
  if (rest.empty() || choices.find(rest.front()) == std::string_view::npos) {
    return false;
  }
  rest.remove_prefix(1);
  return true;
}

// "2026-01-02" as days since 1970-01-01.
std::optional<int64_t> TakeDate(std::string_view& rest) {
  const auto year = TakeNumber(rest, 4);
  if (!year || !TakeOneOf(rest, "-")) {
    return std::nullopt;
  }
  const auto month = TakeNumber(rest, 2);
  if (!month || !TakeOneOf(rest, "-")) {
    return std::nullopt;
  }
  const auto day = TakeNumber(rest, 2);
  if (!day) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date).time_since_epoch().count();
}

struct TimeOfDay {
  int64_t seconds;
  bool leap_second;
};

// "03:04:05" as seconds since midnight.
std::optional<TimeOfDay> TakeTimeOfDay(std::string_view& rest) {
  const auto hour = TakeNumber(rest, 2);
  if (!hour || *hour > 23 || !TakeOneOf(rest, ":")) {
    return std::nullopt;
  }
  const auto minute = TakeNumber(rest, 2);
  if (!minute || *minute > 59 || !TakeOneOf(rest, ":")) {
    return std::nullopt;
  }
  const auto second = TakeNumber(rest, 2);
  if (!second || *second > 60) {
    return std::nullopt;
  }
  return TimeOfDay{int64_t{*hour} * 3600 + int64_t{*minute} * 60 + *second, *second == 60};
}

// ".25", at most nine digits, as whole microseconds. Absent: zero.
std::optional<int64_t> TakeFraction(std::string_view& rest) {
  if (!TakeOneOf(rest, ".")) {
    return 0;
  }
  const std::string_view digits = TakeDigits(rest);
  if (digits.empty() || digits.size() > 9) {
    return std::nullopt;
  }
  int64_t micros = 0;
  for (size_t i = 0; i < 6; ++i) {
    micros = micros * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return micros;
}

// "Z" or "+02:00" as seconds east of UTC.
std::optional<int64_t> TakeOffset(std::string_view& rest) {
  if (TakeOneOf(rest, "Zz")) {
    return 0;
  }
  const bool west = rest.starts_with('-');
  if (!TakeOneOf(rest, "+-")) {
    return std::nullopt;
  }
  const auto hours = TakeNumber(rest, 2);
  if (!hours || *hours > 23 || !TakeOneOf(rest, ":")) {
    return std::nullopt;
  }
  const auto minutes = TakeNumber(rest, 2);
  if (!minutes || *minutes > 59) {
    return std::nullopt;
  }
  const int64_t seconds = int64_t{*hours} * 3600 + int64_t{*minutes} * 60;
  return west ? -seconds : seconds;
}

std::optional<Instant> ReadInstant(std::string_view rest) {
  const auto days = TakeDate(rest);
  if (!days || !TakeOneOf(rest, "Tt")) {
    return std::nullopt;
  }
  const auto time_of_day = TakeTimeOfDay(rest);
  if (!time_of_day) {
    return std::nullopt;
  }
  const auto fraction = TakeFraction(rest);
  if (!fraction) {
    return std::nullopt;
  }
  const auto offset = TakeOffset(rest);
  if (!offset || !rest.empty()) {
    return std::nullopt;
  }
  const int64_t seconds = *days * 86'400 + time_of_day->seconds - *offset;
  // Leap seconds end a day of UTC; like everywhere in Unix time they count as the next second.
  if (time_of_day->leap_second && seconds % 86'400 != 0) {
    return std::nullopt;
  }
  return InstantFromMicros(seconds * kMicrosPerSecond + *fraction);
}

// Appends the digits after the point that `micros`, a part of a second, needs.
void AppendFraction(std::string& text, int64_t micros) {
  if (micros == 0) {
    return;
  }
  std::array<char, 16> digits{};
  std::snprintf(digits.data(), digits.size(), ".%06d", static_cast<int>(micros));
  text += digits.data();
  text.resize(text.find_last_not_of('0') + 1);
}

}  // namespace

Result<Duration> ParseDuration(std::string_view text) {
  if (text.empty()) {
    return BadDuration(text, "it is empty");
  }
  int64_t total = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view whole = TakeDigits(rest);
    std::string_view fraction;
    if (!whole.empty() && TakeOneOf(rest, ".")) {
      fraction = TakeDigits(rest);
      if (fraction.empty()) {
        return BadDuration(text, "digits must follow the point");
      }
    }
    if (whole.empty()) {
      return BadDuration(text, "a number must come before each unit");
    }
    const auto* const unit = std::find_if(
        kUnits.begin(), kUnits.end(), [rest](const Unit& u) { return rest.starts_with(u.name); });
    if (unit == kUnits.end()) {
      return BadDuration(text, "each number needs a unit: d, h, m, s, ms or us");
    }
    rest.remove_prefix(unit->name.size());
    const auto units = Scaled(whole, unit->micros);
    if (!units || *units > kMaxDurationMicros - total) {
      return BadDuration(text, "it is longer than 3660 days");
    }
    const auto part = ScaledFraction(fraction, unit->micros);
    if (!part) {
      return BadDuration(text, "it is finer than a microsecond");
    }
    if (*units + *part > kMaxDurationMicros - total) {
      return BadDuration(text, "it is longer than 3660 days");
    }
    total += *units + *part;
  }
  return Duration(total);
}

std::string FormatDuration(Duration duration) {
  // Durations are not negative by contract; a sign in a log is better than a wrong number there.
  std::string text = duration.count() < 0 ? "-" : "";
  uint64_t rest = static_cast<uint64_t>(duration.count());
  rest = duration.count() < 0 ? 0 - rest : rest;
  const size_t sign = text.size();
  for (const Unit unit : {Unit{"d", kMicrosPerDay}, Unit{"h", 3600 * kMicrosPerSecond},
                          Unit{"m", 60 * kMicrosPerSecond}}) {
    if (const uint64_t count = rest / unit.micros; count > 0) {
      text += std::to_string(count).append(unit.name);
      rest %= unit.micros;
    }
  }
  if (rest >= kMicrosPerSecond) {
    text += std::to_string(rest / kMicrosPerSecond);
    AppendFraction(text, static_cast<int64_t>(rest % kMicrosPerSecond));
    text += 's';
  } else if (rest > 0) {
    text += rest % 1000 == 0 ? std::to_string(rest / 1000) + "ms" : std::to_string(rest) + "us";
  }
  return text.size() > sign ? text : "0s";
}

Result<Instant> ParseInstant(std::string_view text) {
  const std::optional<Instant> instant = ReadInstant(text);
  if (!instant) {
    return InvalidArgument("instant.invalid",
                           "'" + std::string(text.substr(0, kMaxQuotedBytes)) +
                               "' is not an RFC 3339 date and time; write for example "
                               "2026-01-02T03:04:05Z or 2026-01-02T03:04:05.25+01:00");
  }
  return *instant;
}

namespace {

// Writes `width` digits and returns the place behind them.
char* PutDigits(char* to, int64_t value, size_t width) {
  for (size_t i = width; i-- > 0; value /= 10) {
    to[i] = static_cast<char>('0' + value % 10);
  }
  return to + width;
}

char* PutDigits(char* to, int64_t value, size_t width, char behind) {
  to = PutDigits(to, value, width);
  *to = behind;
  return to + 1;
}

}  // namespace

Instant ClampToCalendar(Instant instant) {
  static constexpr int64_t kFirst = -62'135'596'800 * kMicrosPerSecond;
  static constexpr int64_t kLast = 253'402'300'800 * kMicrosPerSecond - 1;
  return InstantFromMicros(std::clamp(ToMicros(instant), kFirst, kLast));
}

std::string FormatInstant(Instant instant) {
  const Duration since_epoch = ClampToCalendar(instant).time_since_epoch();
  const auto day = std::chrono::floor<std::chrono::days>(since_epoch);
  const std::chrono::year_month_day date{std::chrono::sys_days(day)};
  const int64_t micros = Duration(since_epoch - day).count();
  const int64_t second_of_day = micros / kMicrosPerSecond;
  std::array<char, sizeof "2026-01-01T00:00:00.000000Z"> text;
  char* end = PutDigits(text.data(), static_cast<int>(date.year()), 4, '-');
  end = PutDigits(end, static_cast<unsigned>(date.month()), 2, '-');
  end = PutDigits(end, static_cast<unsigned>(date.day()), 2, 'T');
  end = PutDigits(end, second_of_day / 3600, 2, ':');
  end = PutDigits(end, second_of_day / 60 % 60, 2, ':');
  end = PutDigits(end, second_of_day % 60, 2);
  if (const int64_t fraction = micros % kMicrosPerSecond; fraction != 0) {
    *end++ = '.';
    end = PutDigits(end, fraction, 6);
    while (end[-1] == '0') {
      --end;
    }
  }
  *end++ = 'Z';
  return {text.data(), end};
}

std::string FormatHttpDate(Instant instant) {
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::string text = FormatInstant(instant);  // YYYY-MM-DDTHH:MM:SS...
  const auto day = std::chrono::floor<std::chrono::days>(instant.time_since_epoch());
  const std::chrono::weekday weekday{std::chrono::sys_days(day)};
  const auto month = static_cast<size_t>((text[5] - '0') * 10 + (text[6] - '0'));
  std::string date(kDays.substr(3 * size_t{weekday.c_encoding()}, 3));
  date.append(", ").append(text, 8, 2).append(" ").append(kMonths.substr(3 * (month - 1), 3));
  return date.append(" ").append(text, 0, 4).append(" ").append(text, 11, 8).append(" GMT");
}

}  // namespace entente
