// Which records an effect or an answer waits for. Internal to the engine.
#pragma once

#include <vector>

#include "engine/engine.h"

namespace entente::engine {

// kForced if losing one of `records` in a crash, after `effects` went out or the input was
// answered, could be noticed by anybody. `lazy_settling`: commit or abort was durably decided
// before this input, and recovery carries it out again with the same calls, so that what
// participants answer to it need not be durable before the next call goes out or the end is told.
[[nodiscard]] Durability DurabilityOf(const Event& event, const std::vector<Record>& records,
                                      const std::vector<Effect>& effects, bool lazy_settling);

}  // namespace entente::engine
