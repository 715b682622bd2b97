// The methods about tokens: what an administrator makes and revokes, and who somebody is.
#pragma once

#include <string>
#include <vector>

#include "coordinator/api/access/audit_trail.h"
#include "coordinator/api/problem.h"
#include "coordinator/identity/token_book.h"
#include "net/core/peer_names.h"
#include "runtime/coordinator.h"

namespace entente::api {

struct CreateTokenCommand {
  std::string name;
  std::string role;
  bool payloads = false;  // Of a viewer: whether they are shown.
  identity::Scope scope;
  std::optional<std::string> expires;  // A duration from here on, "2160h".
  identity::PrincipalPtr by = identity::Anonymous();
};

// As Service: thread-safe, never blocks, `done` runs once. `book` may be null, while authentication
// is off: then every method fails with kFailedPrecondition, reason token.auth_off.
class Tokens {
 public:
  Tokens(runtime::Coordinator& coordinator, identity::TokenBook* book, audit::AuditBook* audit)
      : coordinator_(coordinator), book_(book), audit_(coordinator, audit) {}

  // Whose request it is that carries `credential`, the text of a token; empty: none was sent, and
  // the names of the client's certificate count, if it showed one. Anonymous while authentication
  // is off. kUnauthenticated otherwise; a token that is wrong is not made good by a certificate.
  [[nodiscard]] Result<identity::PrincipalPtr> WhoIs(std::string_view credential,
                                                     const net::PeerNames& names) const;

  void Create(CreateTokenCommand command, Done<identity::CreatedToken> done) const;
  void Revoke(std::string id, const identity::PrincipalPtr& by,
              Done<identity::TokenInfo> done) const;
  // Those that are valid, and those that were.
  [[nodiscard]] Outcome<std::vector<identity::TokenInfo>> List() const;

 private:
  template <class T>
  void Offload(std::function<Result<T>()> work, Done<T> done) const;

  runtime::Coordinator& coordinator_;
  identity::TokenBook* book_;
  AuditTrail audit_;
};

}  // namespace entente::api
