#include "dsl/schema/sensitive.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <variant>

namespace entente::dsl {
namespace {

Schema SchemaOf(const std::string& text) {
  auto compiled = Schema::Compile(Json::parse(text));
  REQUIRE(std::holds_alternative<Schema>(compiled));
  return std::get<Schema>(std::move(compiled));
}

std::set<std::string> PartsOf(const std::string& schema, const std::string& instance) {
  const Json value = Json::parse(instance);
  std::set<std::string> pointers;
  for (const SensitivePart& part : SensitiveParts(SchemaOf(schema), value)) {
    CHECK(*part.value == value.at(Json::json_pointer(part.pointer)));
    pointers.insert(part.pointer);
  }
  return pointers;
}

using Pointers = std::set<std::string>;

}  // namespace

TEST_CASE("members are sensitive where their schema says so") {
  const std::string schema = R"({"properties": {"card": {"sensitive": true}, "city": {},
      "a/b": {"sensitive": true}, "who": {"sensitive": false}}})";
  CHECK(HasSensitive(SchemaOf(schema)));
  CHECK(PartsOf(schema, R"({"card": {"no": 1}, "city": "Rome", "a/b": 1, "who": 2})") ==
        Pointers{"/card", "/a~1b"});
  CHECK(PartsOf(schema, "7").empty());
  CHECK_FALSE(HasSensitive(SchemaOf(R"({"properties": {"card": {"sensitive": false}}})")));
}

TEST_CASE("every keyword that reaches a value reaches what of it is sensitive") {
  const auto [schema, instance, pointers] = GENERATE(table<std::string, std::string, Pointers>({
      {R"({"sensitive": true})", "1", {""}},
      {R"({"items": {"sensitive": true}})", "[1, 2]", {"/0", "/1"}},
      {R"({"prefixItems": [{}, {"sensitive": true}], "items": {}})", "[1, 2, 3]", {"/1"}},
      {R"({"contains": {"sensitive": true}})", "[1]", {"/0"}},
      {R"({"patternProperties": {"^x": {"sensitive": true}}})", R"({"x1": 1, "y": 2})", {"/x1"}},
      {R"({"properties": {"a": {}}, "additionalProperties": {"sensitive": true}})",
       R"({"a": 1, "b": 2})",
       {"/b"}},
      {R"({"properties": {"a": {}}, "unevaluatedProperties": {"sensitive": true}})",
       R"({"b": 2})",
       {"/b"}},
      {R"({"$defs": {"s": {"sensitive": true}}, "properties": {"a": {"$ref": "#/$defs/s"}}})",
       R"({"a": 1})",
       {"/a"}},
      {R"({"allOf": [{"properties": {"a": {"sensitive": true}}}]})", R"({"a": 1})", {"/a"}},
      {R"({"dependentSchemas": {"z": {"properties": {"a": {"sensitive": true}}}}})",
       R"({"a": 1})",
       {"/a"}},
  }));
  CAPTURE(schema);
  CHECK(PartsOf(schema, instance) == pointers);
}

TEST_CASE("a branch that is not met says what is sensitive all the same") {
  const std::string sensitive = R"({"properties": {"k": {"const": 1}, "a": {"sensitive": true}}})";
  const std::string schema =
      GENERATE(as<std::string>(), R"({"anyOf": [true, @]})", R"({"oneOf": [true, @]})",
               R"({"not": @})", R"({"if": @})", R"({"if": true, "else": @})");
  std::string whole = schema;
  whole.replace(whole.find('@'), 1, sensitive);
  CHECK(PartsOf(whole, R"({"k": 2, "a": 1})") == Pointers{"/a"});
}

TEST_CASE("a schema that refers to itself is followed as far as the value goes, and no further") {
  const std::string schema =
      R"({"properties": {"next": {"$ref": "#"}, "pin": {"sensitive": true}}})";
  CHECK(PartsOf(schema, R"({"pin": 1, "next": {"pin": 2, "next": {}}})") ==
        Pointers{"/pin", "/next/pin"});
  // Two ways to each of 40 levels: a walk that took them all would take longer than the sun lasts.
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) {
    deep = R"({"n": )" + deep + "}";
  }
  CHECK(PartsOf(R"({"sensitive": false, "$defs": {"s": {"sensitive": true}},
                    "properties": {"n": {"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}]}}})",
                deep)
            .empty());
}

TEST_CASE("a refusal does not show what is sensitive") {
  const Schema schema = SchemaOf(R"({"required": ["city"], "properties": {
      "card": {"sensitive": true, "pattern": "^[0-9]+$", "enum": ["1"]},
      "pay": {"anyOf": [{"properties": {"iban": {"sensitive": true, "type": "integer"}}}, false]},
      "city": {"enum": ["Rome"]}}})");
  const auto violations = schema.Validate(
      Json::parse(R"({"card": "hunter22", "pay": {"iban": "hunter22"}, "town": "Oslo"})"));
  std::string said;
  for (const Violation& violation : violations) {
    said += violation.pointer + ": " + violation.message + "\n";
  }
  CAPTURE(said);
  CHECK(said.find("hunter22") == std::string::npos);
  CHECK(said.find("/card: is not as the schema asks for") != std::string::npos);
  CHECK(said.find("city") != std::string::npos);  // What is not sensitive is told as ever.
}

TEST_CASE("sensitive is true or false") {
  const auto compiled = Schema::Compile(Json::parse(R"({"sensitive": "yes"})"));
  CHECK(std::holds_alternative<std::vector<SchemaProblem>>(compiled));
}

}  // namespace entente::dsl
