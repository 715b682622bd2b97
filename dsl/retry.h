// Retry policies as a definition states them: in part, over a default.
#pragma once

#include <string_view>
#include <variant>

#include "dsl/plan.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {

// The policy under `field` of `reader`, empty if there is none. Reports what is wrong.
[[nodiscard]] RetryOverrides ReadRetry(const ObjectReader& reader, std::string_view field,
                                       ProblemList& problems);

// The same of a policy that stands alone, {"attempts": 3}; or every mistake in it.
[[nodiscard]] std::variant<RetryOverrides, Problems> ReadRetryPolicy(std::string_view json);

}  // namespace entente::dsl
