// What a journal in memory holds: the part that survives a simulated crash.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/journal.h"

namespace entente::storage {

// Thread-safe. Several MemoryJournals may use one store one after the other, as coordinators that
// restart on one disk do. Nothing blocks but for the mutex.
class MemoryStore {
 public:
  // Applies all appends of the batch or none.
  [[nodiscard]] Status Apply(Batch batch);

  // The reads and the small writes of storage/journal.h, with its meanings.
  [[nodiscard]] Status LoadOpen(const std::function<bool(ShardId)>& wanted,
                                const std::function<Status(StoredTxn)>& sink) const;
  [[nodiscard]] Result<StoredTxn> Load(const Gid& gid) const;
  [[nodiscard]] bool Exists(const Gid& gid) const;
  [[nodiscard]] Result<SummaryPage> Query(const Filter& filter, const Page& page) const;
  [[nodiscard]] Counts Count() const;
  [[nodiscard]] DefinitionRow PutDefinition(DefinitionRow row);
  [[nodiscard]] Result<DefinitionRow> GetDefinition(const std::string& name,
                                                    std::optional<uint32_t> version) const;
  [[nodiscard]] std::vector<DefinitionRow> ListDefinitions(
      const std::optional<std::string>& name) const;
  [[nodiscard]] std::string GetOrPutSetting(const std::string& name, const std::string& value);
  [[nodiscard]] uint64_t Increment(const std::string& name);
  [[nodiscard]] size_t Purge(Instant before, size_t limit);

 private:
  struct Txn {
    int64_t position = 0;  // In the order of creation.
    StoredTxn stored;
  };

  [[nodiscard]] Status Validate(const Batch& batch) const;
  void Write(TxnAppend append);

  mutable std::mutex mutex_;
  int64_t next_position_ = 1;
  std::unordered_map<Gid, Txn> txns_;
  std::map<int64_t, Gid> by_position_;
  std::set<int64_t> open_;                                         // Positions.
  std::map<std::string, std::vector<DefinitionRow>> definitions_;  // Version n is element n - 1.
  std::map<std::string, std::string> settings_;
  std::map<std::string, uint64_t> counters_;
};

}  // namespace entente::storage
