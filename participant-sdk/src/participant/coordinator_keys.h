// The coordinator's keys as far as they are known. Internal to the SDK.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "net/signing/ed25519.h"

namespace entente::sdk {

struct KeyTimes {
  Duration refresh_after;
  Duration least_pause;
  Duration fetch_timeout;  // So long others wait for a fetch that is under way.
};

// Finds keys by their id, and fetches them when that is of use. Thread-safe.
class CoordinatorKeys {
 public:
  using Clock = std::chrono::steady_clock;
  // Blocks. May be empty: nothing is fetched.
  using Fetch = std::function<Result<std::vector<net::VerifyingKey>>()>;

  CoordinatorKeys(std::vector<net::VerifyingKey> pinned, Fetch fetch, KeyTimes times,
                  std::function<Clock::time_point()> now = Clock::now);

  // signature.unknown_key; signature.keys_unavailable if the last attempt to fetch them failed.
  [[nodiscard]] Result<net::VerifyingKey> Find(const std::string& id);

 private:
  using Keys = std::map<std::string, net::VerifyingKey>;

  [[nodiscard]] const net::VerifyingKey* Known(const std::string& id) const;
  [[nodiscard]] bool IsFresh() const;
  [[nodiscard]] bool MayFetch() const;
  void FetchNow(std::unique_lock<std::mutex>& lock);

  const Keys pinned_;
  const Fetch fetch_;
  const KeyTimes times_;
  const std::function<Clock::time_point()> now_;

  std::mutex mutex_;
  std::condition_variable fetched_;
  Keys keys_;  // Guarded by mutex_, as all below.
  std::optional<Clock::time_point> fetched_at_;
  std::optional<Clock::time_point> tried_at_;
  bool fetching_ = false;
  Status failure_;  // Of the last attempt.
};

}  // namespace entente::sdk
