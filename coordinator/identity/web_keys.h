// WebKeys: the public keys by which an identity provider signs its tokens (RFC 7517, RFC 8037).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

struct evp_pkey_st;

namespace entente::identity {

// What a key signs by: one algorithm each, so that no token chooses how it is verified. There is
// neither `none` nor anything by which who can verify can also sign.
enum class SigningAlgorithm : uint8_t { kRs256, kEs256, kEdDsa };

// "RS256", "ES256", "EdDSA".
[[nodiscard]] std::string_view SigningAlgorithmName(SigningAlgorithm algorithm);

inline constexpr size_t kMaxWebKeysBytes = size_t{256} << 10;
inline constexpr size_t kMaxWebKeys = 64;

// A set of keys, each of which verifies by the algorithm that its own kind says: RSA of 2048 to
// 8192 bits by RS256, P-256 by ES256, Ed25519 by EdDSA. Immutable; thread-safe; cheap to copy.
class WebKeys {
 public:
  // Reads a JWK set. Keys that are for encryption, of another kind or for another algorithm, are
  // left out, as RFC 7517 has it; so is none of ours that is malformed: that fails, as a key that
  // is silently missing is searched for long. kInvalidArgument, reason jwt.bad_keys, also where no
  // key is left, two of them have the same id, or there are more than kMaxWebKeys.
  [[nodiscard]] static Result<WebKeys> Parse(std::string_view text);

  // Whether `signature` is one of `message` by a key of that algorithm: by that with the id, or,
  // where a token names none, by any.
  enum class Verdict : uint8_t { kVerified, kWrong, kUnknownKey };
  [[nodiscard]] Verdict Verify(std::string_view key_id, SigningAlgorithm algorithm,
                               std::string_view message, std::string_view signature) const;

  [[nodiscard]] size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::string id;  // Empty: it has none.
    SigningAlgorithm algorithm;
    std::shared_ptr<evp_pkey_st> key;  // Shared by the copies; never changed.
  };

  std::vector<Key> keys_;
};

}  // namespace entente::identity
