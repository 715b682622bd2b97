// How a coordinator signs its calls, and how whoever is called verifies them: a profile of HTTP
// message signatures (RFC 9421).
//
// Three fields go with a call:
//
//   Content-Digest: sha-256=:<base64>:                                                (RFC 9530)
//   Signature-Input: entente=("@method" "@path" "@query" "content-digest" "idempotency-key"
//       "entente-gid" ...);created=1792800000;keyid="<thumbprint>";alg="ed25519";tag="entente-call"
//   Signature: entente=:<base64>:
//
// Covered are the method, the path and the query as they were sent, the digest of the body (also of
// an empty one), Idempotency-Key, and *every* field whose name begins with "entente-". So neither
// can one of them be changed or left out, nor one be added. Over gRPC the fields are metadata, the
// method is POST, the path is "/package.Service/Method", the query is empty, and the digest is that
// of the serialized message, without gRPC's five bytes before it, in `entente-message-digest`.
//
// What is signed is the signature base of RFC 9421, 2.5: a line for each covered component,
// `"<name>": <value>`, and as the last one, without a line end,
// `"@signature-params": <what Signature-Input says after "entente=">`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "net/core/http_headers.h"
#include "net/signing/ed25519.h"

namespace entente::net {

// A covered component: its name, of a field in any case, and its value.
using SignedComponent = std::pair<std::string_view, std::string_view>;

// The signature base (RFC 9421, 2.5) of `components` with the parameters `parameters`, as
// Signature-Input has them, inner list included.
[[nodiscard]] std::string SignatureBase(const std::vector<SignedComponent>& components,
                                        std::string_view parameters);

enum class CallProtocol { kHttp, kGrpc };

// The views must outlive the call of the functions below only.
struct SignedCall {
  CallProtocol protocol = CallProtocol::kHttp;
  std::string_view method;  // "POST"
  std::string_view target;  // Path and query as they are sent; of gRPC "/package.Service/Method".
  std::string_view body;    // Of gRPC: the serialized message.
};

// Appends the three fields to `headers`, which has all others that the call is sent with, and none
// of these. `created` is told in whole seconds.
void SignCall(const SigningKey& key, const SignedCall& call, Instant created, HttpHeaders& headers);

// How far `created` may be from the clock of whoever verifies, either way: what a call may take to
// arrive, and what two clocks may differ by.
inline constexpr Duration kDefaultSignatureWindow = std::chrono::minutes(5);

// Gives the key of that id. Called once at most, after all that needs no key was checked.
using FindKey = std::function<Result<VerifyingKey>(const std::string& id)>;

// Whether `call` is as a holder of a key that `find_key` knows has signed it. Bounded work for any
// input. Fails with kUnauthenticated, and a message for the operator that says what is wrong:
//   signature.missing    it is not signed, or by somebody else's label
//   signature.malformed  the fields can not be read, or say what this profile does not
//   signature.uncovered  something that must be signed is not, or is signed and not there
//   signature.stale      created too long ago, or in the future
//   signature.altered    the body, or anything else that is covered, is another one
// and with what `find_key` fails with.
[[nodiscard]] Status VerifyCall(const SignedCall& call, const HttpHeaders& headers, Instant now,
                                Duration window, const FindKey& find_key);

}  // namespace entente::net
