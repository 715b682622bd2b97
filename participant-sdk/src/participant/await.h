// Waiting for what is answered later, at most until the call's deadline. Internal to the SDK.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/time.h"

namespace entente::sdk {

// What Entente-Deadline says: Unix milliseconds. Empty: nothing. Fails with kInvalidArgument
// (call.bad_fact).
[[nodiscard]] Result<std::optional<Instant>> ParseDeadline(const std::string& text);

// When nobody waits for an answer any more, on the clock that only goes forward. What is past
// already tells of clocks that differ, or of a slow network, rather than of a caller that gave up:
// it is as good as not said.
[[nodiscard]] std::optional<std::chrono::steady_clock::time_point> GiveUpAt(
    const std::optional<Instant>& deadline);

// One value that comes from another thread. Shared by who waits and who answers: either may be gone
// first. Thread-safe.
template <class T>
class Awaited {
 public:
  void Give(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    given_.notify_all();
  }

  // Absent: it did not come in time, and is not wanted any more.
  std::optional<T> Take(const std::optional<std::chrono::steady_clock::time_point>& until) {
    std::unique_lock lock(mutex_);
    const auto here = [this] { return value_.has_value(); };
    if (until) {
      given_.wait_until(lock, *until, here);
    } else {
      given_.wait(lock, here);
    }
    wanted_ = false;
    return std::exchange(value_, std::nullopt);
  }

  [[nodiscard]] bool wanted() const {
    const std::lock_guard lock(mutex_);
    return wanted_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable given_;
  std::optional<T> value_;  // Guarded by mutex_, as all below.
  bool wanted_ = true;
};

}  // namespace entente::sdk
