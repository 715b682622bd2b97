#include <catch2/catch.hpp>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "dsl/schema/schema.h"

namespace entente::dsl {
namespace {

std::vector<SchemaProblem> ProblemsOf(const Json& schema) {
  auto compiled = Schema::Compile(schema);
  auto* const problems = std::get_if<std::vector<SchemaProblem>>(&compiled);
  return problems == nullptr ? std::vector<SchemaProblem>{} : *problems;
}

std::vector<SchemaProblem> ProblemsIn(const std::string& schema) {
  return ProblemsOf(Json::parse(schema));
}

// The only problem of a schema.
SchemaProblem ProblemOf(const std::string& schema) {
  INFO(schema);
  const std::vector<SchemaProblem> problems = ProblemsIn(schema);
  REQUIRE(problems.size() == 1);
  CHECK_FALSE(problems.front().message.empty());
  return problems.front();
}

TEST_CASE("every supported keyword compiles") {
  CHECK(ProblemsIn(R"({
    "$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": "c", "title": "t",
    "description": "d", "default": 1, "examples": [1], "deprecated": false, "readOnly": true,
    "writeOnly": false, "format": "date", "type": ["object", "null"],
    "properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"], "additionalProperties": false,
    "minProperties": 0, "maxProperties": 5.0, "enum": [1, "a"], "const": null,
    "minimum": 0, "maximum": 1e9, "exclusiveMinimum": -1, "exclusiveMaximum": 1.5,
    "multipleOf": 0.01, "minLength": 0, "maxLength": 3, "pattern": "^[a-z]+$",
    "items": true, "prefixItems": [{}, false], "minItems": 0, "maxItems": 2, "uniqueItems": true,
    "allOf": [{}], "anyOf": [{}], "oneOf": [{}], "not": false, "$defs": {"a": true},
    "patternProperties": {"^x": {}}, "propertyNames": {}, "contains": {}, "minContains": 0,
    "maxContains": 3, "if": {}, "then": {}, "else": {}, "dependentRequired": {"a": ["b"]},
    "dependentSchemas": {"a": {}}, "unevaluatedProperties": {}, "unevaluatedItems": {},
    "$id": "https://example.org/all", "$anchor": "all"
  })")
            .empty());
  CHECK(ProblemsIn("true").empty());
  CHECK(ProblemsIn("false").empty());
  CHECK(ProblemsIn("{}").empty());
}

TEST_CASE("a misspelt keyword is refused with the one that was meant") {
  const SchemaProblem problem = ProblemOf(R"({"properties": {"a": {"requird": ["b"]}}})");
  CHECK(problem.pointer == "/properties/a/requird");
  CHECK_THAT(problem.message, Catch::Contains("'requird'"));
  CHECK(problem.suggestion == "did you mean 'required'?");
  CHECK(ProblemOf(R"({"minLenght": 1})").suggestion == "did you mean 'minLength'?");
  CHECK(ProblemOf(R"({"x/y~z": 1})").pointer == "/x~1y~0z");
  CHECK(ProblemOf(R"({"colour": 1})").suggestion.empty());
}

TEST_CASE("a keyword that exists but is not supported says so") {
  const std::string name =
      GENERATE(as<std::string>(), "dependencies", "$dynamicRef", "$dynamicAnchor", "$vocabulary",
               "$recursiveRef", "$recursiveAnchor", "definitions", "additionalItems",
               "contentEncoding", "contentMediaType", "contentSchema", "id", "nullable");
  const SchemaProblem problem = ProblemOf("{\"" + name + "\": {}}");
  CHECK(problem.pointer == "/" + name);
  CHECK(problem.message == "the keyword '" + name + "' is not supported");
}

