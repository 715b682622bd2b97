// The published JSON Schema says to editors what the compiler accepts.
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/read/fields.h"
#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

Json ReadJson(const std::filesystem::path& path) {
  const auto json = ParseJson(ReadFile(path), limits::kDefinitionJson);
  INFO(json.status());
  REQUIRE(json.ok());
  return *json;
}

Json PublishedSchema() {
  return ReadJson(std::filesystem::path(ENTENTE_SOURCE_DIR) / "dsl/schema/definition.schema.json");
}

Schema CompiledSchema() {
  auto compiled = Schema::Compile(PublishedSchema());
  if (const auto* problems = std::get_if<std::vector<SchemaProblem>>(&compiled)) {
    FAIL(problems->front().pointer << ": " << problems->front().message);
  }
  return std::get<Schema>(compiled);
}

TEST_CASE("every good definition satisfies the published schema") {
  const Schema schema = CompiledSchema();
  for (const auto& file : GoodFiles()) {
    INFO(file);
    const auto violations = schema.Validate(ReadJson(file));
    for (const Violation& violation : violations) {
      UNSCOPED_INFO(violation.pointer << " " << violation.keyword_pointer << " "
                                      << violation.message);
    }
    CHECK(violations.empty());
  }
}

TEST_CASE("the published schema names the very fields that the compiler accepts") {
  const Json definitions = PublishedSchema()["$defs"];
  std::set<std::string> described;
  for (const ObjectSpec* spec : fields::All()) {
    INFO(spec->schema_name);
    const std::string name(spec->schema_name);
    REQUIRE(definitions.contains(name));
    described.insert(name);
    const Json& definition = definitions[name];
    CHECK(definition["additionalProperties"] == false);
    std::set<std::string> published;
    for (const auto& [field, schema] : definition["properties"].items()) {
      published.insert(field);
    }
    CHECK(published == std::set<std::string>(spec->fields.begin(), spec->fields.end()));
  }
  for (const auto& [name, definition] : definitions.items()) {
    if (definition.contains("properties")) {
      CHECK(described.contains(name));
    }
  }
}

TEST_CASE("the published schema has the compiler's limits") {
  const Json definitions = PublishedSchema()["$defs"];
  const Json& saga = definitions["sagaDefinition"]["properties"];
  CHECK(saga["steps"]["maxItems"] == limits::kMaxSteps);
  CHECK(saga["participants"]["maxProperties"] == limits::kMaxParticipants);
  CHECK(saga["labels"]["maxProperties"] == limits::kMaxLabels);
  CHECK(definitions["sagaStep"]["properties"]["alternatives"]["maxItems"] ==
        limits::kMaxAlternatives);
  CHECK(definitions["lets"]["maxProperties"] == limits::kMaxLets);
  CHECK(definitions["name"]["maxLength"] == limits::kMaxNameBytes);
  CHECK(definitions["retry"]["properties"]["attempts"]["maximum"] == limits::kMaxAttempts);
  CHECK(definitions["retry"]["properties"]["factor"]["maximum"] == limits::kMaxRetryFactor);
  CHECK(definitions["forEach"]["properties"]["maxParallel"]["maximum"] ==
        limits::kMaxForEachBranches);
  CHECK(definitions["forEach"]["properties"]["maxParallel"]["default"] ==
        limits::kDefaultForEachParallel);
  CHECK(definitions["httpParticipant"]["properties"]["maxConcurrentCalls"]["maximum"] ==
        limits::kMaxConcurrentCalls);
}

// Names, references and what may stand where go beyond a schema; the shape does not. Each row of
// the table is refused by the compiler, so the schema may refuse it as well.
TEST_CASE("the published schema sees the mistakes of shape") {
  const Schema schema = CompiledSchema();
  const Json table = ReadJson(CaseFolder() / "mistakes.json");
  size_t refused = 0;
  for (const Json& row : table) {
    INFO(row["name"]);
    const std::string base = row.value("base", "everything");
    const Json good = ReadJson(CaseFolder() / "good" / (base + ".json"));
    const bool accepted = schema.Validate(good.patch(row["patch"])).empty();
    refused += accepted ? 0 : 1;
    if (row["problems"].empty()) {
      CHECK(accepted);
      continue;
    }
    const auto is = [problem = row["problems"][0].get<std::string>()](const char* code) {
      return problem.ends_with(code);
    };
    if (is(" unknown_field") || is(" bad_status") || is(" missing_operation") ||
        is(" ambiguous_operation") || is(" too_many")) {
      CHECK_FALSE(accepted);
    }
  }
  CHECK(refused > table.size() / 3);
}

}  // namespace
}  // namespace entente::dsl
