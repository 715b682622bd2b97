#include "coordinator/auditing.h"

#include <chrono>
#include <string>

#include "base/json.h"
#include "coordinator/log/process_log.h"
#include "runtime/wall_clock.h"

namespace entente::coordinator {
namespace {

// So much of what was refused is lost if the process is killed; it is on the log too.
constexpr auto kTendEvery = std::chrono::seconds(5);
constexpr size_t kPurgeEvery = 720;  // An hour's worth.

void OnLost(const Status& status, const audit::AuditEntry& entry) {
  Log(LogLevel::kError, LogLine("audit_lost")
                            .Word("reason", status.reason())
                            .Text("message", status.message())
                            .Text("entry", DumpJson(audit::AuditJson(entry))));
}

}  // namespace

Auditing::Auditing(const Config& config, storage::Journal& journal)
    : retention_(config.audit_retention), book_(journal, OnLost) {
  every_.emplace(kTendEvery, [this] { Tend(); });
}

Auditing::~Auditing() {
  every_.reset();
  Flush();
}

void Auditing::OnRefused(const api::Refusal& refusal) {
  book_.Refuse(api::EntryOf(refusal, runtime::WallNow()));
}

void Auditing::Tend() {
  Flush();
  if (until_purge_ == 0) {
    Purge();
    until_purge_ = kPurgeEvery;
  }
  --until_purge_;
}

void Auditing::Flush() {
  const Status written = book_.Flush();
  if (!written.ok() && !failing_) {
    Log(LogLevel::kWarning,
        LogLine("audit_waits").Word("reason", written.reason()).Text("message", written.message()));
  }
  failing_ = !written.ok();
}

void Auditing::Purge() {
  const auto removed = book_.Purge(runtime::WallNow() - retention_);
  if (removed.ok() && *removed != 0) {
    Log(LogLevel::kInfo, LogLine("audit_purged").Number("entries", *removed));
  } else if (!removed.ok()) {
    Log(LogLevel::kWarning, LogLine("audit_waits")
                                .Word("reason", removed.status().reason())
                                .Text("message", removed.status().message()));
  }
}

}  // namespace entente::coordinator
