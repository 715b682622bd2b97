// Rewriting: every text that callers put into a store, looked at once more where it stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// The values are authenticated with what is encrypted: they never change.
enum class TextKind : uint8_t {
  kDamagedRow = 0,  // No text, but a whole row in which nobody can tell them: it is counted.
  kRecord = 1,
  kError = 2,     // Of a summary.
  kIncident = 3,  // The message of one.
  kSource = 4,    // Of a definition.
  kEnv = 5,       // The same.
  kNote = 6,
  kSetting = 7,
};

// Where a text stands. Views.
struct TextPlace {
  TextKind kind;
  std::string_view name;       // The gid, or the name of a definition, note or setting.
  uint64_t number = 0;         // Of a record: its sequence.
  std::string_view part = {};  // Of an incident: its branch. Of a definition: its digest.
};

// What takes the text's place; nothing: it stays, as a kDamagedRow always does. Called by a thread
// of the journal's own or the caller's, one call at a time; must not call the journal.
using ChangeText = std::function<std::optional<std::string>(const TextPlace&, std::string_view)>;

// What a journal also is whose store keeps texts for longer than the process. Thread-safe; blocks.
class Rewriting {
 public:
  virtual ~Rewriting() = default;

  // Hands the texts behind `cursor` (empty: the first ones) to `change`, so few that appends need
  // not wait for long, and puts what it makes of them in their place: durable when it returns, and
  // all or nothing of each. Returns the cursor to go on with; empty when everything was looked at
  // that was there when the look began. What changes meanwhile by other means is never taken back.
  // Fails as PutNote does; the same cursor may be tried again.
  [[nodiscard]] virtual Result<std::string> RewriteSome(const std::string& cursor,
                                                        const ChangeText& change) = 0;
};

// That of `journal`, which owns it; null: its store has nothing to rewrite.
[[nodiscard]] inline Rewriting* RewritingOf(Journal& journal) {
  return dynamic_cast<Rewriting*>(&journal);
}

}  // namespace entente::storage
