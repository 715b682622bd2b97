// What the log holds and the tables do not have yet: the writer's window, which reads look through.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage::sqlite {

// Of two summaries of a transaction the later one counts, except for what is fixed when it is
// created.
void Replace(Summary& earlier, const Summary& later);

// Appends come in when they are durable in the log, and leave, all at once, when the tables have
// them, durably. So whoever asks here first and reads the tables then misses nothing: what is in
// neither at that moment was never written. (What is in both is told by its sequence.)
//
// Only the writer's thread changes it, and calls what is not said to be for any thread.
class PendingLog {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // The appends of the log entry `number`, which takes `bytes` there.
  void Add(std::vector<TxnAppend> appends, uint64_t number, size_t bytes, Time now);
  void Clear();

  // Calls `function` for each transaction, in the order in which they first occur, which is that of
  // their creation, with all its appends in order. Stops at the first failure and returns it.
  template <class Function>
  [[nodiscard]] Status ForEachTxn(const Function& function) const {
    std::vector<const TxnAppend*> txn;
    for (const Entry& entry : entries_) {
      if (!entry.is_first) {
        continue;
      }
      txn.clear();
      for (const Entry* of_txn = &entry; of_txn != nullptr; of_txn = of_txn->next) {
        txn.push_back(&of_txn->append);
      }
      ENTENTE_RETURN_IF_ERROR(function(std::span<const TxnAppend* const>(txn)));
    }
    return {};
  }

  // The sequence that follows what is pending of the transaction.
  [[nodiscard]] std::optional<uint64_t> NextOf(const Gid& gid) const;

  // All that is pending of the transaction as one append; nullopt if nothing is. Any thread.
  [[nodiscard]] std::optional<TxnAppend> Find(const Gid& gid) const;
  // The same for each transaction of the shard. Any thread.
  [[nodiscard]] std::vector<TxnAppend> FindAll(ShardId shard) const;
  [[nodiscard]] bool IsEmpty() const;

  [[nodiscard]] size_t appends() const { return entries_.size(); }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t last_number() const { return last_number_; }  // 0 when empty.
  // When the oldest came in. There must be one.
  [[nodiscard]] Time since() const { return since_; }

 private:
  struct Entry {
    TxnAppend append;
    Entry* next = nullptr;  // Of the same transaction.
    bool is_first = false;
  };
  struct Chain {
    Entry* first = nullptr;
    Entry* last = nullptr;
  };

  [[nodiscard]] static TxnAppend Joined(const Entry& first);

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;                           // They stay in place until Clear.
  std::unordered_map<std::string_view, Chain> by_gid_;  // Keys view the entries' gids.
  size_t bytes_ = 0;
  uint64_t last_number_ = 0;
  Time since_;
};

}  // namespace entente::storage::sqlite
