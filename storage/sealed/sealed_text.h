// The stored form of an encrypted text, and how it is told from a plain one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/rewriting.h"
#include "storage/sealed/key_ring.h"

namespace entente::storage {

// Encrypts the text for that place, as docs/journal-format.md has it: as bytes, or in characters
// where a store keeps nothing but text.
[[nodiscard]] std::string SealText(const EncryptionKey& key, const TextPlace& place,
                                   std::string_view plain);

// A stored text, as far as `keys` (null: none) open it.
struct OpenedText {
  enum class Outcome { kPlain, kOpened, kNoKey, kDamaged };
  Outcome outcome = Outcome::kPlain;
  std::optional<KeyId> key;  // Absent: it is plain.
  std::string text;          // As it is stored, if it is not kOpened.

  [[nodiscard]] bool is_readable() const {
    return outcome == Outcome::kPlain || outcome == Outcome::kOpened;
  }
};
[[nodiscard]] OpenedText OpenText(const KeyRing* keys, const TextPlace& place, std::string stored);

}  // namespace entente::storage
