// Definitions that were broken at random, by seed: whatever comes out, the compiler answers.
#include <random>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/graph.h"
#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

constexpr uint32_t kSeeds = 400;

// Problems are shown to people and sent as JSON: each has to be complete and point into the text.
void CheckAnswer(std::string_view source, const CompileResult& result) {
  const auto* problems = std::get_if<Problems>(&result);
  if (problems == nullptr) {
    const auto& plan = std::get<std::shared_ptr<const Plan>>(result);
    REQUIRE(plan != nullptr);
    CHECK_FALSE(ToMermaid(*plan).empty());
    CHECK_FALSE(ToDot(*plan).empty());
    return;
  }
  REQUIRE_FALSE(problems->empty());
  const auto lines = static_cast<size_t>(std::count(source.begin(), source.end(), '\n')) + 1;
  for (const Problem& problem : *problems) {
    INFO(FormatProblem(problem));
    CHECK(problem.line >= 1);
    CHECK(problem.line <= lines);
    CHECK(problem.column >= 1);
    CHECK_FALSE(problem.message.empty());
    CHECK((problem.code.starts_with("definition.") || problem.code.starts_with("json.")));
  }
}

// Every value inside `json`, containers before what they hold.
void Collect(Json& json, std::vector<Json*>* values) {
  values->push_back(&json);
  if (json.is_structured()) {
    for (Json& child : json) {
      Collect(child, values);
    }
  }
}

Json RandomValue(std::mt19937& random) {
  static const std::vector<Json> kValues = {nullptr,
                                            true,
                                            -1,
                                            1.5,
                                            18446744073709551615U,
                                            "",
                                            "${",
                                            "${}",
                                            "${key}",
                                            "1s",
                                            "flight",
                                            Json::array(),
                                            Json::object(),
                                            {1, "a"},
                                            {{"a", 1}},
                                            {{"get", "/"}},
                                            "${steps}",
                                            "${steps.flight.output}",
                                            "\xF0\x9F\x99\x82",
                                            std::string(200, 'x')};
  return kValues[random() % kValues.size()];
}

// Replaces, removes, renames or moves a few values.
Json Mutate(Json json, std::mt19937& random) {
  for (size_t change = 0; change <= random() % 4; ++change) {
    std::vector<Json*> values;
    Collect(json, &values);
    Json& target = *values[random() % values.size()];
    const Json donor = *values[random() % values.size()];
    const auto kind = random() % 5;
    if (kind == 0) {
      target = RandomValue(random);
    } else if (kind == 1) {
      target = donor;
    } else if (target.is_object() && !target.empty()) {
      auto member = target.begin();
      std::advance(member, static_cast<std::ptrdiff_t>(random() % target.size()));
      const std::string key = member.key();
      const Json value = member.value();
      target.erase(key);
      if (kind == 2) {
        target[key.substr(0, key.size() / 2)] = value;
      } else if (kind == 3) {
        target["body"] = value;
      }
    } else if (target.is_array() && !target.empty()) {
      target.push_back(donor);
    }
  }
  return json;
}

TEST_CASE("definitions whose values were changed at random get an answer") {
  std::vector<Json> bases;
  for (const auto& file : GoodFiles()) {
    bases.push_back(*ParseJson(ReadFile(file), limits::kDefinitionJson));
  }
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const std::string source = Mutate(bases[seed % bases.size()], random).dump(2);
    CheckAnswer(source, Compile(source, TestOptions()));
  }
}

TEST_CASE("definitions whose bytes were changed at random get an answer") {
  std::vector<std::string> bases;
  for (const auto& file : GoodFiles()) {
    bases.push_back(ReadFile(file));
  }
  constexpr std::string_view kBytes = "{}[]\",:\\$0a\n\x80\xC3";
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::string source = bases[seed % bases.size()];
    for (size_t change = 0; change <= random() % 3; ++change) {
      const size_t at = random() % source.size();
      switch (random() % 3) {
        case 0: source[at] = kBytes[random() % kBytes.size()]; break;
        case 1: source.erase(at, random() % 20); break;
        default: source.insert(at, 1, kBytes[random() % kBytes.size()]);
      }
    }
    CheckAnswer(source, Compile(source, TestOptions()));
  }
}

TEST_CASE("a definition of the largest size with hostile keys is answered") {
  // Deep pointers, long keys and many members: no part of the compiler may multiply them.
  std::string source = "{\"" + std::string(400'000, 'k') + "\": [";
  while (source.size() < limits::kMaxDefinitionBytes - 100) {
    source += "{\"x\": [1]},";
  }
  source += "0]}";
  CheckAnswer(source, Compile(source, TestOptions()));
  std::string fields = "{\"name\": \"x\"";
  for (size_t i = 0; fields.size() < limits::kMaxDefinitionBytes - 100; ++i) {
    fields += ",\"f" + std::to_string(i) + "\":0";
  }
  fields += "}";
  CheckAnswer(fields, Compile(fields, TestOptions()));
}

}  // namespace
}  // namespace entente::dsl
