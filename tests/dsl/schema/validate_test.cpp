#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "dsl/schema/schema.h"

namespace entente::dsl {
namespace {

Schema Compiled(const Json& schema) {
  auto compiled = Schema::Compile(schema);
  if (const auto* problems = std::get_if<std::vector<SchemaProblem>>(&compiled)) {
    FAIL(problems->front().pointer << ": " << problems->front().message);
  }
  return std::get<Schema>(std::move(compiled));
}

std::vector<Violation> Check(const std::string& schema, const std::string& instance,
                             size_t max_violations = 20) {
  return Compiled(Json::parse(schema)).Validate(Json::parse(instance), max_violations);
}

Violation Only(const std::vector<Violation>& violations) {
  REQUIRE(violations.size() == 1);
  return violations.front();
}

const std::string kTrip = R"({
  "type": "object", "required": ["traveller", "city"], "additionalProperties": false,
  "properties": {
    "traveller": {"type": "string", "minLength": 1},
    "city": {"enum": ["Lisbon", "Oslo"]},
    "nights": {"type": "integer", "minimum": 1, "maximum": 30},
    "rooms": {"type": "array", "items": {"$ref": "#/$defs/room"}}},
  "$defs": {"room": {"type": "object", "required": ["beds"],
                     "properties": {"beds": {"type": "integer"}}}}})";

TEST_CASE("a valid instance has no violations") {
  CHECK(Check(kTrip, R"({"traveller": "Ada", "city": "Oslo", "nights": 2.0,
                         "rooms": [{"beds": 1}, {"beds": 2, "view": "sea"}]})")
            .empty());
}

TEST_CASE("every violation is reported with its place in the instance and in the schema") {
  const auto violations = Check(kTrip, R"({"traveller": "", "nights": 31, "citty": "Oslo",
                                           "rooms": [{"beds": 1}, {"beds": "two"}, 3]})");
  const std::vector<Violation> expected = {
      {"/citty", "/additionalProperties",
       "the property 'citty' is not expected here; did you mean 'city'?"},
      {"/nights", "/properties/nights/maximum", "must be at most 30, but is 31"},
      {"/rooms/1/beds", "/$defs/room/properties/beds/type",
       "must be of type integer, but is \"two\""},
      {"/rooms/2", "/$defs/room/type", "must be of type object, but is 3"},
      {"/traveller", "/properties/traveller/minLength",
       "must have at least 1 character, but has 0"},
      {"", "/required", "the property 'city' is missing"},
  };
  CHECK(violations == expected);
}

TEST_CASE("each keyword explains itself") {
  const auto [schema, instance, keyword,
              message] = GENERATE(table<std::string, std::string, std::string, std::string>({
      {"false", "1", "", "no value is allowed here"},
      {R"({"type": ["string", "null"]})", "[1]", "/type",
       "must be of type string or null, but is an array of 1"},
      {R"({"enum": [1, "a"]})", "2", "/enum", "must be one of 1, \"a\", but is 2"},
      {R"({"const": {"a": 1}})", "{}", "/const", "must be {\"a\":1}, but is an object"},
      {R"({"minimum": 1.5})", "1", "/minimum", "must be at least 1.5, but is 1"},
      {R"({"exclusiveMinimum": 1})", "1.0", "/exclusiveMinimum", "must be more than 1, but is 1.0"},
      {R"({"exclusiveMaximum": 1})", "1", "/exclusiveMaximum", "must be less than 1, but is 1"},
      {R"({"multipleOf": 0.01})", "0.015", "/multipleOf",
       "must be a multiple of 0.01, but is 0.015"},
      {R"({"maxLength": 1})", "\"\u00e9\u00e9\"", "/maxLength",
       "must have at most 1 character, but has 2"},
      {R"({"minItems": 1})", "[]", "/minItems", "must have at least 1 item, but has 0"},
      {R"({"maxProperties": 0})", "{\"a\":1}", "/maxProperties",
       "must have at most 0 properties, but has 1"},
      {R"({"uniqueItems": true})", "[3, 1, [], 1.0]", "/uniqueItems",
       "every item must be different, but items 1 and 3 are equal"},
      {R"({"pattern": "^a+$"})", "\"ab\"", "/pattern",
       "must match the pattern ^a+$, but is \"ab\""},
      {R"({"anyOf": [{"type": "string"}, {"properties": {"a": false}}]})", "{\"a\":1}", "/anyOf",
       "meets none of the allowed forms: form 0: at '', must be of type string, but is an "
       "object; form 1: at '/a', no value is allowed here"},
      {R"({"oneOf": [{"type": "string"}, {"minimum": 1}, {}]})", "2", "/oneOf",
       "meets form 1 and form 2, but only one form may be met"},
      {R"({"oneOf": [{"type": "string"}]})", "2", "/oneOf",
       "meets none of the allowed forms: form 0: at '', must be of type string, but is 2"},
      {R"({"not": {"type": "null"}})", "null", "/not", "meets the form that 'not' forbids"},
  }));
  INFO(schema << " " << instance);
  const Violation violation = Only(Check(schema, instance));
  CHECK(violation.pointer.empty());
  CHECK(violation.keyword_pointer == keyword);
  CHECK(violation.message == message);
}

