#include "storage/memory/memory_store.h"

#include <iterator>
#include <utility>

#include "storage/journal_errors.h"
#include "storage/summary_filter.h"

namespace entente::storage {

uint64_t MemoryStore::NewOwner() {
  const std::lock_guard lock(mutex_);
  return ++owners_;
}

Result<Epoch> MemoryStore::Acquire(ShardId shard, uint64_t owner) {
  const std::lock_guard lock(mutex_);
  Lease& lease = leases_[shard];
  const bool held = lease.owner != 0 && lease.owner != owner && lease_terms_.now &&
                    lease_terms_.now() < lease.until;
  if (held) {
    return Unavailable(kLeaseHeld, "shard " + std::to_string(shard.value()) +
                                       " is another owner's until " + FormatInstant(lease.until));
  }
  lease.owner = owner;
  lease.epoch = lease.epoch.next();
  lease.until = lease_terms_.now ? lease_terms_.now() + lease_terms_.duration : Instant();
  return lease.epoch;
}

Status MemoryStore::Renew(ShardId shard, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  ENTENTE_RETURN_IF_ERROR(CheckOwned(shard, epoch));
  if (lease_terms_.now) {
    leases_.at(shard).until = lease_terms_.now() + lease_terms_.duration;
  }
  return {};
}

Status MemoryStore::Release(ShardId shard, Epoch epoch) {
  const std::lock_guard lock(mutex_);
  ENTENTE_RETURN_IF_ERROR(CheckOwned(shard, epoch));
  leases_.at(shard).owner = 0;
  return {};
}

// A lease whose time is over is its owner's still, until another one takes the shard.
Status MemoryStore::CheckOwned(ShardId shard, Epoch epoch) const {
  const auto found = leases_.find(shard);
  if (found == leases_.end() || found->second.owner == 0) {
    return StaleEpoch(shard, epoch, std::nullopt);
  }
  return found->second.epoch == epoch ? Status() : StaleEpoch(shard, epoch, found->second.epoch);
}

Status MemoryStore::Apply(ShardId shard, Epoch epoch, Batch batch) {
  const std::lock_guard lock(mutex_);
  ENTENTE_RETURN_IF_ERROR(CheckOwned(shard, epoch));
  ENTENTE_RETURN_IF_ERROR(Validate(batch));
  for (TxnAppend& append : batch.appends) {
    Write(std::move(append));
  }
  return {};
}

Status MemoryStore::Validate(const Batch& batch) const {
  std::unordered_map<Gid, uint64_t> staged;  // The sequence expected next, within this batch.
  for (const TxnAppend& append : batch.appends) {
    auto known = staged.find(append.gid);
    if (known == staged.end()) {
      const auto found = txns_.find(append.gid);
      const uint64_t next = found == txns_.end() ? 1 : found->second.stored.records.size() + 1;
      known = staged.emplace(append.gid, next).first;
    }
    uint64_t& next = known->second;
    if (append.first.value() == 1 && next > 1) {
      return TransactionExists(append.gid);
    }
    if (append.first.value() != next) {
      return StaleSequence(append.gid, append.first,
                           next > 1 ? std::optional(Sequence(next)) : std::nullopt);
    }
    next += append.records.size();
  }
  return {};
}

void MemoryStore::Write(TxnAppend append) {
  const auto [entry, created] = txns_.try_emplace(append.gid);
  Txn& txn = entry->second;
  if (created) {
    txn.position = next_position_++;
    txn.stored.gid = append.gid;
    by_position_.emplace(txn.position, append.gid);
  }
  std::ranges::move(append.records, std::back_inserter(txn.stored.records));
  if (!append.summary) {
    return;
  }
  Summary& summary = *append.summary;
  if (!created) {
    Summary& kept = txn.stored.summary;
    summary.definition = std::move(kept.definition);
    summary.version = kept.version;
    summary.mode = std::move(kept.mode);
    summary.labels = std::move(kept.labels);
    summary.created_at = kept.created_at;
    summary.parent = std::move(kept.parent);
  }
  txn.stored.summary = std::move(summary);
  if (txn.stored.summary.open) {
    open_.insert(txn.position);
  } else {
    open_.erase(txn.position);
  }
}

Status MemoryStore::LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) const {
  std::vector<StoredTxn> loaded;
  {
    const std::lock_guard lock(mutex_);
    for (const int64_t position : open_) {
      const Gid& gid = by_position_.at(position);
      if (ShardOf(gid) == shard) {
        loaded.push_back(txns_.at(gid).stored);
      }
    }
  }
  // Outside the lock: the sink may use the journal.
  for (StoredTxn& txn : loaded) {
    ENTENTE_RETURN_IF_ERROR(sink(std::move(txn)));
  }
  return {};
}

Result<StoredTxn> MemoryStore::Load(const Gid& gid) const {
  const std::lock_guard lock(mutex_);
  const auto found = txns_.find(gid);
  if (found == txns_.end()) {
    return TransactionNotFound(gid);
  }
  return found->second.stored;
}

Result<SummaryPage> MemoryStore::Query(const Filter& filter, const Page& page) const {
  ENTENTE_ASSIGN_OR_RETURN(const Place after, DecodeCursor(page.order, page.cursor));
  const size_t limit = ClampPageLimit(page.limit);
  const std::lock_guard lock(mutex_);
  return page.order == ListOrder::kNewest ? Newest(filter, after.position, limit)
                                          : Ranked(filter, page, after, limit);
}

