// Tokens of every role, and servers of both protocols that ask for one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "coordinator/api/access/access.h"
#include "coordinator/identity/token_book.h"
#include "runtime/wall_clock.h"
#include "storage/memory/memory_journal.h"
#include "tests/api/fixtures.h"
#include "tests/api/grpc_fixture.h"
#include "tests/api/http_client.h"

namespace entente::api::test {

// What a token can reach, as the fixtures' transactions go: they are all of the definition "trip".
enum class Bearer { kAll, kInside, kOutside };

class TokenBox {
 public:
  [[nodiscard]] identity::TokenBook* book() const { return book_.get(); }
  // Of the same store.
  [[nodiscard]] audit::AuditBook* audit() const { return audit_.get(); }

  [[nodiscard]] std::string Make(identity::Role role, const identity::Scope& scope = {},
                                 bool payloads = true) {
    identity::TokenRequest request;
    request.name = std::string(identity::RoleName(role));
    request.role = role;
    request.scope = scope;
    request.payloads = payloads;
    return book_->Create(request, "test", runtime::WallNow()).value().text;
  }
  // One for each, made at its first use.
  [[nodiscard]] std::string Make(identity::Role role, Bearer bearer) {
    std::string& token = made_[{role, bearer}];
    if (token.empty()) {
      token = Make(role, bearer == Bearer::kAll      ? identity::Scope()
                         : bearer == Bearer::kInside ? identity::Scope{{"tr*"}, {}}
                                                     : identity::Scope{{"other"}, {}});
    }
    return token;
  }

 private:
  storage::MemoryJournal journal_;
  std::unique_ptr<identity::TokenBook> book_ =
      std::move(identity::TokenBook::Open(journal_)).value();
  std::unique_ptr<audit::AuditBook> audit_ = std::make_unique<audit::AuditBook>(journal_);
  std::map<std::pair<identity::Role, Bearer>, std::string> made_;
};

// Keys that can be rotated as often as one likes.
inline const KeyStore& SomeKeyStore() {
  static const KeyStore store{[] { return KeyList(); },
                              [](std::optional<Duration>, bool) { return Status(); }};
  return store;
}

inline RestOptions Asking(const TokenBox& tokens) {
  RestOptions options;
  options.service.keys = &SomeKeyStore();
  options.tokens = tokens.book();
  options.service.audit = tokens.audit();
  return options;
}
inline GrpcOptions AskingOverGrpc(const TokenBox& tokens) {
  GrpcOptions options;
  options.service.keys = &SomeKeyStore();
  options.tokens = tokens.book();
  options.service.audit = tokens.audit();
  return options;
}

inline Fields Bearing(const std::string& token) {
  return token.empty() ? Fields() : Fields{{"Authorization", "Bearer " + token}};
}

}  // namespace entente::api::test
