#include "dsl/read/schema_field.h"

#include <utility>
#include <variant>
#include <vector>

namespace entente::dsl {

std::optional<Schema> ReadSchema(const Json& json, const std::string& pointer, SchemaOrigin origin,
                                 ProblemList& problems) {
  auto compiled = Schema::Compile(json, origin);
  if (const auto* wrong = std::get_if<std::vector<SchemaProblem>>(&compiled)) {
    for (const SchemaProblem& problem : *wrong) {
      problems.AtKey(pointer + problem.pointer, "bad_schema", problem.message, problem.suggestion);
    }
    return std::nullopt;
  }
  return std::get<Schema>(std::move(compiled));
}

}  // namespace entente::dsl
