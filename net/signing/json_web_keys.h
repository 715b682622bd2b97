// A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037): how keys are published.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "net/signing/ed25519.h"

namespace entente::net {

// More than one coordinator ever has at once.
inline constexpr size_t kMaxPublishedKeys = 64;

// {"kty": "OKP", "crv": "Ed25519", "x": "...", "kid": "...", "alg": "EdDSA", "use": "sig"}
[[nodiscard]] Json JsonWebKeyOf(const VerifyingKey& key);

// Keys of other kinds are passed over: a set may hold them. A key goes by what its bytes say its id
// is, whatever its "kid" says. Fails with kInvalidArgument, reason keys.malformed: no such
// document, a key of this kind that is none, or more than kMaxPublishedKeys.
[[nodiscard]] Result<std::vector<VerifyingKey>> ReadKeySet(std::string_view text);

}  // namespace entente::net
