// MemoryBudget: what the payloads of open transactions may take in memory together.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace entente::runtime {

// Thread-safe. Only what is new is held to it: a transaction that was accepted goes on, whatever
// its participants answer, and as much as that takes is refused to others at the door.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit) : limit_(limit) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  [[nodiscard]] size_t limit() const { return limit_; }
  [[nodiscard]] size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool HasRoomFor(size_t bytes) const { return used() + bytes <= limit_; }

  // The turn of one who reads something whose size is known when it is there: one at a time, or all
  // who look for room at one instant would find the same room. Ends at the latest when destroyed.
  class Turn {
   public:
    explicit Turn(MemoryBudget& budget) : budget_(budget) {}
    ~Turn() { End(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    void End() {
      if (std::exchange(lasts_, false)) {
        budget_.taken_ = false;
      }
    }

   private:
    MemoryBudget& budget_;
    bool lasts_ = true;
  };
  // Null: it is somebody else's.
  [[nodiscard]] std::shared_ptr<Turn> TryTakeTurn() {
    return taken_.exchange(true) ? nullptr : std::make_shared<Turn>(*this);
  }

 private:
  friend class MemoryCharge;
  const size_t limit_;
  std::atomic<size_t> used_{0};
  std::atomic<bool> taken_{false};
};

// The share of one owner, given back when the owner goes. Not thread-safe.
class MemoryCharge {
 public:
  // Of a transaction beside its payloads: its state, timers and places in tables.
  static constexpr size_t kTransactionBytes = 1024;
  // Of one that is parked: its gid, and when it is due.
  static constexpr size_t kParkedBytes = 256;

  MemoryCharge() = default;
  ~MemoryCharge() { Set(0); }
  MemoryCharge(const MemoryCharge&) = delete;
  MemoryCharge& operator=(const MemoryCharge&) = delete;

  // Takes from `budget`, which outlives this; once, before Set. Without it nothing is counted.
  void TakeFrom(MemoryBudget& budget) { budget_ = &budget; }
  void Set(size_t bytes) {
    if (budget_ != nullptr && bytes != bytes_) {
      budget_->used_.fetch_add(bytes - bytes_, std::memory_order_relaxed);
    }
    bytes_ = bytes;
  }

 private:
  MemoryBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace entente::runtime
