// OperationsLog: the lines that people on call read, one for each thing that may need them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "coordinator/log/log_line.h"
#include "runtime/notices.h"

namespace entente::coordinator {

// Of one event at most kLinesPerSecond go out: a thousand incidents at once are one cause. What was
// left out is counted in a line of its own with the next line that goes out. Lines of a transaction
// have its gid, and the trace that it is of where that is known.
//
// Thread-safe. Calls `sink` with its lock held: it must not come back here.
class OperationsLog {
 public:
  static constexpr uint64_t kLinesPerSecond = 20;

  enum class Level { kInfo, kWarning };
  using Sink = std::function<void(Level level, const LogLine& line)>;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit OperationsLog(Sink sink, Clock now = std::chrono::steady_clock::now)
      : sink_(std::move(sink)), now_(std::move(now)) {}

  // All that a coordinator tells; this object must outlive it.
  [[nodiscard]] runtime::Notices Notices();

  void OnTransaction(const runtime::TxnEvent& event);
  void OnRolledBack(const Status& status, size_t transactions);
  void OnDefinition(const storage::DefinitionRow& row);
  // A request of somebody who is not known or may not. `peer` may be empty.
  void OnRefused(const Status& status, std::string_view method, std::string_view peer);
  void OnStore(bool failing, const std::string& why);
  void OnBreaker(const std::string& participant, const std::string& address, bool open);
  // A call could not be made for want of something on this machine.
  void OnLocalExhaustion(const std::string& message);
  // A participant does not take calls for the coordinator's.
  void OnUnverified(const std::string& participant, const std::string& address,
                    const std::string& detail);

 private:
  struct Window {
    std::chrono::steady_clock::time_point begun;
    uint64_t lines = 0;
    uint64_t left_out = 0;
  };

  void OnOperator(const runtime::TxnEvent& event, std::string_view action,
                  const engine::Actor& actor, std::string_view branch);
  void Write(Level level, const LogLine& line);
  void TellLeftOut(std::chrono::steady_clock::time_point now);

  const Sink sink_;
  const Clock now_;
  std::mutex mutex_;
  std::map<std::string, Window, std::less<>> windows_;  // By event.
};

}  // namespace entente::coordinator
