#include "storage/sqlite/txn_cache.h"

#include "base/check.h"

namespace entente::storage::sqlite {

TxnEntry* TxnCache::Find(const Gid& gid) {
  const auto found = by_gid_.find(gid.str());
  if (found == by_gid_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return &*found->second;
}

TxnEntry* TxnCache::Insert(const Gid& gid) {
  TxnEntry& entry = entries_.emplace_front();
  entry.gid = gid.str();
  const bool inserted = by_gid_.emplace(entry.gid, entries_.begin()).second;
  ENTENTE_CHECK(inserted);
  return &entry;
}

void TxnCache::Erase(const Gid& gid) {
  const auto found = by_gid_.find(gid.str());
  if (found == by_gid_.end()) {
    return;
  }
  const Entries::iterator entry = found->second;
  by_gid_.erase(found);
  entries_.erase(entry);
}

void TxnCache::Clear() {
  by_gid_.clear();
  entries_.clear();
}

void TxnCache::Trim() {
  while (entries_.size() > capacity_) {
    by_gid_.erase(entries_.back().gid);
    entries_.pop_back();
  }
}

}  // namespace entente::storage::sqlite
