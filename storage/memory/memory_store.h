// What a journal in memory holds: the part that survives a simulated crash.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/journal.h"
#include "storage/list_order.h"
#include "storage/note_log.h"

namespace entente::storage {

// How long a shard stays with an owner who does not renew it.
struct MemoryLeases {
  // Without a clock a lease ends as soon as another owner wants the shard, as on a disk of which
  // only one process can be the owner.
  std::function<Instant()> now = {};
  Duration duration = std::chrono::seconds(10);
};

// Thread-safe. Several MemoryJournals may use one store, one after the other, as coordinators that
// restart on one disk do, or at the same time, as nodes on one database. Nothing blocks but for the
// mutex.
class MemoryStore {
 public:
  explicit MemoryStore(MemoryLeases leases = {}) : lease_terms_(std::move(leases)) {}

  // A number for each journal, by which its leases are told from others'.
  [[nodiscard]] uint64_t NewOwner();

  // The leases of storage/journal.h.
  [[nodiscard]] Result<Epoch> Acquire(ShardId shard, uint64_t owner);
  [[nodiscard]] Status Renew(ShardId shard, Epoch epoch);
  [[nodiscard]] Status Release(ShardId shard, Epoch epoch);

  [[nodiscard]] std::optional<Duration> lease_time() const {
    return lease_terms_.now ? std::optional(lease_terms_.duration) : std::nullopt;
  }

  // Applies all appends of the batch or none.
  [[nodiscard]] Status Apply(ShardId shard, Epoch epoch, Batch batch);

  // The reads and the small writes of storage/journal.h, with its meanings.
  [[nodiscard]] Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) const;
  [[nodiscard]] Result<StoredTxn> Load(const Gid& gid) const;
  [[nodiscard]] Result<SummaryPage> Query(const Filter& filter, const Page& page) const;
  [[nodiscard]] DefinitionRow PutDefinition(DefinitionRow row);
  [[nodiscard]] Result<DefinitionRow> GetDefinition(const std::string& name,
                                                    std::optional<uint32_t> version) const;
  [[nodiscard]] std::vector<DefinitionRow> ListDefinitions(
      const std::optional<std::string>& name) const;
  [[nodiscard]] std::string GetOrPutSetting(const std::string& name, const std::string& value);
  void PutNote(const std::string& name, const std::optional<std::string>& text);
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> ListNotes(
      const std::string& prefix) const;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> ListNoteRange(
      const NoteRange& range) const;
  size_t RemoveNotes(const NoteRange& range);
  [[nodiscard]] size_t Purge(Instant before, size_t limit);

 private:
  // Under mutex_. Below that position; and in any order.
  [[nodiscard]] SummaryPage Newest(const Filter& filter, int64_t below, size_t limit) const;
  [[nodiscard]] Result<SummaryPage> Ranked(const Filter& filter, const Page& page,
                                           const Place& after, size_t limit) const;

  struct Txn {
    int64_t position = 0;  // In the order of creation.
    StoredTxn stored;
  };

  struct Lease {
    Epoch epoch;         // The latest one; never lowered.
    uint64_t owner = 0;  // 0: nobody.
    Instant until;
  };

  [[nodiscard]] Status CheckOwned(ShardId shard, Epoch epoch) const;
  [[nodiscard]] Status Validate(const Batch& batch) const;
  void Write(TxnAppend append);

  const MemoryLeases lease_terms_;

  mutable std::mutex mutex_;
  uint64_t owners_ = 0;
  std::unordered_map<ShardId, Lease> leases_;
  int64_t next_position_ = 1;
  std::unordered_map<Gid, Txn> txns_;
  std::map<int64_t, Gid> by_position_;
  std::set<int64_t> open_;                                         // Positions.
  std::map<std::string, std::vector<DefinitionRow>> definitions_;  // Version n is element n - 1.
  std::map<std::string, std::string> settings_;
  std::map<std::string, std::string> notes_;
};

}  // namespace entente::storage
