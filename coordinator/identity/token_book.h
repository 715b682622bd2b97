// TokenBook: the tokens there are, kept in the store.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/identity/certificate_roles.h"
#include "coordinator/identity/principal.h"
#include "coordinator/identity/token.h"
#include "coordinator/identity/web_token.h"
#include "storage/journal.h"

namespace entente::identity {

// What is asked for when a token is made.
struct TokenRequest {
  std::string name;  // Of its bearer; may be that of another token, so that one can be replaced.
  Role role = Role::kViewer;
  bool payloads = true;               // Counts for viewers.
  Scope scope;                        // What its bearer can reach.
  std::optional<Instant> expires_at;  // Absent: it lasts until it is revoked.
};

// What may be shown of a token.
struct TokenInfo {
  std::string id;
  std::string name;
  Role role = Role::kViewer;
  bool payloads = true;
  Scope scope;
  Instant created_at;
  std::string created_by;
  std::optional<Instant> expires_at;
  std::optional<Instant> revoked_at;
  std::string revoked_by;
};

// Kept: the valid ones, and the latest of the others.
inline constexpr size_t kMaxTokens = 1'000;

struct CreatedToken {
  TokenInfo info;
  std::string text;  // The only time that it is seen.
};

// Purpose: makes, revokes and recognises tokens. Each is one note of the store, "token/<id>",
// written when it is made and once more when it is revoked; so nodes that share a store share its
// tokens, each after its next Refresh.
//
// Ownership: `journal` outlives the book. Thread-safe. Authenticate, List and HasAdmin never block
// on I/O; the others do.
class TokenBook {
 public:
  // Reads what is there.
  [[nodiscard]] static Result<std::unique_ptr<TokenBook>> Open(storage::Journal& journal);

  // Durable when it returns. kInvalidArgument, reason token.invalid, for a name that is empty, too
  // long or holds control characters, a scope that CheckScope refuses, or an expiry that is over;
  // kResourceExhausted, reason token.too_many, if kMaxTokens are valid. Forgets the oldest
  // of those that are not, above that limit.
  [[nodiscard]] Result<CreatedToken> Create(const TokenRequest& request, const std::string& by,
                                            Instant now);

  // It is refused from here on. Also of one that is revoked already. kNotFound, reason
  // token.not_found.
  [[nodiscard]] Result<TokenInfo> Revoke(const std::string& id, const std::string& by, Instant now);

  // From here on an identity provider's tokens are taken too. Before the first Authenticate.
  void AlsoTake(std::shared_ptr<const WebTokens> others) { others_ = std::move(others); }

  // From here on certificates of clients say who they are too. Null: they do not.
  void Know(std::shared_ptr<const CertificateRoles> roles);
  // Who shows a certificate with these names; null: nobody who is known.
  [[nodiscard]] PrincipalPtr OfCertificate(const std::vector<std::string>& names) const;

  // Takes in what other nodes wrote. After a failure what was known stays.
  [[nodiscard]] Status Refresh();

  // Those that are valid, and the latest of those that were; the oldest first.
  [[nodiscard]] std::vector<TokenInfo> List() const;

  // Whether a token of an administrator who can reach everything is valid: without one nobody could
  // make another.
  [[nodiscard]] bool HasAdmin(Instant now) const;

  // Whose token `text` is, one of its own or of AlsoTake. kUnauthenticated, reason token.rejected,
  // in the same words whether it is unknown, revoked or over: who tries tokens learns nothing.
  [[nodiscard]] Result<PrincipalPtr> Authenticate(std::string_view text, Instant now) const;

 private:
  struct Entry {
    TokenInfo info;
    std::string digest;
    PrincipalPtr principal;

    [[nodiscard]] bool ValidAt(Instant now) const {
      return !info.revoked_at && (!info.expires_at || now < *info.expires_at);
    }
  };

  explicit TokenBook(storage::Journal& journal) : journal_(journal) {}

  [[nodiscard]] static std::string Encode(const Entry& entry);
  [[nodiscard]] static Result<Entry> Decode(const std::string& text);
  [[nodiscard]] Status RefreshLocked();
  [[nodiscard]] Status Keep(Entry entry);
  [[nodiscard]] Status MakeRoom(Instant now);

  storage::Journal& journal_;
  std::shared_ptr<const WebTokens> others_;  // Null: none. Shared with who refreshes their keys.
  std::mutex writing_;  // Held over what is read from or written to the store; before mutex_.
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;                  // By id. Under mutex_.
  std::shared_ptr<const CertificateRoles> certificates_;  // Under mutex_; shared with who asks.
};

}  // namespace entente::identity
