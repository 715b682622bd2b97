// One line of the audit: who did what, or tried to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "base/time.h"

namespace entente::audit {

inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kRefused = "refused";  // Who asked is not known, or may not.
inline constexpr std::string_view kFailed = "failed";    // Who asked may, and it was not done.

// A value type. Texts that are empty say that there is none.
struct AuditEntry {
  std::string id;  // Sorts as the entries were written; given by the book.
  Instant at;
  std::string actor;    // The principal's name; none: it was not known.
  std::string token;    // The id of the token that proved it.
  std::string action;   // As the table of methods names it: "pause".
  std::string subject;  // "transaction/t1", "definition/trip", "token/3f...", "keys".
  std::string outcome;  // kDone, ...
  std::string code;     // Why it was refused or failed.
  std::string reason;   // Why it was asked, as the actor says.
  std::string peer;     // The address it came from.
  Json before;          // What it found, an object; null: nothing that is told.
  Json after;           // What it left.
  uint32_t times = 1;   // Of refusals that differ in nothing but their time, the first's.
};

// As an object that holds what there is of it, as clients see it.
[[nodiscard]] Json AuditJson(const AuditEntry& entry);
// kDataLoss, reason store.bad_audit.
[[nodiscard]] Result<AuditEntry> AuditFrom(const std::string& id, const std::string& text);

}  // namespace entente::audit