TEST_CASE("violations of all branches that must hold are reported") {
  CHECK(Check(R"({"allOf": [{"minimum": 3}, {"multipleOf": 2}, {"maximum": 5}]})", "1").size() ==
        2);
}

TEST_CASE("at most the wanted number of violations is reported, and at least one") {
  CHECK(Check(R"({"items": {"type": "string"}})", "[1,2,3,4,5]").size() == 5);
  CHECK(Check(R"({"items": {"type": "string"}})", "[1,2,3,4,5]", 2).size() == 2);
  CHECK(Check(R"({"items": {"type": "string"}})", "[1,2,3,4,5]", 0).size() == 1);
  CHECK(Check(R"({"required": ["a","b","c"]})", "{}", 2).size() == 2);
  CHECK(Check(R"({"items": {"type": "string"}})", "[]", 0).empty());
}

TEST_CASE("pointers are escaped") {
  const Violation violation =
      Only(Check(R"({"properties": {"a/b~": {"items": false}}})", R"({"a/b~": [1]})"));
  CHECK(violation.pointer == "/a~1b~0/0");
  CHECK(violation.keyword_pointer == "/properties/a~1b~0/items");
}

TEST_CASE("numbers beyond 2^53 are compared exactly") {
  CHECK(Check(R"({"maximum": 9007199254740992})", "9007199254740992").empty());
  CHECK(Check(R"({"maximum": 9007199254740992})", "9007199254740993").size() == 1);
  CHECK(Check(R"({"maximum": 9007199254740992.0})", "9007199254740993").size() == 1);
  CHECK(Check(R"({"const": 9007199254740993})", "9007199254740992").size() == 1);
  CHECK(Check(R"({"enum": [18446744073709551615]})", "18446744073709551615").empty());
  CHECK(Check(R"({"uniqueItems": true})", "[9007199254740993, 9007199254740992.0]").empty());
}

TEST_CASE("a limit larger than any count is kept in order") {
  CHECK(Check(R"({"maxLength": 1e300})", "\"abc\"").empty());
  CHECK(Check(R"({"minLength": 1e300})", "\"abc\"").size() == 1);
  CHECK(Check(R"({"maxItems": 18446744073709551615})", "[1]").empty());
}

TEST_CASE("a pattern matches anywhere unless it is anchored, and by code points") {
  CHECK(Check(R"({"pattern": "b"})", "\"abc\"").empty());
  CHECK(Check(R"({"pattern": "^.$"})", "\"\u00e9\"").empty());
  CHECK(Check(R"({"pattern": "^\\p{L}+$"})", "\"\u00e9a\"").empty());
  CHECK(Check(R"({"pattern": "^a$"})", "\"a\\n\"").size() == 1);
  CHECK(Check(R"({"pattern": "a"})", "1").empty());
}

