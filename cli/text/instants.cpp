#include "cli/text/instants.h"

#include <array>

namespace entente::cli {

namespace {

struct Unit {
  Duration size;
  const char* name;
};
constexpr std::array kUnits{Unit{std::chrono::hours(24), "d"}, Unit{std::chrono::hours(1), "h"},
                            Unit{std::chrono::minutes(1), "m"}, Unit{std::chrono::seconds(1), "s"}};

}  // namespace

Instant Now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(since_epoch));
}

std::string FormatAbout(Duration duration) {
  if (duration < std::chrono::seconds(1)) {
    const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    return std::to_string(millis < 0 ? 0 : millis) + "ms";
  }
  for (size_t i = 0; i < kUnits.size(); ++i) {
    if (duration < kUnits[i].size) {
      continue;
    }
    std::string text = std::to_string(duration / kUnits[i].size) + kUnits[i].name;
    if (i + 1 < kUnits.size()) {
      const auto rest = duration % kUnits[i].size / kUnits[i + 1].size;
      if (rest > 0) {
        text += " " + std::to_string(rest) + kUnits[i + 1].name;
      }
    }
    return text;
  }
  return "0s";
}

std::string FormatRelative(Instant instant, Instant now) {
  return instant <= now ? FormatAbout(now - instant) + " ago" : "in " + FormatAbout(instant - now);
}

std::string FormatSeconds(Instant instant) {
  return FormatInstant(std::chrono::floor<std::chrono::seconds>(instant));
}

std::string ShowInstant(std::string_view rfc3339, Instant now) {
  const Result<Instant> instant = ParseInstant(rfc3339);
  if (!instant.ok()) {
    return std::string(rfc3339);
  }
  return FormatRelative(*instant, now) + " (" + FormatSeconds(*instant) + ")";
}

std::string ShowAge(std::string_view rfc3339, Instant now) {
  const Result<Instant> instant = ParseInstant(rfc3339);
  return instant.ok() ? FormatRelative(*instant, now) : std::string(rfc3339);
}

std::string ShowMoment(std::string_view rfc3339, Instant now) {
  const Result<Instant> instant = ParseInstant(rfc3339);
  if (!instant.ok()) {
    return std::string(rfc3339);
  }
  const std::string second = FormatSeconds(*instant);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(
                          *instant - std::chrono::floor<std::chrono::seconds>(*instant))
                          .count();
  const std::string fraction = std::to_string(1000 + millis).substr(1);
  const size_t t = second.find('T');
  const std::string date = second.substr(0, t);
  const std::string time = second.substr(t + 1, second.size() - t - 2) + "." + fraction;
  return FormatSeconds(now).starts_with(date) ? time : date + " " + time;
}

Result<Instant> ReadInstant(std::string_view option, std::string_view text, Instant now) {
  if (const Result<Instant> instant = ParseInstant(text); instant.ok()) {
    return *instant;
  }
  const Result<Duration> ago = ParseDuration(text);
  if (!ago.ok()) {
    return InvalidArgument("cli.bad_time",
                           std::string(option) + ": '" + std::string(text) +
                               "' is neither an instant nor a duration; write 2026-01-02T03:04:05Z "
                               "or how long ago, such as 2h");
  }
  return now - *ago;
}

}  // namespace entente::cli
