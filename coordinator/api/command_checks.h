// Checks commands and turns them into what the Coordinator takes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/commands.h"
#include "coordinator/api/event_feed.h"
#include "coordinator/api/problem.h"

namespace entente::api {

// Collects every mistake of one command, so that all are reported at once.
class Checker {
 public:
  void Fail(std::string field, std::string message, std::string suggestion = "");
  void Require(const char* field, bool present, const char* why);
  void CheckLength(const char* field, std::string_view text, size_t limit);
  // limits::kMaxPayloadBytes.
  void CheckPayload(const char* field, const JsonText& payload);

  [[nodiscard]] std::optional<Duration> ReadDuration(const char* field, const std::string& text);
  [[nodiscard]] std::optional<runtime::Wait> ReadWait(const std::optional<std::string>& text,
                                                      std::shared_ptr<runtime::Hangup> hangup);

  [[nodiscard]] bool ok() const { return violations_.empty() && !too_large_; }
  // Only if not ok.
  [[nodiscard]] Error TakeError();

 private:
  std::vector<Violation> violations_;
  std::optional<Status> too_large_;
};

// Each notes the mistakes of `command` in `check`; what it returns counts only if there are none.
// Parts of `command` are moved from.
[[nodiscard]] runtime::SubmitRequest ReadSubmit(SubmitCommand& command, Checker& check);
[[nodiscard]] runtime::BeginRequest ReadBegin(BeginCommand& command, Checker& check);
[[nodiscard]] engine::Actor ReadDecider(DecideCommand& command, Checker& check);
[[nodiscard]] runtime::OperatorRequest ReadOperate(OperateCommand& command, Checker& check);
[[nodiscard]] std::variant<engine::ReplyDone, engine::ReplyRefused> ReadOutcome(
    CompleteCommand& command, Checker& check);
[[nodiscard]] BulkRequest ReadBulk(BulkCommand& command, Checker& check);
[[nodiscard]] storage::Filter ReadFilter(ListCommand& command, Checker& check);
[[nodiscard]] storage::ListOrder ReadOrder(const std::string& sort, Checker& check);
[[nodiscard]] storage::Page ReadPage(uint32_t limit, std::string cursor, Checker& check);

[[nodiscard]] std::optional<Error> CheckFilter(const EventFilter& filter);

}  // namespace entente::api
