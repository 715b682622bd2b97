// Encryption: what an operator can know of a store that is encrypted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// In place of a key's name: what is not encrypted.
inline constexpr const char* kPlainTexts = "plain";

// The notes that say which keys a store needs, by the keys' names.
inline constexpr const char* kKeyNotes = "encryption-key/";

// The notes that say which key each of the nodes that share a store writes with, by node.
inline constexpr const char* kWriterNotes = "encryption-writer/";

// The reason of what fails because a key is not there that others have.
inline constexpr const char* kKeyMissing = "encryption.key_missing";

// Whether the note says that the store needs a key, other than that it has plain text.
[[nodiscard]] inline bool IsNoteOfKey(std::string_view name) {
  const std::string_view prefix = kKeyNotes;
  return name.starts_with(prefix) && name.substr(prefix.size()) != kPlainTexts;
}

// How much a look through the whole store found under one key.
struct KeyUse {
  std::string key;  // Its name, or kPlainTexts.
  uint64_t texts = 0;
  uint64_t bytes = 0;
  bool operator==(const KeyUse&) const = default;
};

struct EncryptionReport {
  std::string writing;              // The key of what is written, or kPlainTexts.
  std::vector<std::string> needed;  // The keys that the store may need, by name.
  std::vector<KeyUse> found;        // By the latest look that came to its end, before its changes.
  bool rewriting = false;           // A look is under way.
  uint64_t rewritten = 0;           // Texts, since the start.
  uint64_t unreadable = 0;          // Found by the latest look that ended.
};

// What a journal also is whose texts are encrypted. Thread-safe.
class Encryption {
 public:
  virtual ~Encryption() = default;

  // Goes on with what brings every text under the key that writes, for one bounded piece of it.
  // False: there is nothing to do for the time being. For one thread at a time. Blocks; fails as
  // Rewriting::RewriteSome, and can be called again. kFailedPrecondition: encryption.members_differ
  // while another node that shares the store writes with another key, kKeyMissing.
  [[nodiscard]] virtual Result<bool> RewriteSome() = 0;

  // Never blocks on I/O.
  [[nodiscard]] virtual EncryptionReport report() const = 0;
};

// That of `journal`, which owns it; null: it is not encrypted.
[[nodiscard]] inline Encryption* EncryptionOf(Journal& journal) {
  return dynamic_cast<Encryption*>(&journal);
}

}  // namespace entente::storage
