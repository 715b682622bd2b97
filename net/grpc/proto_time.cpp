#include "net/grpc/proto_time.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <google/protobuf/util/time_util.h>

namespace entente::net {
namespace {

using google::protobuf::util::TimeUtil;

constexpr size_t kNanoDigits = 9;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Takes one thing after the other from the front of a text.
class Taker {
 public:
  explicit Taker(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  bool Take(char c) {
    if (!rest_.starts_with(c)) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  // Two or four digits; negative if there are none.
  int TakeNumber(size_t digits) {
    const std::string_view number = TakeDigits();
    int value = -1;
    if (number.size() == digits) {
      std::from_chars(number.data(), number.data() + number.size(), value);
    }
    return value;
  }

  std::string_view TakeDigits() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), IsDigit);
    const std::string_view digits = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(digits.size());
    return digits;
  }

 private:
  std::string_view rest_;
};

// The digits after a point, as nanoseconds; nothing if they say more than nanoseconds can.
std::optional<int32_t> Nanos(std::string_view digits) {
  if (digits.size() > kNanoDigits) {
    return std::nullopt;
  }
  int32_t nanos = 0;
  for (size_t i = 0; i < kNanoDigits; ++i) {
    nanos = nanos * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return nanos;
}

// "Z" or "+01:30", as minutes to take away.
std::optional<int> TakeOffset(Taker& text) {
  if (text.Take('Z')) {
    return 0;
  }
  const int sign = text.Take('+') ? 1 : text.Take('-') ? -1 : 0;
  const int hours = text.TakeNumber(2);
  const bool colon = text.Take(':');
  const int minutes = text.TakeNumber(2);
  if (sign == 0 || hours < 0 || hours > 23 || !colon || minutes < 0 || minutes > 59) {
    return std::nullopt;
  }
  return sign * (hours * 60 + minutes);
}

// "2026-01-02T03:04:05", as seconds since 1970.
std::optional<int64_t> TakeDateAndTime(Taker& text) {
  const int year = text.TakeNumber(4);
  bool separated = text.Take('-');
  const int month = text.TakeNumber(2);
  separated = text.Take('-') && separated;
  const int day = text.TakeNumber(2);
  separated = text.Take('T') && separated;
  const int hour = text.TakeNumber(2);
  separated = text.Take(':') && separated;
  const int minute = text.TakeNumber(2);
  separated = text.Take(':') && separated;
  const int second = text.TakeNumber(2);
  if (!separated || year < 1 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 59) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) {
    return std::nullopt;
  }
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

}  // namespace

std::optional<SecondsAndNanos> ReadTimestamp(std::string_view text) {
  Taker rest(text);
  const auto local = TakeDateAndTime(rest);
  std::string_view fraction;
  const bool point = rest.Take('.');
  if (point) {
    fraction = rest.TakeDigits();
  }
  const auto nanos = Nanos(fraction);
  const auto offset = TakeOffset(rest);
  if (!local || !nanos || !offset || !rest.at_end() || (point && fraction.empty())) {
    return std::nullopt;
  }
  const int64_t seconds = *local - int64_t{60} * *offset;
  if (seconds < TimeUtil::kTimestampMinSeconds || seconds > TimeUtil::kTimestampMaxSeconds) {
    return std::nullopt;
  }
  return SecondsAndNanos{seconds, *nanos};
}

std::optional<SecondsAndNanos> ReadDuration(std::string_view text) {
  Taker rest(text);
  const bool negative = rest.Take('-');
  if (!negative) {
    rest.Take('+');
  }
  const std::string_view whole = rest.TakeDigits();
  const auto nanos = Nanos(rest.Take('.') ? rest.TakeDigits() : std::string_view());
  int64_t seconds = 0;
  const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (whole.empty() || parsed.ec != std::errc() || seconds > TimeUtil::kDurationMaxSeconds ||
      !nanos || !rest.Take('s') || !rest.at_end()) {
    return std::nullopt;
  }
  return negative ? SecondsAndNanos{-seconds, -*nanos} : SecondsAndNanos{seconds, *nanos};
}

}  // namespace entente::net
