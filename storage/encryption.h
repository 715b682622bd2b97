// Encryption: what an operator can know of a store that is encrypted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// In place of a key's name: what is not encrypted.
inline constexpr const char* kPlainTexts = "plain";

// The notes that say which keys a store needs, by the keys' names.
inline constexpr const char* kKeyNotes = "encryption-key/";

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
  // Rewriting::RewriteSome, and can be called again.
  [[nodiscard]] virtual Result<bool> RewriteSome() = 0;

  // Never blocks on I/O.
  [[nodiscard]] virtual EncryptionReport report() const = 0;
};

// That of `journal`, which owns it; null: it is not encrypted.
[[nodiscard]] inline Encryption* EncryptionOf(Journal& journal) {
  return dynamic_cast<Encryption*>(&journal);
}

}  // namespace entente::storage
