// NoteLog: notes that come without end.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// Notes by name, in the order of bytes.
struct NoteRange {
  std::string from;   // Its own name included.
  std::string below;  // Its own name excluded. Neither is empty, and both are ASCII.
  size_t limit = 0;
  bool last_first = false;  // From the end of the range, backwards.
};

// What a journal that keeps notes also does with many of them. Thread-safe; every method blocks.
class NoteLog {
 public:
  virtual ~NoteLog() = default;

  // At most `limit` notes of the range, the first or the last as it says.
  [[nodiscard]] virtual Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
      const NoteRange& range) = 0;

  // Removes as many, at once; returns how many. Durable when it returns.
  [[nodiscard]] virtual Result<size_t> RemoveNotes(const NoteRange& range) = 0;
};

// That of `journal`, which owns it; null: it keeps no notes.
[[nodiscard]] inline NoteLog* NoteLogOf(Journal& journal) {
  return dynamic_cast<NoteLog*>(&journal);
}

}  // namespace entente::storage
