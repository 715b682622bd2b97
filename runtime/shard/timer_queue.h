// TimerQueue: the timers of one shard, ordered by their instant.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "base/time.h"

namespace entente::runtime {

// Holds one `Target` per timer. Not thread-safe. Handles stay valid until their timer is removed
// or popped. Insertion and removal are logarithmic.
template <class Target>
class TimerQueue {
  using Entries = std::multimap<Instant, Target>;

 public:
  using Handle = typename Entries::iterator;

  Handle Insert(Instant at, Target target) { return entries_.emplace(at, std::move(target)); }

  void Remove(Handle handle) { entries_.erase(handle); }

  // The earliest instant, or nothing when empty.
  [[nodiscard]] std::optional<Instant> Next() const {
    return entries_.empty() ? std::nullopt : std::optional(entries_.begin()->first);
  }

  // Removes and returns the earliest timer if it is due at `now`.
  [[nodiscard]] std::optional<Target> PopDue(Instant now) {
    if (entries_.empty() || entries_.begin()->first > now) {
      return std::nullopt;
    }
    Target target = std::move(entries_.begin()->second);
    entries_.erase(entries_.begin());
    return target;
  }

  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  Entries entries_;
};

}  // namespace entente::runtime
