#include "participant-sdk/src/participant/await.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace entente::sdk {
namespace {

// Longer than any caller waits; far from what clocks can not hold.
constexpr Duration kMaxWait = std::chrono::hours(24 * 365);

}  // namespace

Result<std::optional<Instant>> ParseDeadline(const std::string& text) {
  if (text.empty()) {
    return std::optional<Instant>();
  }
  uint64_t millis = 0;
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, millis);
  if (error != std::errc() || after != end || millis > uint64_t{INT64_MAX} / 1000) {
    return InvalidArgument("call.bad_fact",
                           "the header Entente-Deadline is not a number of Unix milliseconds");
  }
  return std::optional(InstantFromMicros(static_cast<int64_t>(millis) * 1000));
}

std::optional<std::chrono::steady_clock::time_point> GiveUpAt(
    const std::optional<Instant>& deadline) {
  const auto now = Instant(
      std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()));
  if (!deadline || *deadline <= now) {
    return std::nullopt;
  }
  return std::chrono::steady_clock::now() + std::min<Duration>(*deadline - now, kMaxWait);
}

}  // namespace entente::sdk
