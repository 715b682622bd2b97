// How long an answer may wait for a transaction's end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "base/time.h"

namespace entente::runtime {

// Ends one wait early, for a client that hung up: without it the answer nobody reads, and the
// connection with it, would be kept for as long as the client once meant to wait. Thread-safe.
class Hangup {
 public:
  // The client is gone, or will send nothing more: its wait is answered now, with the state so far.
  void Happen() {
    std::function<void()> end;
    {
      const std::lock_guard lock(mutex_);
      happened_ = true;
      end = std::exchange(end_, nullptr);
    }
    if (end) {
      end();
    }
  }

  // For the one who keeps the wait: `end` runs when it happens, on any thread; at once if it has
  // happened before. Replaces what was given before.
  void OnHappened(std::function<void()> end) {
    {
      const std::lock_guard lock(mutex_);
      if (!happened_) {
        end_ = std::move(end);
        return;
      }
    }
    end();
  }

 private:
  std::mutex mutex_;
  bool happened_ = false;
  std::function<void()> end_;
};

struct Wait {
  // Implicit: most who wait never hang up.
  template <class Rep, class Period>
  Wait(std::chrono::duration<Rep, Period> longest,  // NOLINT(google-explicit-constructor)
       std::shared_ptr<Hangup> its_hangup = nullptr)
      : at_most(longest), hangup(std::move(its_hangup)) {}

  Duration at_most;
  std::shared_ptr<Hangup> hangup;  // May be null.
};

}  // namespace entente::runtime
