// Where each recently used transaction stands in the journal, so that an append needs no look-up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/ids.h"

namespace entente::storage::sqlite {

struct TxnEntry {
  std::string gid;
  int64_t id = 0;            // Row of the transaction; 0 while only the log has it.
  uint64_t next = 1;         // The sequence expected next, after what the log has; 1: it is new.
  uint64_t staged_next = 1;  // The same, after the batch that is being looked at.
  int64_t state = 0;
  size_t incidents_hash = 0;  // Of their encoding; 0 without any.
};

// Least recently used go first. Not thread-safe. Entries stay in place until Trim, Erase or Clear.
class TxnCache {
 public:
  explicit TxnCache(size_t capacity) : capacity_(capacity) {}

  // Null if absent; else the entry counts as used.
  [[nodiscard]] TxnEntry* Find(const Gid& gid);

  // The gid must be absent.
  TxnEntry* Insert(const Gid& gid);

  void Erase(const Gid& gid);
  void Clear();

  // Drops what is over capacity.
  void Trim();

 private:
  using Entries = std::list<TxnEntry>;  // The most recently used first.

  const size_t capacity_;
  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> by_gid_;  // Keys view the entries' gids.
};

}  // namespace entente::storage::sqlite
