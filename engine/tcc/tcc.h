// Try, confirm, cancel: everything is reserved, then everything confirmed or everything cancelled.
// Internal to the engine.
#pragma once

namespace entente::engine {
struct ModeTable;
}

namespace entente::engine::tcc {

[[nodiscard]] const ModeTable& Table();

}  // namespace entente::engine::tcc
