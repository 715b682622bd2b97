// Text that is not JSON, as a problem of a definition.
#pragma once

#include "base/status.h"
#include "dsl/compiler.h"

namespace entente::dsl {

// `status` is what ParseJson refused the text with.
[[nodiscard]] Problem JsonProblem(const Status& status);

}  // namespace entente::dsl
