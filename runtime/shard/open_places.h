// OpenPlaces: how many transactions a process may have open.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace entente::runtime {

// Shared by all shards of a process, which count in it what they have open or look up before they
// create it. Thread-safe.
class OpenPlaces {
 public:
  explicit OpenPlaces(size_t limit) : limit_(limit) {}
  OpenPlaces(const OpenPlaces&) = delete;
  OpenPlaces& operator=(const OpenPlaces&) = delete;

  // For one that is not counted. kResourceExhausted, coordinator.too_many_open.
  [[nodiscard]] Status HasRoom() const { return Within(limit_ == 0 ? 0 : limit_ - 1); }

  // For one that is: two workers may have found room for the last one at the same time. As HasRoom.
  [[nodiscard]] Status HasTaken() const { return Within(limit_); }

  [[nodiscard]] std::atomic<uint64_t>& taken() { return taken_; }

 private:
  [[nodiscard]] Status Within(size_t most) const {
    if (limit_ != 0 && taken_.load(std::memory_order_relaxed) <= most) {
      return {};
    }
    return ResourceExhausted("coordinator.too_many_open",
                             "as many transactions are open as may be (" + std::to_string(limit_) +
                                 ", --max-open-transactions): try again when some have ended");
  }

  const size_t limit_;
  std::atomic<uint64_t> taken_{0};
};

}  // namespace entente::runtime