TEST_CASE("a keyword of the wrong shape is refused where it stands") {
  const auto [schema, pointer] = GENERATE(table<std::string, std::string>({
      {"3", ""},
      {"[]", ""},
      {"null", ""},
      {R"({"properties": {"a/b": "string"}})", "/properties/a~1b"},
      {R"({"type": "strin"})", "/type"},
      {R"({"type": 3})", "/type"},
      {R"({"type": []})", "/type"},
      {R"({"type": ["string", "text"]})", "/type/1"},
      {R"({"type": ["string", "string"]})", "/type/1"},
      {R"({"enum": []})", "/enum"},
      {R"({"enum": "a"})", "/enum"},
      {R"({"minimum": "1"})", "/minimum"},
      {R"({"exclusiveMinimum": true})", "/exclusiveMinimum"},
      {R"({"multipleOf": 0})", "/multipleOf"},
      {R"({"multipleOf": -1})", "/multipleOf"},
      {R"({"multipleOf": "1"})", "/multipleOf"},
      {R"({"minLength": -1})", "/minLength"},
      {R"({"maxItems": 1.5})", "/maxItems"},
      {R"({"maxProperties": "2"})", "/maxProperties"},
      {R"({"uniqueItems": 1})", "/uniqueItems"},
      {R"({"required": true})", "/required"},
      {R"({"required": ["a", 1]})", "/required/1"},
      {R"({"required": ["a", "a"]})", "/required/1"},
      {R"({"properties": []})", "/properties"},
      {R"({"additionalProperties": "no"})", "/additionalProperties"},
      {R"({"properties": {}, "additionalProperties": 0})", "/additionalProperties"},
      {R"({"items": [{}]})", "/items"},
      {R"({"prefixItems": [{}], "items": [{}]})", "/items"},
      {R"({"prefixItems": []})", "/prefixItems"},
      {R"({"prefixItems": {}})", "/prefixItems"},
      {R"({"prefixItems": [true], "items": 1})", "/items"},
      {R"({"allOf": []})", "/allOf"},
      {R"({"anyOf": {}})", "/anyOf"},
      {R"({"oneOf": [1]})", "/oneOf/0"},
      {R"({"not": []})", "/not"},
      {R"({"pattern": 1})", "/pattern"},
      {R"({"$defs": []})", "/$defs"},
      {R"({"$defs": {"unused": {"type": 1}}})", "/$defs/unused/type"},
      {R"({"$ref": 1})", "/$ref"},
      {R"({"$schema": "http://json-schema.org/draft-07/schema#"})", "/$schema"},
      {R"({"items": {"$schema": "https://json-schema.org/draft/2020-12/schema"}})",
       "/items/$schema"},
      {R"({"title": 1})", "/title"},
      {R"({"format": 1})", "/format"},
      {R"({"patternProperties": []})", "/patternProperties"},
      {R"({"patternProperties": {"a(": {}}})", "/patternProperties/a("},
      {R"({"properties": {}, "patternProperties": {"a": 1}})", "/patternProperties/a"},
      {R"({"propertyNames": 1})", "/propertyNames"},
      {R"({"contains": 1})", "/contains"},
      {R"({"minContains": -1})", "/minContains"},
      {R"({"contains": {}, "maxContains": "2"})", "/maxContains"},
      {R"({"if": 1})", "/if"},
      {R"({"then": 1})", "/then"},
      {R"({"if": {}, "else": {"type": 1}})", "/else/type"},
      {R"({"dependentRequired": ["a"]})", "/dependentRequired"},
      {R"({"dependentRequired": {"a": "b"}})", "/dependentRequired/a"},
      {R"({"dependentRequired": {"a": ["b", "b"]}})", "/dependentRequired/a/1"},
      {R"({"dependentSchemas": {"a": ["b"]}})", "/dependentSchemas/a"},
      {R"({"unevaluatedItems": 1})", "/unevaluatedItems"},
      {R"({"unevaluatedProperties": []})", "/unevaluatedProperties"},
      {R"({"$id": 1})", "/$id"},
      {R"({"$id": "#name"})", "/$id"},
      {R"({"$id": "a b"})", "/$id"},
      {R"({"$defs": {"a": {"$id": "x:a"}, "b": {"$id": "x:a"}}})", "/$defs/b/$id"},
      {R"({"$anchor": "a b"})", "/$anchor"},
      {R"({"$anchor": 1})", "/$anchor"},
      {R"({"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}})", "/$defs/b/$anchor"},
      {R"({"$ref": "#nowhere"})", "/$ref"},
      {R"({"$ref": "other.json"})", "/$ref"},
      {R"({"$id": "https://a.b/c", "$ref": "https://a.b/d#x"})", "/$ref"},
      {R"({"if": {"$ref": "#"}})", "/if/$ref"},
      {R"({"dependentSchemas": {"a": {"$ref": "#"}}})", "/dependentSchemas/a/$ref"},
      {R"({"examples": {}})", "/examples"},
      {R"({"deprecated": "yes"})", "/deprecated"},
  }));
  CHECK(ProblemOf(schema).pointer == pointer);
}

TEST_CASE("a format that can not be checked is refused with those that can") {
  for (const std::string name : {"phone", "int32", "credit-card", ""}) {
    const SchemaProblem problem = ProblemOf(Json{{"format", name}}.dump());
    CHECK(problem.pointer == "/format");
    CHECK_THAT(problem.suggestion, Catch::Contains("date-time") && Catch::Contains("uuid"));
  }
  CHECK(ProblemOf(R"({"format": "datetime"})").suggestion == "did you mean 'date-time'?");
  CHECK(ProblemOf(R"({"format": "Email"})").suggestion == "did you mean 'email'?");
}

TEST_CASE("a stored schema with a format that can not be checked still compiles") {
  const auto compiled = Schema::Compile(Json{{"format", "phone"}}, SchemaOrigin::kStored);
  REQUIRE(std::holds_alternative<Schema>(compiled));
  CHECK(std::get<Schema>(compiled).Validate(Json("x")).empty());
  CHECK_FALSE(std::holds_alternative<Schema>(
      Schema::Compile(Json{{"formt", "phone"}}, SchemaOrigin::kStored)));
}

TEST_CASE("names of types from other languages are put right") {
  CHECK(ProblemOf(R"({"type": "bool"})").suggestion == "did you mean 'boolean'?");
  CHECK(ProblemOf(R"({"type": "int"})").suggestion == "did you mean 'integer'?");
  CHECK(ProblemOf(R"({"type": "strnig"})").suggestion == "did you mean 'string'?");
}

TEST_CASE("the patterns of a schema have a budget together") {
  const auto schema = [](size_t patterns) {
    Json json = Json::object();
    for (size_t i = 0; i < patterns; ++i) {
      json["properties"]["p" + std::to_string(i)] = {{"pattern", "[\\p{L}]{1,4}"}};
    }
    return json;
  };
  CHECK(ProblemsOf(schema(10)).empty());
  const auto problems = ProblemsOf(schema(200));
  REQUIRE_FALSE(problems.empty());
  CHECK_THAT(problems[0].message, Catch::Contains("more than the limit of 250000 instructions"));
  CHECK(problems.size() < 200);
}

TEST_CASE("a pattern that RE2 does not know is refused with its reason") {
  const SchemaProblem problem = ProblemOf(R"_({"pattern": "(?=a)"})_");
  CHECK(problem.pointer == "/pattern");
  CHECK_THAT(problem.suggestion, Catch::Contains("look-around"));
  CHECK(ProblemOf(R"_({"pattern": "a("})_").pointer == "/pattern");
  CHECK(ProblemOf(R"_({"pattern": "(a)\\1"})_").pointer == "/pattern");
  CHECK(ProblemOf(R"_({"pattern": "((((a{100}){100}){100}){100})"})_").pointer == "/pattern");
  CHECK_THAT(ProblemsOf(Json{{"pattern", std::string(limits::kMaxSchemaPatternBytes + 1, 'a')}})
                 .at(0)
                 .message,
             Catch::Contains("1024"));
}

TEST_CASE("all problems are reported at once") {
  const auto problems = ProblemsIn(R"({
    "type": "strin", "minLenght": 2, "properties": {"a": {"enum": []}, "b": {"$ref": "#/$defs/x"}},
    "$defs": {"y": {"required": "z"}}})");
  std::vector<std::string> pointers;
  for (const SchemaProblem& problem : problems) {
    pointers.push_back(problem.pointer);
  }
  CHECK_THAT(pointers, Catch::UnorderedEquals(
                           std::vector<std::string>{"/type", "/minLenght", "/properties/a/enum",
                                                    "/properties/b/$ref", "/$defs/y/required"}));
}

TEST_CASE("the number of reported problems is bounded") {
  Json schema = Json::object();
  for (int i = 0; i < 1000; ++i) {
    schema["unknown-" + std::to_string(i)] = 1;
  }
  CHECK(ProblemsOf(schema).size() == 100);
}

TEST_CASE("a reference out of the document is refused") {
  const std::string text =
      GENERATE(as<std::string>(), "http://example.com/schema.json", "other.json#/a", "node");
  const SchemaProblem problem = ProblemsOf(Json{{"items", {{"$ref", text}}}}).at(0);
  CHECK(problem.pointer == "/items/$ref");
  CHECK_THAT(problem.message, Catch::Contains("leads out of this document"));
}

TEST_CASE("a reference that is no JSON Pointer is refused") {
  const std::string text = GENERATE(as<std::string>(), "#an chor", "#/a~2", "#/a~", "#%2", "#/%zz");
  const SchemaProblem problem = ProblemsOf(Json{{"$ref", text}}).at(0);
  CHECK(problem.pointer == "/$ref");
  CHECK_THAT(problem.message, Catch::Contains("JSON Pointer"));
}

TEST_CASE("an empty reference is one to the document itself") {
  CHECK(ProblemsIn(R"({"properties": {"next": {"$ref": ""}}})").empty());
}

TEST_CASE("a dangling reference is refused with the name that was meant") {
  const SchemaProblem problem =
      ProblemOf(R"({"$ref": "#/$defs/adress", "$defs": {"address": {}, "name": {}}})");
  CHECK(problem.pointer == "/$ref");
  CHECK(problem.suggestion == "did you mean '#/$defs/address'?");
  CHECK_THAT(ProblemOf(R"({"$ref": "#/allOf/1", "allOf": [{}]})").message,
             Catch::Contains("names nothing"));
  CHECK_THAT(ProblemOf(R"({"$ref": "#/allOf/00", "allOf": [{}]})").message,
             Catch::Contains("names nothing"));
  CHECK_THAT(ProblemOf(R"({"$ref": "#/title/x", "title": "t"})").message,
             Catch::Contains("names nothing"));
}

TEST_CASE("what a reference names must be a schema") {
  CHECK(ProblemOf(R"({"$ref": "#/required", "required": []})").pointer == "/required");
  CHECK(ProblemOf(R"({"$ref": "#/default", "default": {"tpye": "string"}})").pointer ==
        "/default/tpye");
}

TEST_CASE("a cycle of references that never descends is refused at a reference in it") {
  const auto [schema, pointer] = GENERATE(table<std::string, std::string>({
      {R"({"$ref": "#"})", "/$ref"},
      {R"({"allOf": [{"$ref": "#"}]})", "/allOf/0/$ref"},
      {R"({"not": {"anyOf": [{"oneOf": [true, {"$ref": "#"}]}]}})", "/not/anyOf/0/oneOf/1/$ref"},
      {R"({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})", "/$defs/b/$ref"},
      {R"({"$ref": "#/$defs/a/allOf/0", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}})",
       "/$defs/a/allOf/0/$ref"},
      {R"({"properties": {"x": {"anyOf": [{"$ref": "#/properties/x"}]}}})",
       "/properties/x/anyOf/0/$ref"},
  }));
  const SchemaProblem problem = ProblemOf(schema);
  CHECK(problem.pointer == pointer);
  CHECK_THAT(problem.message, Catch::Contains("without descending"));
}

TEST_CASE("a cycle of references that descends is allowed") {
  CHECK(ProblemsIn(R"({"properties": {"next": {"$ref": "#"}}})").empty());
  CHECK(ProblemsIn(R"({"items": {"$ref": "#"}})").empty());
  CHECK(ProblemsIn(R"({"prefixItems": [{"$ref": "#"}]})").empty());
  CHECK(ProblemsIn(R"({"additionalProperties": {"allOf": [{"$ref": "#"}]}})").empty());
  CHECK(ProblemsIn(R"({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}],
                       "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {}}})")
            .empty());
}

TEST_CASE("a schema with too many subschemas is refused, a very long chain of references is not") {
  const auto chain = [](size_t length) {
    Json defs = Json::object();
    for (size_t i = 0; i < length; ++i) {
      defs["d" + std::to_string(i)] = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    }
    defs["d" + std::to_string(length)] = true;
    return Json{{"$defs", defs}};
  };
  CHECK(ProblemsOf(chain(limits::kMaxSchemaNodes - 2)).empty());
  const auto problems = ProblemsOf(chain(limits::kMaxSchemaNodes));
  REQUIRE_FALSE(problems.empty());
  CHECK_THAT(problems.front().message, Catch::Contains("4096"));
}

TEST_CASE("a schema nested too deeply is refused") {
  Json schema = true;
  for (size_t i = 0; i <= limits::kMaxJsonDepth; ++i) {
    schema = Json{{"items", std::move(schema)}};
  }
  CHECK_THAT(ProblemsOf(schema).at(0).message, Catch::Contains("64"));
  CHECK(ProblemsOf(schema["items"]).empty());
}

}  // namespace
}  // namespace entente::dsl
