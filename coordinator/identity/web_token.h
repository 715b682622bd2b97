// WebTokens: who somebody is by the word of an identity provider (JWT: RFC 7519, RFC 8725).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/identity/principal.h"
#include "coordinator/identity/web_keys.h"

namespace entente::identity {

// What a token must say, and what it makes of its bearer.
struct WebTokenRules {
  std::string issuer;    // Exactly the claim `iss`.
  std::string audience;  // The claim `aud`, or one of its list.
  // The claim that says the role: a text, or a list of texts, of which the first pair that is among
  // them counts.
  std::string role_claim = "roles";
  std::vector<std::pair<std::string, Role>> roles;  // Their words, and ours.
};

// What clocks may differ by, for `exp`, `nbf` and `iat`.
inline constexpr Duration kWebTokenLeeway = std::chrono::seconds(30);
inline constexpr size_t kMaxWebTokenBytes = size_t{8} << 10;

// Thread-safe. Authenticate never blocks on I/O.
class WebTokens {
 public:
  WebTokens(WebTokenRules rules, WebKeys keys);

  // Whether `text` has the form of one: three parts with dots between. No token of ours has.
  [[nodiscard]] static bool IsOne(std::string_view text);

  // Whose token `text` is: the claim `sub` names the principal, who reaches everything and whose
  // token_id is "jwt", with ":" and the claim `jti` if there is one. kUnauthenticated, reason
  // token.rejected: always in the same words, unless the signature holds, when its bearer may know
  // what is wrong. A token without `exp` is refused.
  [[nodiscard]] Result<PrincipalPtr> Authenticate(std::string_view text, Instant now) const;

  // From here on these.
  void Use(WebKeys keys);
  // Called, on the thread that asks, when a token names a key that is not there. Set before the
  // first Authenticate.
  void OnUnknownKey(std::function<void()> unknown) { on_unknown_key_ = std::move(unknown); }

 private:
  const WebTokenRules rules_;
  std::function<void()> on_unknown_key_;
  mutable std::mutex mutex_;
  std::shared_ptr<const WebKeys> keys_;  // Under mutex_; shared with those who verify.
};

}  // namespace entente::identity
