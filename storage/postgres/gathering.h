// How long a commit waits for what is about to come.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace entente::storage::postgres {

// What one commit answers leads to the next appends, which come back while the commit after it is
// under way: two crowds take turns then, each of whose appends waits for a commit and a half, and
// twice as many commits are made as need be. So a commit waits until there are as many appends as
// the latest two had together, but not for longer than half of what a commit takes. Where that
// brings nothing, as with one transaction at a time or calls that take long, it is tried less and
// less often.
//
// Not thread-safe. It decides; the waiting is its owner's.
class Gathering {
 public:
  struct Wait {
    size_t appends = 0;  // No longer than until there are so many.
    Duration at_most{0};
  };
  // For the next commit.
  [[nodiscard]] Wait Next() {
    if (skip_ > 0) {
      --skip_;
      return {};
    }
    return {latest_ + before_, std::min(took_ / 2, kLongestWait)};
  }
  // After a wait: how many appends there were when it began and when it ended.
  void Waited(size_t first, size_t last) {
    if (last - first > first / 4) {
      pause_ = 1;
    } else {
      skip_ = pause_;
      pause_ = std::min(2 * pause_, kLongestPause);
    }
  }
  // After a commit that wrote.
  void Committed(size_t appends, Duration took) {
    before_ = latest_;
    latest_ = appends;
    took_ = took;
  }

  static constexpr uint32_t kLongestPause = 64;  // Commits.
  static constexpr Duration kLongestWait = std::chrono::milliseconds(20);

 private:
  size_t latest_ = 0;
  size_t before_ = 0;
  Duration took_{0};
  uint32_t skip_ = 0;
  uint32_t pause_ = 1;
};

}  // namespace entente::storage::postgres
