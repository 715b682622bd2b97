// The cipher: XAES-256-GCM (C2SP), which is AES-256-GCM under a key of each message's own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "storage/sealed/key_ring.h"

namespace entente::storage {

// Why this and not AES-GCM as it is: a random nonce of 96 bits is safe for 2^32 messages of one key
// (NIST SP 800-38D, 8.3), which a busy store writes in a few days, and a counter would have to be
// kept by several processes without ever being set back, as a restored backup is. Here the nonce
// has 192 random bits: the first half makes, by AES under the long-lived key, the key of this one
// message, and the second half is that AES-256-GCM's nonce. 2^64 messages may share a key with a
// chance of 2^-64 that a nonce comes twice; nothing has to be counted, and no process has to know
// of another one.
inline constexpr size_t kSealNonceBytes = 24;
inline constexpr size_t kSealTagBytes = 16;

// Appends nonce, ciphertext and tag to `out`. `bound` is authenticated with it: what is opened for
// another one is refused. Aborts the process if the system gives no random numbers.
void Seal(const EncryptionKey& key, std::string_view bound, std::string_view plain,
          std::string& out);
// The same under a given nonce of kSealNonceBytes, which must never be used twice.
void SealUnder(const EncryptionKey& key, std::string_view nonce, std::string_view bound,
               std::string_view plain, std::string& out);

// Of what Seal appended. Nothing: it was changed, or sealed for another place or by another key.
[[nodiscard]] std::optional<std::string> Unseal(const EncryptionKey& key, std::string_view bound,
                                                std::string_view sealed);

}  // namespace entente::storage
