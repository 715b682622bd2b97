// How a saga goes on. Internal to engine/saga.
#pragma once

#include <string_view>

#include "engine/core/table.h"

namespace entente::engine::saga {

void Advance(Turn& turn);

// The pivot may have happened and can not be undone: from here an abort could be a mix.
[[nodiscard]] std::string_view PivotInDoubt(const Draft& draft);

}  // namespace entente::engine::saga
