// Durations that a definition states, or that are computed when they are needed.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"
#include "dsl/cel/template.h"
#include "dsl/expressions.h"
#include "dsl/read/object_reader.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {

// At most one of the two; none if the field is absent or wrong.
struct DurationField {
  std::optional<Duration> stated;
  std::optional<cel::Template> computed;  // Renders to a text; what it says is checked then.
};

// Reads a duration in [min, max] that may be an expression. Reports what is wrong with it, also
// with one whose expressions read nothing.
[[nodiscard]] DurationField ReadDuration(const ObjectReader& reader, std::string_view field,
                                         Duration min, Duration max, const Scope& scope,
                                         ExpressionCompiler& expressions, ProblemList& problems);

}  // namespace entente::dsl
