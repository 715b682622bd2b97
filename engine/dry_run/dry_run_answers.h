// The stated answers of a dry run, read and checked. Internal to the engine.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/input.h"

namespace entente::engine {

struct StatedAnswer {
  Reply reply = ReplyDone{Json::object()};
  std::optional<Duration> takes;
  std::optional<Duration> completes_after;  // Of a pending one.
};

struct StatedEvent {
  Duration at;
  Event event;
};

class StatedAnswers {
 public:
  // Fails with kInvalidArgument, naming the member that is wrong.
  [[nodiscard]] static Result<StatedAnswers> Read(const dsl::Plan& plan, const Json& json);

  // The answer to the next call of the operation. A branch's own list goes before its step's.
  [[nodiscard]] StatedAnswer Next(const std::string& step, const BranchId& branch,
                                  std::string_view operation);

  [[nodiscard]] const std::vector<StatedEvent>& events() const { return events_; }

 private:
  std::map<std::string, std::deque<StatedAnswer>> answers_;
  std::vector<StatedEvent> events_;
};

}  // namespace entente::engine
