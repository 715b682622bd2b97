// Line: the way to the service that is probed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/effect.h"
#include "engine/input.h"

namespace entente::probe {

// Blocks until the answers are there, each within its call's timeout. Not thread-safe.
class Line {
 public:
  virtual ~Line() = default;

  // What was answered; a "pending" answer is polled until it is none.
  [[nodiscard]] virtual engine::Reply Send(const engine::CallBranch& call) = 0;
  // Twice at the same time, on two connections.
  [[nodiscard]] virtual std::vector<engine::Reply> SendTwo(const engine::CallBranch& call) = 0;
  // Sends it and breaks the connection off `after` so long, if no answer was there before.
  virtual void SendAndBreakOff(const engine::CallBranch& call, Duration after) = 0;
  // What the service says that it holds; nothing if nobody said where to ask. Fails if it does not
  // answer.
  [[nodiscard]] virtual Result<std::optional<std::string>> Observe() = 0;
};

}  // namespace entente::probe
