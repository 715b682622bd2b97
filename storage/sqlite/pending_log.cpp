#include "storage/sqlite/pending_log.h"

#include <utility>

#include "base/check.h"

namespace entente::storage::sqlite {

void Replace(Summary& earlier, const Summary& later) {
  Summary next = later;
  next.definition = std::move(earlier.definition);
  next.version = earlier.version;
  next.mode = std::move(earlier.mode);
  next.labels = std::move(earlier.labels);
  next.created_at = earlier.created_at;
  next.parent = std::move(earlier.parent);
  earlier = std::move(next);
}

void PendingLog::Add(std::vector<TxnAppend> appends, uint64_t number, size_t bytes, Time now) {
  const std::lock_guard lock(mutex_);
  if (entries_.empty()) {
    since_ = now;
  }
  bytes_ += bytes;
  last_number_ = number;
  for (TxnAppend& append : appends) {
    Entry& entry = entries_.emplace_back(Entry{std::move(append), nullptr, false});
    const auto [chain, inserted] = by_gid_.try_emplace(entry.append.gid.str());
    entry.is_first = inserted;
    (inserted ? chain->second.first : chain->second.last->next) = &entry;
    chain->second.last = &entry;
  }
}

void PendingLog::Clear() {
  // What they hold is freed outside the lock, in which readers may wait.
  std::deque<Entry> entries;
  const std::lock_guard lock(mutex_);
  by_gid_.clear();
  entries.swap(entries_);
  bytes_ = 0;
  last_number_ = 0;
}

std::optional<uint64_t> PendingLog::NextOf(const Gid& gid) const {
  const auto found = by_gid_.find(gid.str());
  if (found == by_gid_.end()) {
    return std::nullopt;
  }
  const TxnAppend& last = found->second.last->append;
  return last.first.value() + last.records.size();
}

std::optional<TxnAppend> PendingLog::Find(const Gid& gid) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_gid_.find(gid.str());
  return found == by_gid_.end() ? std::nullopt : std::optional(Joined(*found->second.first));
}

std::vector<TxnAppend> PendingLog::FindAll(ShardId shard) const {
  std::vector<TxnAppend> found;
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.is_first && ShardOf(entry.append.gid) == shard) {
      found.push_back(Joined(entry));
    }
  }
  return found;
}

bool PendingLog::IsEmpty() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty();
}

TxnAppend PendingLog::Joined(const Entry& first) {
  TxnAppend all = first.append;
  for (const Entry* entry = first.next; entry != nullptr; entry = entry->next) {
    const TxnAppend& later = entry->append;
    ENTENTE_CHECK(all.first.value() + all.records.size() == later.first.value());
    all.records.insert(all.records.end(), later.records.begin(), later.records.end());
    if (later.summary && all.summary) {
      Replace(*all.summary, *later.summary);
    } else if (later.summary) {
      all.summary = later.summary;
    }
  }
  return all;
}

}  // namespace entente::storage::sqlite
