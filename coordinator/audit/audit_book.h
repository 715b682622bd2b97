// AuditBook: who did what, or tried to, kept in the store.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "coordinator/audit/audit_entry.h"
#include "storage/journal.h"
#include "storage/note_log.h"

namespace entente::audit {

// Which entries; an absent or empty member means any.
struct AuditQuery {
  std::string actor;
  std::string action;
  std::string subject;
  std::string outcome;
  std::optional<Instant> since;  // at >= since
  std::optional<Instant> until;  // at < until
  size_t limit = 0;
  std::string cursor;
};

// The newest first. May have fewer entries than asked for, even none, and still a cursor: a sparse
// query ends a page after a bounded amount of work.
struct AuditPage {
  std::vector<AuditEntry> entries;
  std::string next_cursor;  // Empty: no more.
};

// Refusals of this many kinds are told apart between two Flushes; the others are counted as one.
// So whoever knocks with ever other words can not fill the disk.
inline constexpr size_t kMaxRefusedKinds = 16;

// Purpose: appends to the audit and reads it. Each entry is one note of the store, which nothing
// changes once it is written, and nothing but Purge removes; nodes of one store share it.
//
// Ownership: `journal` outlives the book. Thread-safe. All but Refuse block on I/O.
class AuditBook {
 public:
  // Told of an entry that Record could not write, on the thread that called it. May be empty.
  using OnLost = std::function<void(const Status& status, const AuditEntry& entry)>;

  explicit AuditBook(storage::Journal& journal, OnLost on_lost = {});
  AuditBook(const AuditBook&) = delete;
  AuditBook& operator=(const AuditBook&) = delete;

  // Durable when it returns ok. Long texts are cut: a subject, a reason, what was before and after.
  [[nodiscard]] Status Append(AuditEntry entry);

  // Appends what was done already, which is not undone if that fails.
  void Record(const AuditEntry& entry);

  // Takes note of a request that was refused; written, with others of the same actor, action, code
  // and peer, by the next Flush or List. Never blocks.
  void Refuse(AuditEntry entry);

  // Writes what Refuse took. What can not be written is tried again by the next one.
  [[nodiscard]] Status Flush();

  // kInvalidArgument, reason audit.bad_cursor, for a cursor that is not ours.
  [[nodiscard]] Result<AuditPage> List(const AuditQuery& query);

  // Removes what was written before `before`. Returns how many entries.
  [[nodiscard]] Result<size_t> Purge(Instant before);

 private:
  [[nodiscard]] Result<storage::NoteLog*> Log();
  [[nodiscard]] std::string NextId(Instant at);

  storage::Journal& journal_;
  const OnLost on_lost_;
  const std::string writer_;  // Tells this book's ids from those of other nodes.
  std::mutex mutex_;
  int64_t last_micros_ = 0;                    // Of an id. Under mutex_, as what follows.
  std::map<std::string, AuditEntry> refused_;  // By what they have in common.
};

}  // namespace entente::audit
