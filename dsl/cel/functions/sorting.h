// Sorting values by CEL's own order. Private to dsl/cel.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "dsl/cel/eval_context.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// The places of `keys` from the least to the greatest, equal ones in the order given. False after
// recording why they can not be compared.
[[nodiscard]] bool SortedOrder(EvalContext& context, std::span<const Value> keys,
                               std::vector<size_t>* order);

}  // namespace entente::dsl::cel
