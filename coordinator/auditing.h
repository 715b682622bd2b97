// The audit of this coordinator.
#pragma once

#include "coordinator/api/access/audit_trail.h"
#include "coordinator/audit/audit_book.h"
#include "coordinator/config.h"
#include "coordinator/process/every.h"
#include "storage/journal.h"

namespace entente::coordinator {

// Writes what was refused every few seconds, and removes what is older than the config keeps, on a
// thread of its own. An entry that can not be written is put on the log instead.
//
// Ownership: `journal` outlives it. Thread-safe.
class Auditing {
 public:
  Auditing(const Config& config, storage::Journal& journal);
  // Writes what was refused and is not written yet.
  ~Auditing();
  Auditing(const Auditing&) = delete;
  Auditing& operator=(const Auditing&) = delete;

  [[nodiscard]] audit::AuditBook& book() { return book_; }
  // Never blocks.
  void OnRefused(const api::Refusal& refusal);

 private:
  void Tend();
  void Flush();
  void Purge();

  const Duration retention_;
  audit::AuditBook book_;
  bool failing_ = false;  // These two are used by every_ alone, and by the destructor after it.
  size_t until_purge_ = 0;
  std::optional<Every> every_;  // Last: it uses the others.
};

}  // namespace entente::coordinator
