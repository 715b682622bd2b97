// What of the methods goes to the audit, and what is read of it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "coordinator/api/access/action.h"
#include "coordinator/api/problem.h"
#include "coordinator/audit/audit_book.h"
#include "coordinator/identity/principal.h"
#include "runtime/coordinator.h"

namespace entente::api {

// A request that was refused, or whose sender is not known.
struct Refusal {
  Status status;
  std::string_view method;                         // As access.h names it; empty: there is none.
  const identity::Principal* principal = nullptr;  // Null: it is not known who asked.
  std::string peer;                                // The client's address; may be empty.
};

[[nodiscard]] audit::AuditEntry EntryOf(const Refusal& refusal, Instant now);

// As Service: thread-safe, never blocks, `done` runs once, also after the trail has gone. `book`
// may be null: then nothing is recorded, and List fails with kFailedPrecondition, reason
// audit.unsupported.
class AuditTrail {
 public:
  AuditTrail(runtime::Coordinator& coordinator, audit::AuditBook* book)
      : coordinator_(coordinator), book_(book) {}

  [[nodiscard]] bool on() const { return book_ != nullptr; }

  // What is known before it is done: `by` does `action` to `subject`. `actor` counts where nobody
  // has to prove who he is.
  [[nodiscard]] static audit::AuditEntry Begin(const identity::Principal& by,
                                               const std::string& actor, Action action,
                                               std::string subject, std::string reason);

  // `done`, before which what comes of it is written. `tell` adds what a result says. What may not
  // be done is left to who counts refusals.
  template <class T>
  [[nodiscard]] Done<T> Recorded(audit::AuditEntry entry, Done<T> done,
                                 std::function<void(const T&, audit::AuditEntry&)> tell) const {
    if (!on()) {
      return done;
    }
    return [self = *this, entry = std::move(entry), done = std::move(done),
            tell = std::move(tell)](Outcome<T> outcome) mutable {
      if (const Error* error = std::get_if<Error>(&outcome)) {
        if (IsRefusal(error->status)) {
          done(std::move(outcome));
          return;
        }
        entry.outcome = audit::kFailed;
        entry.code = error->status.reason();
      } else {
        entry.outcome = audit::kDone;
        tell(std::get<T>(outcome), entry);
      }
      const auto kept = std::make_shared<Outcome<T>>(std::move(outcome));
      self.Write(std::move(entry), [kept, done] { done(std::move(*kept)); });
    };
  }

  void List(audit::AuditQuery query, Done<audit::AuditPage> done) const;

 private:
  [[nodiscard]] static bool IsRefusal(const Status& status);
  void Write(audit::AuditEntry entry, std::function<void()> then) const;

  runtime::Coordinator& coordinator_;
  audit::AuditBook* book_;
};

}  // namespace entente::api
