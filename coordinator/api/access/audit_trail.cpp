#include "coordinator/api/access/audit_trail.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "coordinator/api/access/access.h"
#include "coordinator/api/command_checks.h"
#include "runtime/wall_clock.h"

namespace entente::api {

audit::AuditEntry EntryOf(const Refusal& refusal, Instant now) {
  audit::AuditEntry entry;
  entry.at = now;
  entry.action = refusal.method.empty() ? "unknown" : std::string(refusal.method);
  entry.outcome = audit::kRefused;
  entry.code = refusal.status.reason();
  entry.peer = refusal.peer;
  if (refusal.principal != nullptr) {
    entry.actor = refusal.principal->name;
    entry.token = refusal.principal->token_id;
  }
  return entry;
}

audit::AuditEntry AuditTrail::Begin(const identity::Principal& by, const std::string& actor,
                                    Action action, std::string subject, std::string reason) {
  audit::AuditEntry entry;
  entry.at = runtime::WallNow();
  entry.actor = by.authenticated || actor.empty() ? by.name : actor;
  entry.token = by.token_id;
  entry.action = RuleOf(action).name;
  entry.subject = std::move(subject);
  entry.reason = std::move(reason);
  entry.peer = by.peer;
  return entry;
}

bool AuditTrail::IsRefusal(const Status& status) {
  return status.code() == StatusCode::kUnauthenticated ||
         status.code() == StatusCode::kPermissionDenied;
}

// Whoever is told that something was done finds it in the audit.
void AuditTrail::Write(audit::AuditEntry entry, std::function<void()> then) const {
  coordinator_.Offload([book = book_, entry = std::move(entry)] { book->Record(entry); },
                       std::move(then));
}

void AuditTrail::List(audit::AuditQuery query, Done<audit::AuditPage> done) const {
  if (!on()) {
    done(Error{FailedPrecondition("audit.unsupported", "this coordinator keeps no audit"), {}, {}});
    return;
  }
  Checker check;
  query.limit = ReadPage(static_cast<uint32_t>(query.limit), query.cursor, check).limit;
  const auto outcomes = {std::string_view(), audit::kDone, audit::kFailed, audit::kRefused};
  if (std::find(outcomes.begin(), outcomes.end(), query.outcome) == outcomes.end()) {
    check.Fail("outcome", "is none of done, failed and refused");
  }
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  const auto page = std::make_shared<std::optional<Result<audit::AuditPage>>>();
  coordinator_.Offload(
      [book = book_, query = std::move(query), page] { *page = book->List(query); },
      [page, done = std::move(done)] {
        if (!*page) {
          done(Error{Internal("audit.failed", "the audit was not read"), {}, {}});
        } else if ((*page)->ok()) {
          done(std::move(**page).value());
        } else {
          done(Error{(*page)->status(), {}, {}});
        }
      });
}

}  // namespace entente::api
