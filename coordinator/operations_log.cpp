#include "coordinator/operations_log.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/utf8.h"

namespace entente::coordinator {
namespace {

constexpr size_t kMaxValueBytes = 300;

// Text of others must not look like further keys, or like another line.
std::string Quoted(std::string_view text) {
  std::string plain(text.substr(0, kMaxValueBytes));
  std::replace(plain.begin(), plain.end(), '"', '\'');
  std::replace(plain.begin(), plain.end(), '\\', '\'');
  return '"' + ShowText(plain) + '"';
}

std::string Field(const char* key, std::string_view value) {
  return value.empty() ? "" : std::string(" ") + key + "=" + std::string(value);
}

std::string TextField(const char* key, std::string_view value) {
  return value.empty() ? "" : std::string(" ") + key + "=" + Quoted(value);
}

std::string GidOf(const runtime::TxnEvent& event) {
  return " gid=" + event.gid.str();
}

}  // namespace

runtime::Notices OperationsLog::Notices() {
  return {[this](const runtime::TxnEvent& event) { OnTransaction(event); },
          [this](const Status& status, size_t transactions) { OnRolledBack(status, transactions); },
          [this](const Gid& gid, const Status& defect) {
            Write(Level::kWarning, "transaction_held_back",
                  " gid=" + gid.str() + Field("reason", defect.reason()) +
                      TextField("message", defect.message()));
          },
          [this](const Gid& gid, const engine::Failure& why) {
            Write(Level::kWarning, "transaction_quarantined",
                  " gid=" + gid.str() + TextField("message", why.message));
          },
          [this](const std::string& what) {
            Write(Level::kWarning, "defect", TextField("message", what));
          },
          [this](const storage::DefinitionRow& row) { OnDefinition(row); },
          [this](ShardId shard, const Status& why) {
            Write(Level::kWarning, "shard_lost",
                  " shard=" + std::to_string(shard.value()) + Field("reason", why.reason()) +
                      TextField("message", why.message()));
          },
          [this](bool failing, const std::string& why) { OnStore(failing, why); }};
}

void OperationsLog::OnTransaction(const runtime::TxnEvent& event) {
  const engine::RecordBody& body = event.entry.record.body;
  if (const auto* raised = std::get_if<engine::IncidentRaised>(&body)) {
    Write(Level::kWarning, "incident_raised",
          GidOf(event) + Field("definition", event.definition) +
              Field("branch", raised->branch.str()) + TextField("code", raised->failure.code) +
              TextField("message", raised->failure.message));
  } else if (const auto* retried = std::get_if<engine::OperatorRetried>(&body)) {
    OnOperator(event, "retry", retried->actor, retried->branch.str());
  } else if (const auto* edited = std::get_if<engine::OperatorEdited>(&body)) {
    OnOperator(event, "edit", edited->actor, edited->branch.str());
  } else if (const auto* skipped = std::get_if<engine::OperatorSkipped>(&body)) {
    OnOperator(event, "skip", skipped->actor, skipped->branch.str());
  } else if (const auto* paused = std::get_if<engine::Paused>(&body)) {
    OnOperator(event, "pause", paused->actor, "");
  } else if (const auto* resumed = std::get_if<engine::Resumed>(&body)) {
    OnOperator(event, "resume", resumed->actor, "");
  } else if (const auto* abort = std::get_if<engine::AbortDecided>(&body)) {
    OnOperator(event, "cancel", abort->actor.value_or(engine::Actor{}), "");
  } else if (const auto* ended = std::get_if<engine::Ended>(&body)) {
    if (ended->actor) {
      OnOperator(event, "resolve", *ended->actor, "");
    }
    Write(Level::kWarning, "transaction_mixed",
          GidOf(event) + Field("definition", event.definition) +
              Field("forced", ended->forced ? engine::TxnStatusName(*ended->forced) : ""));
  }
}

void OperationsLog::OnOperator(const runtime::TxnEvent& event, std::string_view action,
                               const engine::Actor& actor, std::string_view branch) {
  Write(Level::kInfo, "operator_action",
        Field("action", action) + GidOf(event) + Field("branch", branch) +
            TextField("actor", actor.name) + TextField("reason", actor.reason));
  const bool mends = action == "retry" || action == "skip" || action == "resolve";
  if (mends && !event.incident) {
    Write(Level::kInfo, "incident_ended", GidOf(event) + Field("by", action));
  }
}

void OperationsLog::OnRolledBack(const Status& status, size_t transactions) {
  Write(Level::kWarning, "batch_rolled_back",
        " transactions=" + std::to_string(transactions) + Field("reason", status.reason()) +
            TextField("message", status.message()));
}

void OperationsLog::OnDefinition(const storage::DefinitionRow& row) {
  Write(Level::kInfo, "definition_registered",
        Field("name", row.name) + " version=" + std::to_string(row.version) +
            Field("digest", std::string_view(row.digest).substr(0, 12)));
}

void OperationsLog::OnStore(bool failing, const std::string& why) {
  Write(failing ? Level::kWarning : Level::kInfo, failing ? "store_failing" : "store_well",
        failing ? TextField("message", why) : "");
}

void OperationsLog::OnBreaker(const std::string& participant, const std::string& address,
                              bool open) {
  Write(open ? Level::kWarning : Level::kInfo, open ? "breaker_opened" : "breaker_closed",
        Field("participant", participant) + TextField("address", address));
}

void OperationsLog::OnLocalExhaustion(const std::string& message) {
  Write(Level::kWarning, "local_exhaustion", TextField("message", message));
}

void OperationsLog::Write(Level level, const std::string& event, const std::string& fields) {
  const std::lock_guard lock(mutex_);
  const auto now = now_();
  TellLeftOut(now);
  Window& window = windows_[event];
  if (window.lines == 0 || now - window.begun >= std::chrono::seconds(1)) {
    window = {now, 0, 0};
  }
  if (window.lines == kLinesPerSecond) {
    ++window.left_out;
    return;
  }
  ++window.lines;
  sink_(level, "event=" + event + fields);
}

// Of the windows that are over.
void OperationsLog::TellLeftOut(std::chrono::steady_clock::time_point now) {
  for (auto& [event, window] : windows_) {
    if (window.left_out > 0 && now - window.begun >= std::chrono::seconds(1)) {
      sink_(Level::kWarning, "event=lines_left_out of=" + event +
                                 " count=" + std::to_string(std::exchange(window.left_out, 0)));
    }
  }
}

}  // namespace entente::coordinator
