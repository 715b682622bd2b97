// A JSON Schema that stands in a definition.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "dsl/read/problem_list.h"
#include "dsl/schema/schema.h"

namespace entente::dsl {

// Compiles the schema at `pointer`; reports all that is wrong with it, and then returns nothing.
[[nodiscard]] std::optional<Schema> ReadSchema(const Json& json, const std::string& pointer,
                                               SchemaOrigin origin, ProblemList& problems);

}  // namespace entente::dsl
