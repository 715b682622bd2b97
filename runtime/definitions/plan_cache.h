// PlanCache: compiled definitions by name and version: those that something uses, and of the others
// those that were used last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dsl/plan.h"

namespace entente::runtime {

using PlanPtr = std::shared_ptr<const dsl::Plan>;

// What a plan of a text of so many bytes takes in memory, at most and about.
[[nodiscard]] size_t PlanBytes(size_t source_bytes);

// Not thread-safe; but a plan, or a place, may be let go of on any thread, also after the cache.
class PlanCache {
 public:
  // Room for a plan among those that are counted, given back with it.
  class Place {
   public:
    Place() = default;  // Of a plan that is not counted.
    Place(Place&& other) noexcept
        : used_(std::move(other.used_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Place& operator=(Place&&) = delete;
    ~Place();

   private:
    friend class PlanCache;
    Place(std::shared_ptr<std::atomic<size_t>> used, size_t bytes);
    std::shared_ptr<std::atomic<size_t>> used_;
    size_t bytes_ = 0;
  };

  // `cached_bytes`: of plans that are kept, whether something else uses them or not.
  // `counted_bytes`: of plans with a place, for as long as anything uses them.
  PlanCache(size_t cached_bytes, size_t counted_bytes);

  // Null if it is neither kept nor used by anybody. Otherwise it is the one used last from then on.
  [[nodiscard]] PlanPtr Find(const std::string& name, uint32_t version);

  // A place for a plan of `bytes`. Lets go of counted plans that nothing uses, those used longest
  // ago first, where there is no room otherwise; nothing if that is not enough.
  [[nodiscard]] std::optional<Place> Reserve(size_t bytes);
  // A place though there may be no room: for what was accepted earlier.
  [[nodiscard]] Place Take(size_t bytes);

  // Keeps the plan, of `bytes`, and perhaps lets go of others. Whoever has one of the same name and
  // version gets that one.
  PlanPtr Put(dsl::Plan plan, size_t bytes, Place place);
  PlanPtr Put(dsl::Plan plan, size_t bytes) { return Put(std::move(plan), bytes, Place()); }

  // A word about a plan that is kept with it; null if the cache does not have it.
  [[nodiscard]] uint64_t* NoteOf(const std::string& name, uint32_t version);

  [[nodiscard]] size_t cached_bytes() const { return cached_; }
  [[nodiscard]] size_t counted_bytes() const { return counted_->load(); }

 private:
  using Key = std::pair<std::string, uint32_t>;
  struct Entry {
    std::weak_ptr<const dsl::Plan> plan;
    PlanPtr kept;  // Null: only others keep it, if anybody.
    size_t bytes = 0;
    bool counted = false;
    uint64_t note = 0;
    std::list<Key>::iterator place;  // While it is kept.
  };

  void Keep(const Key& key, Entry& entry, PlanPtr plan);
  void LetGo(Entry& entry);
  void LetGoOfOldest();
  void ForgetTheGone();

  const size_t max_cached_;
  const size_t max_counted_;
  size_t cached_ = 0;
  const std::shared_ptr<std::atomic<size_t>> counted_ = std::make_shared<std::atomic<size_t>>(0);
  std::map<Key, Entry> entries_;
  std::list<Key> kept_;  // The one used longest ago first.
  size_t forget_at_ = 64;
};

}  // namespace entente::runtime
