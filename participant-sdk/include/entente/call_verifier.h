// Tells the coordinator's calls from a stranger's: whoever can reach a participant could otherwise
// confirm what nobody decided, cancel what is yet to come, or shut the coordinator out with an
// epoch of the far future.
//
//   auto verifier = entente::sdk::CallVerifier::Make({.coordinator = "https://entente:8080"});
//   if (!verifier.ok()) { ... verifier.status().message() ... }
//   participant.RequireSigned(*verifier);
//
// The coordinator signs where it runs with --sign-calls (docs/security.md has how, and the check in
// a few lines for those without this library).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/tls.h"

namespace entente::sdk {

struct HttpRequest;

struct VerifierOptions {
  // Public keys of the coordinator that are trusted for good: each the text of a PEM file, or the
  // member "x" of its JWK. `entente keys list` shows them.
  std::vector<std::string> keys = {};
  // Where the coordinator publishes its keys, "https://host[:port]": they are fetched from /v1/keys
  // there when they are first needed. Plain http only of this machine: whoever stands in between
  // could put a key of theirs into the answer. Empty: only `keys` are trusted.
  std::string coordinator = {};
  TlsOptions tls = {};  // To fetch them with.
  // What this service is called, "host[:port]" as definitions have it: a call that was signed for
  // another participant, which may have handed it on, is refused. Empty: it is not checked.
  std::vector<std::string> audiences = {};
  // How far the instant of the signature may be from this machine's clock, either way.
  Duration window = std::chrono::minutes(5);
  // What was fetched is used for so long and then fetched again, so that a key that was revoked is
  // one no more. While that fails it is used on.
  Duration refresh_after = std::chrono::minutes(5);
  // An id that is not known makes the keys be fetched, but no sooner than this after the last time:
  // strangers can name as many as they like.
  Duration least_pause = std::chrono::seconds(10);
  Duration fetch_timeout = std::chrono::seconds(2);
};

// Thread-safe. Verify blocks only while keys are being fetched, at most for a fetch_timeout in each
// least_pause.
class CallVerifier {
 public:
  // Reads the keys; fetches none. Fails with kInvalidArgument: verifier.no_keys (neither `keys` nor
  // a `coordinator`), verifier.insecure (a `coordinator` of plain http elsewhere),
  // client.bad_server and key.invalid.
  [[nodiscard]] static Result<std::shared_ptr<const CallVerifier>> Make(VerifierOptions options);
  ~CallVerifier();
  CallVerifier(const CallVerifier&) = delete;
  CallVerifier& operator=(const CallVerifier&) = delete;

  // Whether the request is the coordinator's, as it sent it. The target must be as it was sent,
  // before a router or proxy rewrites it. Fails with kUnauthenticated, and a message for the
  // operator: signature.missing, signature.malformed, signature.uncovered, signature.stale,
  // signature.altered, signature.unknown_key, signature.wrong_audience; and with kUnavailable,
  // signature.keys_unavailable, if the keys can not be fetched. Answer none of these with a status
  // that means a refusal: 425 with the header Entente-Unverified, as Participant does.
  [[nodiscard]] Status Verify(const HttpRequest& request) const;

  using Metadata = std::vector<std::pair<std::string, std::string>>;
  // The same of a gRPC call: its method, "/package.Service/Method", and the bytes of its message.
  [[nodiscard]] Status VerifyGrpc(std::string_view method, const Metadata& metadata,
                                  std::string_view message) const;

 private:
  class Impl;
  explicit CallVerifier(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::sdk
