#include "runtime/definitions/plan_cache.h"

#include <algorithm>

namespace entente::runtime {
namespace {

// A plan and its place, so that they go together.
struct Placed {
  dsl::Plan plan;
  PlanCache::Place place;
};

}  // namespace

size_t PlanBytes(size_t source_bytes) {
  // Measured: 17 to 30 for ordinary steps, 20 for lists of empty lists, 56 for an expression that
  // is a sum of a thousand ones.
  constexpr size_t kBytesOfEach = size_t{4} << 10;
  constexpr size_t kBytesPerByte = 64;
  return kBytesOfEach + kBytesPerByte * source_bytes;
}

PlanCache::Place::Place(std::shared_ptr<std::atomic<size_t>> used, size_t bytes)
    : used_(std::move(used)), bytes_(bytes) {
  used_->fetch_add(bytes_);
}

PlanCache::Place::~Place() {
  if (used_ != nullptr) {
    used_->fetch_sub(bytes_);
  }
}

PlanCache::PlanCache(size_t cached_bytes, size_t counted_bytes)
    : max_cached_(cached_bytes), max_counted_(counted_bytes) {}

PlanPtr PlanCache::Find(const std::string& name, uint32_t version) {
  const auto found = entries_.find({name, version});
  if (found == entries_.end()) {
    return nullptr;
  }
  Entry& entry = found->second;
  if (entry.kept != nullptr) {
    kept_.splice(kept_.end(), kept_, entry.place);
    return entry.kept;
  }
  PlanPtr plan = entry.plan.lock();
  if (plan != nullptr) {
    Keep(found->first, entry, plan);
  }
  return plan;
}

std::optional<PlanCache::Place> PlanCache::Reserve(size_t bytes) {
  for (auto next = kept_.begin(); next != kept_.end() && *counted_ + bytes > max_counted_;) {
    Entry& entry = entries_.at(*next++);
    if (entry.counted && entry.kept.use_count() == 1) {
      LetGo(entry);
    }
  }
  if (*counted_ + bytes > max_counted_) {
    return std::nullopt;
  }
  return Place(counted_, bytes);
}

PlanCache::Place PlanCache::Take(size_t bytes) {
  return Place(counted_, bytes);
}

PlanPtr PlanCache::Put(dsl::Plan plan, size_t bytes, Place place) {
  const Key key(plan.name, plan.version);
  if (PlanPtr there = Find(key.first, key.second)) {
    return there;
  }
  ForgetTheGone();
  Entry& entry = entries_[key];
  entry.counted = place.bytes_ > 0;
  entry.bytes = bytes;
  entry.note = 0;
  const auto placed = std::make_shared<const Placed>(Placed{std::move(plan), std::move(place)});
  PlanPtr kept(placed, &placed->plan);
  entry.plan = kept;
  Keep(key, entry, kept);
  return kept;
}

// The one used last stays however large it is: whoever asked for it is about to use it.
void PlanCache::Keep(const Key& key, Entry& entry, PlanPtr plan) {
  entry.kept = std::move(plan);
  entry.place = kept_.insert(kept_.end(), key);
  cached_ += entry.bytes;
  while (cached_ > max_cached_ && kept_.size() > 1) {
    LetGoOfOldest();
  }
}

void PlanCache::LetGo(Entry& entry) {
  cached_ -= entry.bytes;
  kept_.erase(entry.place);
  entry.kept = nullptr;
}

void PlanCache::LetGoOfOldest() {
  LetGo(entries_.at(kept_.front()));
}

uint64_t* PlanCache::NoteOf(const std::string& name, uint32_t version) {
  const auto found = entries_.find({name, version});
  return found == entries_.end() ? nullptr : &found->second.note;
}

// Now and then, so that it costs each Put little.
void PlanCache::ForgetTheGone() {
  if (entries_.size() < forget_at_) {
    return;
  }
  std::erase_if(entries_, [](const auto& entry) { return entry.second.plan.expired(); });
  forget_at_ = std::max<size_t>(64, 2 * entries_.size());
}

}  // namespace entente::runtime
