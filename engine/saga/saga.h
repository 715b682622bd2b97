// The saga: forward step by step, back by compensation. Internal to the engine.
#pragma once

namespace entente::engine {
struct ModeTable;
}

namespace entente::engine::saga {

[[nodiscard]] const ModeTable& Table();

}  // namespace entente::engine::saga
