// Which parts of a value its schema calls sensitive.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "dsl/schema/schema.h"

namespace entente::dsl {

// A part of an instance that stands where a schema says `"sensitive": true`: it and all within it.
struct SensitivePart {
  std::string pointer;          // Its JSON Pointer; empty: the whole instance.
  const Json* value = nullptr;  // Points into the instance.
};

// Whether the schema calls anything sensitive.
[[nodiscard]] bool HasSensitive(const Schema& schema);

// Every such part of `instance`, which need not be valid: what any branch of anyOf, if and the like
// calls sensitive is so, whether it is met or not, because what may not be shown must not depend on
// a condition that somebody got wrong. Work is bounded as that of Schema::Validate; of an instance
// that exceeds it, the whole is sensitive.
[[nodiscard]] std::vector<SensitivePart> SensitiveParts(const Schema& schema, const Json& instance);

}  // namespace entente::dsl
