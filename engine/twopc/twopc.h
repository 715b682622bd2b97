// Two-phase commit: everyone votes, then everyone commits or everyone rolls back; what the journal
// does not know is aborted (presumed abort). Internal to the engine.
#pragma once

namespace entente::engine {
struct ModeTable;
}

namespace entente::engine::twopc {

[[nodiscard]] const ModeTable& Table();

}  // namespace entente::engine::twopc
