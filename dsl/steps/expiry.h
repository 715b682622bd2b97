// `expires`: how long a participant holds what was tried.
#pragma once

#include <optional>

#include "dsl/expressions.h"
#include "dsl/plan.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {

// The field `expires` of `reader`: a text, or {"at": text, "margin": duration}. Without a margin it
// is twice `timeout`. Reports what is wrong.
[[nodiscard]] std::optional<Expiry> ReadExpiry(const ObjectReader& reader, const Scope& scope,
                                               Duration timeout, ExpressionCompiler& expressions,
                                               ProblemList& problems);

}  // namespace entente::dsl