TEST_CASE("what is wrong is said where it is, in the words of the schema") {
  const auto [schema, instance, pointer, keyword, part] =
      GENERATE(table<std::string, std::string, std::string, std::string, std::string>({
          {R"({"properties": {"at": {"format": "date-time"}}})", R"({"at": "tomorrow"})", "/at",
           "/properties/at/format", "date-time"},
          {R"({"pattern": "^\\s$"})", R"("x")", "", "/pattern", R"(the pattern ^\s$,)"},
          {R"({"patternProperties": {"^n/": {"type": "number"}}})", R"({"n/a": "x"})", "/n~1a",
           "/patternProperties/^n~1/type", "number"},
          {R"({"propertyNames": {"maxLength": 2}})", R"({"abc": 1})", "/abc",
           "/propertyNames/maxLength", "at most 2"},
          {R"({"contains": {"const": 1}})", "[2, 3]", "", "/contains", "at least 1"},
          {R"({"contains": {"const": 1}, "minContains": 2})", "[1]", "", "/minContains",
           "but has 1"},
          {R"({"contains": {"const": 1}, "maxContains": 1})", "[1, 1]", "", "/maxContains",
           "but has 2"},
          {R"({"if": {"required": ["a"]}, "then": {"required": ["b"]}})", R"({"a": 1})", "",
           "/then/required", "'b' is missing"},
          {R"({"if": {"required": ["a"]}, "else": {"required": ["b"]}})", "{}", "",
           "/else/required", "'b' is missing"},
          {R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1})", "", "/dependentRequired",
           "'b' is missing"},
          {R"({"dependentSchemas": {"a": {"required": ["b"]}}})", R"({"a": 1})", "",
           "/dependentSchemas/a/required", "'b' is missing"},
          {R"({"properties": {"a": {}}, "unevaluatedProperties": false})", R"({"a": 1, "b": 2})",
           "/b", "/unevaluatedProperties", "not expected"},
          {R"({"prefixItems": [{}], "unevaluatedItems": {"type": "null"}})", "[1, 2]", "/1",
           "/unevaluatedItems/type", "null"},
      }));
  CAPTURE(schema, instance);
  const Violation violation = Only(Check(schema, instance));
  CHECK(violation.pointer == pointer);
  CHECK(violation.keyword_pointer == keyword);
  CHECK_THAT(violation.message, Catch::Contains(part));
}

TEST_CASE("a failed neighbour does not make everything else unexpected") {
  const Violation violation =
      Only(Check(R"({"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"],
                     "unevaluatedProperties": false})",
                 R"({"a": 1, "b": 2})"));
  CHECK(violation.pointer == "/a");
}

TEST_CASE("keeping what was looked at costs work, and that is bounded") {
  // Each level looks at all of the value twice, with marks of its own.
  Json schema = {{"unevaluatedItems", false}, {"$ref", "#/$defs/d0"}};
  for (int i = 0; i < 40; ++i) {
    const Json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
    schema["$defs"]["d" + std::to_string(i)] = {{"anyOf", {next, next}}};
  }
  schema["$defs"]["d40"] = {{"items", true}};
  const auto violations = Check(schema.dump(), Json(std::vector<int>(1000, 1)).dump());
  CHECK_THAT(Only(violations).message, Catch::Contains("steps"));
}

TEST_CASE("a recursive schema follows its instance down") {
  const std::string tree = R"({"type": "object", "required": ["value"], "properties": {
      "value": {"type": "number"}, "children": {"items": {"$ref": "#"}}}})";
  CHECK(Check(tree, R"({"value": 1, "children": [{"value": 2, "children": []}]})").empty());
  const Violation violation =
      Only(Check(tree, R"({"value": 1, "children": [{"value": 2, "children": [{}]}]})"));
  CHECK(violation.pointer == "/children/0/children/0");
  CHECK(violation.keyword_pointer == "/required");
}

// Definitions d0 to d63, each of which applies the one below it twice; d0 asks for an integer.
Json Doubling() {
  Json defs = {{"d0", {{"type", "integer"}}}};
  for (int i = 1; i < 64; ++i) {
    const Json below = {{"$ref", "#/$defs/d" + std::to_string(i - 1)}};
    defs["d" + std::to_string(i)] = {{"allOf", {below, below}}};
  }
  return defs;
}

