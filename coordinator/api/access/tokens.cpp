#include "coordinator/api/access/tokens.h"

#include <memory>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "coordinator/api/command_checks.h"
#include "runtime/wall_clock.h"

namespace entente::api {
namespace {

Status AuthenticationOff() {
  return FailedPrecondition("token.auth_off",
                            "there are no tokens, because whoever reaches this coordinator may do "
                            "everything; start it with --auth token");
}

}  // namespace

Result<identity::PrincipalPtr> Tokens::WhoIs(std::string_view credential,
                                             const net::PeerNames& names) const {
  if (book_ == nullptr) {
    return identity::Anonymous();
  }
  if (credential.empty()) {
    if (auto known = names == nullptr ? nullptr : book_->OfCertificate(*names)) {
      return known;
    }
    return Status(StatusCode::kUnauthenticated, "token.missing",
                  "this coordinator asks who you are: send a token, as 'Authorization: Bearer "
                  "ent_...'");
  }
  return book_->Authenticate(credential, runtime::WallNow());
}

namespace {

constexpr const char* kSubject = "token/";

// What may be told of a token.
Json StandingOf(const identity::TokenInfo& info) {
  Json standing = identity::ScopeJson(info.scope);
  standing["name"] = info.name;
  standing["role"] = identity::RoleName(info.role);
  if (info.role == identity::Role::kViewer && info.payloads) {
    standing["payloads"] = true;
  }
  if (info.expires_at) {
    standing["expiresAt"] = FormatInstant(*info.expires_at);
  }
  if (info.revoked_at) {
    standing["revokedAt"] = FormatInstant(*info.revoked_at);
  }
  return standing;
}

}  // namespace

template <class T>
void Tokens::Offload(std::function<Result<T>()> work, Done<T> done) const {
  const auto result = std::make_shared<std::optional<Result<T>>>();
  coordinator_.Offload(
      [work = std::move(work), result] { *result = work(); },
      [result, done = std::move(done)] {
        if (!*result) {
          done(Error{Internal("token.failed", "the work was not carried out"), {}, {}});
        } else if ((*result)->ok()) {
          done(std::move(**result).value());
        } else {
          done(Error{(*result)->status(), {}, {}});
        }
      });
}

void Tokens::Create(CreateTokenCommand command, Done<identity::CreatedToken> done) const {
  if (book_ == nullptr) {
    done(Error{AuthenticationOff(), {}, {}});
    return;
  }
  Checker check;
  identity::TokenRequest request;
  request.name = std::move(command.name);
  request.payloads = command.payloads;
  request.scope = std::move(command.scope);
  if (const auto role = identity::RoleFrom(command.role)) {
    request.role = *role;
  } else {
    check.Fail("role", "is not a role: viewer, submitter, deployer, operator, admin, participant");
  }
  if (command.expires) {
    if (const auto duration = ParseDuration(*command.expires); duration.ok()) {
      request.expires_at = runtime::WallNow() + *duration;
    } else {
      check.Fail("expiresIn", duration.status().message());
    }
  }
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  Offload<identity::CreatedToken>(
      [book = book_, request = std::move(request), by = command.by->name] {
        return book->Create(request, by, runtime::WallNow());
      },
      audit_.Recorded<identity::CreatedToken>(
          AuditTrail::Begin(*command.by, "", Action::kCreateToken, kSubject, ""), std::move(done),
          [](const identity::CreatedToken& created, audit::AuditEntry& entry) {
            entry.subject += created.info.id;
            entry.after = StandingOf(created.info);
          }));
}

void Tokens::Revoke(std::string id, const identity::PrincipalPtr& by,
                    Done<identity::TokenInfo> done) const {
  if (book_ == nullptr) {
    done(Error{AuthenticationOff(), {}, {}});
    return;
  }
  Done<identity::TokenInfo> recorded = audit_.Recorded<identity::TokenInfo>(
      AuditTrail::Begin(*by, "", Action::kRevokeToken, kSubject + id, ""), std::move(done),
      [](const identity::TokenInfo& info, audit::AuditEntry& entry) {
        entry.after = StandingOf(info);
      });
  Offload<identity::TokenInfo>(
      [book = book_, id = std::move(id), name = by->name] {
        return book->Revoke(id, name, runtime::WallNow());
      },
      std::move(recorded));
}

Outcome<std::vector<identity::TokenInfo>> Tokens::List() const {
  if (book_ == nullptr) {
    return Error{AuthenticationOff(), {}, {}};
  }
  return book_->List();
}

}  // namespace entente::api
