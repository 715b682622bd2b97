// Which records an effect or an answer waits for. Internal to the engine.
#pragma once

#include <vector>

#include "engine/engine.h"

namespace entente::engine {

// kForced if losing one of `records` in a crash, after `effects` went out or the input was
// answered, could be noticed by anybody.
[[nodiscard]] Durability DurabilityOf(const Event& event, const std::vector<Record>& records,
                                      const std::vector<Effect>& effects);

}  // namespace entente::engine