TEST_CASE("work that doubles with every reference is cut off") {
  Json schema = Json::parse(GENERATE(as<std::string>(), R"({"$ref": "#/$defs/d63"})",
                                     R"({"not": {"$ref": "#/$defs/d63"}})",
                                     R"({"anyOf": [{"not": {"$ref": "#/$defs/d63"}}, true]})"));
  schema["$defs"] = Doubling();
  const Violation violation = Only(Compiled(schema).Validate(Json(1)));
  CHECK_THAT(violation.message, Catch::Contains("10000000 steps"));
}

TEST_CASE("searching a long text with a large pattern is work") {
  const Json text(std::string(size_t{1} << 19, 'a'));
  const Violation violation =
      Only(Compiled({{"pattern", "[^,]{1,64}@[^,]{1,255}"}}).Validate(text));
  CHECK_THAT(violation.message, Catch::Contains("10000000 steps"));
  CHECK(Compiled({{"pattern", "^[a-z]+$"}}).Validate(text).empty());
}

TEST_CASE("what was found before the work was cut off is reported, and nothing made up") {
  Json schema =
      Json::parse(R"({"allOf": [{"type": "string"}, {"anyOf": [{"$ref": "#/$defs/d63"}]}]})");
  schema["$defs"] = Doubling();
  CHECK(Only(Compiled(schema).Validate(Json(1))).keyword_pointer == "/allOf/0/type");
}

TEST_CASE("a chain of references longer than the bound makes the value invalid, not the stack") {
  Json defs = {{"d0", true}};
  for (int i = 1; i < 2000; ++i) {
    defs["d" + std::to_string(i)] = {{"$ref", "#/$defs/d" + std::to_string(i - 1)}};
  }
  const Json schema = {{"$defs", defs}, {"$ref", "#/$defs/d1999"}};
  const Violation violation = Only(Compiled(schema).Validate(Json(1)));
  CHECK_THAT(violation.message, Catch::Contains("512"));
}

TEST_CASE("the deepest instance that is accepted at the door validates") {
  Json instance = 1;
  for (size_t i = 0; i < limits::kMaxJsonDepth; ++i) {
    instance = Json::array({std::move(instance)});
  }
  const Schema schema = Compiled(Json::parse(
      R"({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]})"));
  CHECK(schema.Validate(instance).empty());
  CHECK_FALSE(schema.Validate(Json::array({instance, "x"})).empty());
}

TEST_CASE("messages and pointers stay short whatever the instance holds") {
  const std::string huge(500'000, 'x');
  for (const char* schema :
       {R"({"additionalProperties": false})", R"({"additionalProperties": {"maxLength": 1}})",
        R"({"anyOf": [{"additionalProperties": {"enum": ["a"]}}, {"type": "null"}]})"}) {
    const Violation violation = Only(Compiled(Json::parse(schema)).Validate(Json{{huge, huge}}));
    CHECK(violation.pointer.size() < 1100);
    CHECK(violation.message.size() < 1200);
  }
}

TEST_CASE("a large instance validates") {
  Json instance = Json::array();
  for (int i = 0; i < 100'000; ++i) {
    instance.push_back({{"id", i}});
  }
  const Schema schema = Compiled(Json::parse(
      R"({"uniqueItems": true, "items": {"required": ["id"], "properties": {"id": {"minimum": 0}},
          "additionalProperties": false}})"));
  CHECK(schema.Validate(instance).empty());
  instance.push_back({{"id", 7}});
  CHECK(schema.Validate(instance).size() == 1);
}

TEST_CASE("a copy of a schema outlives the original and serves other threads") {
  std::vector<Violation> here;
  std::vector<Violation> there;
  {
    const Schema copy = [] { return Compiled(Json{{"pattern", "^a"}}); }();
    std::thread other([copy, &there] { there = copy.Validate(Json("b")); });
    here = copy.Validate(Json("b"));
    other.join();
  }
  CHECK(here.size() == 1);
  CHECK(here == there);
}

}  // namespace
}  // namespace entente::dsl
