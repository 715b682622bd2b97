#include "coordinator/log/operations_log.h"

#include <string>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "observe/trace_ids.h"

namespace entente::coordinator {
namespace {

LogLine& AddTransaction(LogLine& line, const runtime::TxnEvent& event) {
  return line.Word("gid", event.gid.str())
      .Word("trace_id", observe::TraceIdOf(event.gid, event.traceparent));
}

}  // namespace

runtime::Notices OperationsLog::Notices() {
  return {
      [this](const runtime::TxnEvent& event) { OnTransaction(event); },
      [this](const Status& status, size_t transactions) { OnRolledBack(status, transactions); },
      [this](const Gid& gid, const Status& defect) {
        Write(Level::kWarning, LogLine("transaction_held_back")
                                   .Word("gid", gid.str())
                                   .Word("reason", defect.reason())
                                   .Text("message", defect.message()));
      },
      [this](const Gid& gid, const engine::Failure& why) {
        Write(
            Level::kWarning,
            LogLine("transaction_quarantined").Word("gid", gid.str()).Text("message", why.message));
      },
      [this](const std::string& what) {
        Write(Level::kWarning, LogLine("defect").Text("message", what));
      },
      [this](const storage::DefinitionRow& row) { OnDefinition(row); },
      [this](ShardId shard, const Status& why) {
        Write(Level::kWarning, LogLine("shard_lost")
                                   .Number("shard", shard.value())
                                   .Word("reason", why.reason())
                                   .Text("message", why.message()));
      },
      [this](bool failing, const std::string& why) { OnStore(failing, why); }};
}

void OperationsLog::OnTransaction(const runtime::TxnEvent& event) {
  const engine::RecordBody& body = event.entry.record.body;
  if (const auto* raised = std::get_if<engine::IncidentRaised>(&body)) {
    LogLine line("incident_raised");
    Write(Level::kWarning, AddTransaction(line, event)
                               .Word("definition", event.definition)
                               .Word("branch", raised->branch.str())
                               .Text("code", raised->failure.code)
                               .Text("message", raised->failure.message));
  } else if (const auto* retried = std::get_if<engine::OperatorRetried>(&body)) {
    OnOperator(event, "retry", retried->actor, retried->branch.str());
  } else if (const auto* edited = std::get_if<engine::OperatorEdited>(&body)) {
    OnOperator(event, "edit", edited->actor, edited->branch.str());
  } else if (const auto* skipped = std::get_if<engine::OperatorSkipped>(&body)) {
    OnOperator(event, "skip", skipped->actor, skipped->branch.str());
  } else if (const auto* completed = std::get_if<engine::OperatorCompleted>(&body)) {
    OnOperator(event, "complete-branch", completed->actor, completed->branch.str());
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
    LogLine line("transaction_mixed");
    Write(Level::kWarning,
          AddTransaction(line, event)
              .Word("definition", event.definition)
              .Word("forced", ended->forced ? engine::TxnStatusName(*ended->forced) : ""));
  }
}

void OperationsLog::OnOperator(const runtime::TxnEvent& event, std::string_view action,
                               const engine::Actor& actor, std::string_view branch) {
  LogLine line("operator_action");
  line.Word("action", action);
  Write(Level::kInfo, AddTransaction(line, event)
                          .Word("branch", branch)
                          .Text("actor", actor.name)
                          .Text("reason", actor.reason));
  const bool mends = action == "retry" || action == "skip" || action == "resolve";
  if (mends && !event.incident) {
    LogLine ended("incident_ended");
    Write(Level::kInfo, AddTransaction(ended, event).Word("by", action));
  }
}

void OperationsLog::OnRolledBack(const Status& status, size_t transactions) {
  Write(Level::kWarning, LogLine("batch_rolled_back")
                             .Number("transactions", transactions)
                             .Word("reason", status.reason())
                             .Text("message", status.message()));
}

void OperationsLog::OnDefinition(const storage::DefinitionRow& row) {
  Write(Level::kInfo, LogLine("definition_registered")
                          .Word("name", row.name)
                          .Number("version", row.version)
                          .Word("digest", std::string_view(row.digest).substr(0, 12)));
}

void OperationsLog::OnRefused(const Status& status, std::string_view method,
                              std::string_view peer) {
  Write(Level::kWarning, LogLine("refused")
                             .Word("code", status.reason())
                             .Word("method", method)
                             .Word("peer", peer)
                             .Text("message", status.message()));
}

void OperationsLog::OnStore(bool failing, const std::string& why) {
  Write(failing ? Level::kWarning : Level::kInfo,
        LogLine(failing ? "store_failing" : "store_well").Text("message", failing ? why : ""));
}

void OperationsLog::OnBreaker(const std::string& participant, const std::string& address,
                              bool open) {
  Write(open ? Level::kWarning : Level::kInfo, LogLine(open ? "breaker_opened" : "breaker_closed")
                                                   .Word("participant", participant)
                                                   .Text("address", address));
}

void OperationsLog::OnLocalExhaustion(const std::string& message) {
  Write(Level::kWarning, LogLine("local_exhaustion").Text("message", message));
}

void OperationsLog::OnUnverified(const std::string& participant, const std::string& address,
                                 const std::string& detail) {
  Write(Level::kWarning, LogLine("call_unverified")
                             .Word("participant", participant)
                             .Text("address", address)
                             .Text("message", detail.substr(0, limits::kMaxErrorTextBytes)));
}

void OperationsLog::Write(Level level, const LogLine& line) {
  const std::lock_guard lock(mutex_);
  const auto now = now_();
  TellLeftOut(now);
  Window& window = windows_.try_emplace(std::string(line.event())).first->second;
  if (window.lines == 0 || now - window.begun >= std::chrono::seconds(1)) {
    window = {now, 0, 0};
  }
  if (window.lines == kLinesPerSecond) {
    ++window.left_out;
    return;
  }
  ++window.lines;
  sink_(level, line);
}

// Of the windows that are over.
void OperationsLog::TellLeftOut(std::chrono::steady_clock::time_point now) {
  for (auto& [event, window] : windows_) {
    if (window.left_out > 0 && now - window.begun >= std::chrono::seconds(1)) {
      sink_(Level::kWarning, LogLine("lines_left_out")
                                 .Word("of", event)
                                 .Number("count", std::exchange(window.left_out, 0)));
    }
  }
}

}  // namespace entente::coordinator