SummaryPage MemoryStore::Newest(const Filter& filter, int64_t below, size_t limit) const {
  SummaryPage result;
  int64_t last = 0;
  for (auto at = by_position_.lower_bound(below); at != by_position_.begin();) {
    --at;
    const StoredTxn& txn = txns_.at(at->second).stored;
    if (!Matches(filter, txn.gid, txn.summary)) {
      continue;
    }
    if (result.rows.size() == limit) {
      result.next_cursor = EncodeCursor(ListOrder::kNewest, {0, last});
      break;
    }
    result.rows.push_back({txn.gid, txn.summary});
    last = at->first;
  }
  return result;
}

Result<SummaryPage> MemoryStore::Ranked(const Filter& filter, const Page& page, const Place& after,
                                        size_t limit) const {
  Ranking ranking(page.order, after, limit);
  size_t sorted = 0;
  for (const auto& [position, gid] : by_position_) {
    const StoredTxn& txn = txns_.at(gid).stored;
    if (!Matches(filter, txn.gid, txn.summary)) {
      continue;
    }
    if (++sorted > page.most_sorted && !IsByCreation(page.order)) {
      return SortTooWide(page.most_sorted);
    }
    const Place place = PlaceOf(page.order, KeyOf(page.order, txn.summary), position);
    if (ranking.Wants(place)) {
      ranking.Add(place, {txn.gid, txn.summary});
    }
  }
  return ranking.Take();
}

DefinitionRow MemoryStore::PutDefinition(DefinitionRow row) {
  const std::lock_guard lock(mutex_);
  std::vector<DefinitionRow>& versions = definitions_[row.name];
  if (!versions.empty() && versions.back().digest == row.digest) {
    return versions.back();
  }
  row.version = static_cast<uint32_t>(versions.size() + 1);
  versions.push_back(std::move(row));
  return versions.back();
}

Result<DefinitionRow> MemoryStore::GetDefinition(const std::string& name,
                                                 std::optional<uint32_t> version) const {
  const std::lock_guard lock(mutex_);
  const auto found = definitions_.find(name);
  if (found == definitions_.end()) {
    return DefinitionNotFound(name, version);
  }
  const size_t wanted = version.value_or(static_cast<uint32_t>(found->second.size()));
  if (wanted < 1 || wanted > found->second.size()) {
    return DefinitionNotFound(name, version);
  }
  return found->second[wanted - 1];
}

std::vector<DefinitionRow> MemoryStore::ListDefinitions(
    const std::optional<std::string>& name) const {
  const std::lock_guard lock(mutex_);
  std::vector<DefinitionRow> rows;
  if (!name) {
    for (const auto& [each, versions] : definitions_) {
      rows.push_back(versions.back());
    }
  } else if (const auto found = definitions_.find(*name); found != definitions_.end()) {
    rows.assign(found->second.rbegin(), found->second.rend());
  }
  return rows;
}

std::string MemoryStore::GetOrPutSetting(const std::string& name, const std::string& value) {
  const std::lock_guard lock(mutex_);
  return settings_.emplace(name, value).first->second;
}

void MemoryStore::PutNote(const std::string& name, const std::optional<std::string>& text) {
  const std::lock_guard lock(mutex_);
  if (text) {
    notes_[name] = *text;
  } else {
    notes_.erase(name);
  }
}

std::vector<std::pair<std::string, std::string>> MemoryStore::ListNotes(
    const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> notes;
  for (auto at = notes_.lower_bound(prefix); at != notes_.end() && at->first.starts_with(prefix);
       ++at) {
    notes.emplace_back(*at);
  }
  return notes;
}

std::vector<std::pair<std::string, std::string>> MemoryStore::ListNoteRange(
    const NoteRange& range) const {
  const std::lock_guard lock(mutex_);
  const auto begin = notes_.lower_bound(range.from);
  const auto end = range.below <= range.from ? begin : notes_.lower_bound(range.below);
  std::vector<std::pair<std::string, std::string>> notes;
  if (range.last_first) {
    for (auto at = end; at != begin && notes.size() < range.limit;) {
      notes.emplace_back(*--at);
    }
  } else {
    for (auto at = begin; at != end && notes.size() < range.limit; ++at) {
      notes.emplace_back(*at);
    }
  }
  return notes;
}

size_t MemoryStore::RemoveNotes(const NoteRange& range) {
  const auto notes = ListNoteRange(range);
  const std::lock_guard lock(mutex_);
  for (const auto& [name, text] : notes) {
    notes_.erase(name);
  }
  return notes.size();
}

size_t MemoryStore::Purge(Instant before, size_t limit) {
  const std::lock_guard lock(mutex_);
  size_t purged = 0;
  for (auto at = by_position_.begin(); at != by_position_.end() && purged < limit;) {
    const auto txn = txns_.find(at->second);
    const Summary& summary = txn->second.stored.summary;
    if (summary.open || summary.lasting || summary.updated_at >= before) {
      ++at;
      continue;
    }
    txns_.erase(txn);
    at = by_position_.erase(at);
    ++purged;
  }
  return purged;
}

}  // namespace entente::storage
