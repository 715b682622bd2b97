// What is no mistake, or was none when it was registered.
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

std::vector<Problem> WarningsOf(const std::string& source, CompileOptions options = {}) {
  std::vector<Problem> warnings;
  options.offline = true;
  options.warn = [&warnings](Problem warning) { warnings.push_back(std::move(warning)); };
  const CompileResult result = Compile(source, options);
  if (const auto* problems = std::get_if<Problems>(&result)) {
    FAIL(Describe(*problems));
  }
  return warnings;
}

// A step that may be skipped, and what reads it.
std::string Reading(const std::string& reader, const std::string& output = "null") {
  return R"({"name": "x", "participants": {"a": {"http": "http://a"}}, "output": )" + output +
         R"(, "steps": [
      {"id": "maybe", "participant": "a", "when": "${input.maybe}", "action": {"post": "/maybe"},
       "compensate": {"delete": "/${steps.maybe.output.id}", "whenUnknown": "incident"}},
      {"id": "always", "participant": "a", "action": {"post": "/always"}, "compensate": null},
      )" +
         reader + "]}";
}

std::string Using(const std::string& body, const std::string& more = "") {
  return R"({"id": "use", "participant": "a", "compensate": null, )" + more +
         R"("action": {"post": "/use", "body": )" + body + "}}";
}

TEST_CASE("an output that may not be there is warned of where a member of it is read") {
  const std::string body = GENERATE(
      as<std::string>(), R"({"id": "${steps.maybe.output.id}"})", R"("${steps.maybe.output.a.b}")",
      R"(["x ${steps.always.output.id} ${1 + steps.maybe.output.n}"])");
  CAPTURE(body);
  const auto warnings = WarningsOf(Reading(Using(body)));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].code == "definition.may_be_skipped");
  CHECK(warnings[0].warning);
  CHECK(warnings[0].pointer.starts_with("/steps/2/action/body"));
  CHECK(warnings[0].line > 0);
  CHECK_THAT(warnings[0].suggestion, Catch::Contains("steps.maybe.status == 'done'"));
}

TEST_CASE("the result of the whole is warned of as well") {
  const auto warnings = WarningsOf(Reading(Using("1"), R"({"n": "${steps.maybe.output.n}"})"));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].pointer == "/output/n");
}

TEST_CASE("who thought of it is not warned") {
  const std::string reader = GENERATE(
      Using(R"("${steps.maybe.output}")"), Using(R"("${steps.always.output.id}")"),
      Using(R"("${steps.maybe.status == 'done' ? steps.maybe.output.id : 0}")"),
      Using(R"("${steps.maybe.output.id}")", R"("when": "${input.maybe}", )"),
      Using(R"("${steps.maybe.output.id}")", R"("when": "${steps.maybe.status == 'done'}", )"));
  CAPTURE(reader);
  CHECK(WarningsOf(Reading(reader)).empty());
}

TEST_CASE("a child transaction that is not there is warned of where it is named") {
  const std::string source =
      R"({"name": "x", "steps": [
           {"id": "a", "action": {"transaction": {"definition": "there"}},
            "compensate": {"transaction": {"definition": "missing", "version": 3}}}]})";
  CompileOptions options;
  CHECK(WarningsOf(source, options).empty());  // Nobody can tell.
  options.has_definition = [](const std::string& name, std::optional<uint32_t> version) {
    return name == "there" && !version;
  };
  const auto warnings = WarningsOf(source, options);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].code == "definition.child_not_found");
  CHECK(warnings[0].pointer == "/steps/0/compensate/transaction/definition");
  CHECK_THAT(warnings[0].message, Catch::Contains("'missing' of version 3"));
}

TEST_CASE("a rule that came later does not hold for what is stored") {
  const std::string source =
      R"({"name": "x", "participants": {"a": {"http": "http://a"}, "b": {"http": "http://b"}},
          "steps": [{"id": "pay", "participant": "a", "action": {"put": "/card/${key}"},
                     "alternatives": [{"participant": "b", "put": "/paypal/${key}"}],
                     "compensate": {"delete": "/card/${key}"}}]})";
  const auto problems = ProblemsOf(source);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].code == "definition.alternative_not_settled");
  CHECK(problems[0].pointer == "/steps/0/alternatives/0");
  CompileOptions stored;
  stored.stored = true;
  CHECK(ProblemsOf(source, stored).empty());
}

TEST_CASE("a star in the allow-list stands for any characters") {
  const auto [pattern, name, allowed] = GENERATE(table<std::string, std::string, bool>({
      {"A_URL", "A_URL", true},
      {"A_URL", "A_URLS", false},
      {"*", "ANY", true},
      {"TRAVEL_*", "TRAVEL_", true},
      {"TRAVEL_*", "TRAVEL_URL", true},
      {"TRAVEL_*", "TRAVE", false},
      {"*_URL", "A_URL", true},
      {"*_URL", "_URL", true},
      {"*_URL", "A_URL_URL", true},
      {"*_URL", "A_URLX", false},
      {"A_*_URL", "A_B_C_URL", true},
      {"A_*_URL", "A_URL", false},
      {"**URL*", "MY_URL_2", true},
      {"*A*A*A", "AAB", false},
  }));
  CAPTURE(pattern, name);
  CompileOptions options;
  options.allowed_env = {pattern};
  options.lookup_env = [](const std::string&) { return "http://a"; };
  const auto problems = ProblemsOf(
      R"({"name": "x", "participants": {"a": {"http": "${env.)" + name +
          R"(}"}}, "steps": [{"id": "a", "participant": "a", "compensate": null, "action": {"post": "/"}}]})",
      options);
  CHECK(problems.empty() == allowed);
}

}  // namespace
}  // namespace entente::dsl
