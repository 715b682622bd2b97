// What the instances of a JSON Schema look like.
#pragma once

#include "base/json.h"
#include "explore/shape.h"

namespace entente::explore {

// As far as the schema tells by types, members, enumerations, bounds, examples and formats; of
// alternatives (`oneOf`) the first is taken. What a pattern asks for is not made up, so whoever
// uses an instance validates it first.
[[nodiscard]] Shape ShapeOfSchema(const Json& schema);

}  // namespace entente::explore
