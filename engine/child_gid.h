// The names of child transactions.
#pragma once

#include <cstdint>

#include "engine/core/branch.h"

namespace entente::engine {

// The gid of the transaction that `command` is. An alternative, an undo and a run that follows
// `refusals` refused ones are each a transaction of their own.
[[nodiscard]] Gid ChildGidOf(const CommandId& command, Mode mode, uint32_t refusals);

}  // namespace entente::engine
