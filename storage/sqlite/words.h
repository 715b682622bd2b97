// The store's dictionary: definition names, modes and statuses recur in every row, so rows and
// indexes keep a small number instead.
#pragma once

#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// Thread-safe. A number, once committed, means its text for ever.
class Words {
 public:
  // Reads the dictionary of the database.
  [[nodiscard]] Status Load(const Connection& connection);

  // Nullopt if no row uses the word. Never blocks on I/O.
  [[nodiscard]] std::optional<int64_t> Find(std::string_view text) const;

  // Nullopt for a number the dictionary does not have: the store is corrupt.
  [[nodiscard]] std::optional<std::string> Text(int64_t id) const;

  // The writer's: makes the word known before the row in the database is committed. Readers meet
  // its number only in committed rows, so they can not tell.
  void Add(int64_t id, std::string_view text);

  // The writer's: forgets a word whose row was rolled back. Never a committed one, since readers
  // may be about to ask for it.
  void Remove(int64_t id);

 private:
  struct ViewHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, int64_t, ViewHash, std::equal_to<>> ids_;
  std::unordered_map<int64_t, std::string> texts_;
};

// `state` of a transaction's row: its status and whether it is open, in one number, so that one
// index finds the open ones, and those of a status, newest first.
[[nodiscard]] constexpr int64_t StateOf(int64_t status_word, bool open) {
  return status_word * 2 + (open ? 1 : 0);
}
[[nodiscard]] constexpr int64_t StatusWordOf(int64_t state) {
  return state / 2;
}
[[nodiscard]] constexpr bool IsOpenState(int64_t state) {
  return state % 2 == 1;
}

}  // namespace entente::storage::sqlite
