// What the shards of one worker count together, read by other threads while they run.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "base/time.h"

namespace entente::runtime {

// The earliest of several instants. Entries come and go on one thread; micros() from any.
class Earliest {
 public:
  // Leaves when destroyed; the Earliest outlives it.
  class Entry {
   public:
    Entry(Earliest& all, Instant at) : all_(&all), place_(all.instants_.insert(at)) {
      all_->Tell();
    }
    [[nodiscard]] Instant at() const { return *place_; }
    ~Entry() {
      all_->instants_.erase(place_);
      all_->Tell();
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Earliest* all_;
    std::multiset<Instant>::iterator place_;
  };

  // 0: there is none.
  [[nodiscard]] int64_t micros() const { return micros_.load(std::memory_order_relaxed); }

 private:
  void Tell() {
    micros_.store(instants_.empty() ? 0 : ToMicros(*instants_.begin()), std::memory_order_relaxed);
  }

  std::multiset<Instant> instants_;
  std::atomic<int64_t> micros_{0};
};

// What one shard adds to a gauge that several share: taken back with the shard, however that ends.
// Used on one thread.
class GaugeShare {
 public:
  // `also`, if given, is told the same.
  explicit GaugeShare(std::atomic<uint64_t>& gauge, std::atomic<uint64_t>* also = nullptr)
      : gauge_(gauge), also_(also) {}
  ~GaugeShare() { Set(0); }
  GaugeShare(const GaugeShare&) = delete;
  GaugeShare& operator=(const GaugeShare&) = delete;

  [[nodiscard]] uint64_t value() const { return value_; }
  void Set(uint64_t value) {
    gauge_.fetch_add(value - value_, std::memory_order_relaxed);
    if (also_ != nullptr) {
      also_->fetch_add(value - value_, std::memory_order_relaxed);
    }
    value_ = value;
  }
  void Increment() { Set(value_ + 1); }
  void Decrement() { Set(value_ - 1); }

 private:
  std::atomic<uint64_t>& gauge_;
  std::atomic<uint64_t>* const also_;
  uint64_t value_ = 0;
};

struct ShardCounters {
  // Only ever grow.
  std::atomic<uint64_t> accepted{0}, committed{0}, aborted{0}, mixed{0}, rejected{0}, incidents{0},
      inputs{0}, appends{0}, records{0}, calls_asked{0}, calls{0}, calls_failed{0}, held_back{0},
      recovered{0}, pondered{0};
  // Gauges, by GaugeShare.
  std::atomic<uint64_t> open{0}, looking_up{0}, calls_in_flight{0}, open_incidents{0},
      quarantined{0}, waiting_for_memory{0}, blocked{0}, parked{0};
  Earliest next_due;       // Of the transactions' timers, each shard's first.
  Earliest blocked_since;  // Of `blocked`: branches that their participant's gate held back.
  Earliest appends_since;  // Of the appends under way.
};

}  // namespace entente::runtime
