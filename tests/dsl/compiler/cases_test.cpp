// The cases/ folder: definitions that compile, definitions with all their problems written beside
// them, and a table of single mistakes.
#include <algorithm>
#include <cstdlib>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

TEST_CASE("every good definition compiles") {
  for (const auto& file : GoodFiles()) {
    INFO(file);
    const Problems problems = ProblemsOf(ReadFile(file));
    INFO(Describe(problems));
    CHECK(problems.empty());
  }
}

TEST_CASE("every good definition compiles offline, without any environment") {
  CompileOptions offline;
  offline.offline = true;
  for (const auto& file : GoodFiles()) {
    INFO(file);
    const Problems problems = ProblemsOf(ReadFile(file), offline);
    INFO(Describe(problems));
    CHECK(problems.empty());
  }
}

// Beside NAME.json stands NAME.expected: each problem as users see it. With the environment
// variable ENTENTE_UPDATE_GOLDEN set the files are written anew, to be reviewed.
TEST_CASE("a bad definition's problems are those written beside it") {
  for (const auto& file : JsonFiles(CaseFolder() / "bad")) {
    INFO(file);
    const std::string actual = Describe(ProblemsOf(ReadFile(file)));
    auto expected_file = file;
    expected_file.replace_extension(".expected");
    if (std::getenv("ENTENTE_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(expected_file, std::ios::binary) << actual;
    }
    CHECK_FALSE(actual.empty());
    CHECK(actual == ReadFile(expected_file));
  }
}

// Each row of mistakes.json changes a good definition by a JSON Patch (RFC 6902) and names the
// problems, as "POINTER CODE", that this has to cause: these and no others.
TEST_CASE("a single mistake causes the stated problem and no other") {
  const auto table = ParseJson(ReadFile(CaseFolder() / "mistakes.json"), limits::kDefinitionJson);
  INFO(table.status());
  REQUIRE(table.ok());
  for (const Json& row : *table) {
    INFO(row["name"]);
    const std::string base = row.value("base", "everything");
    const auto good =
        ParseJson(ReadFile(CaseFolder() / "good" / (base + ".json")), limits::kDefinitionJson);
    REQUIRE(good.ok());
    const Json changed = good->patch(row["patch"]);
    const Problems problems = ProblemsOf(changed.dump(2));
    INFO(Describe(problems));
    std::vector<std::string> actual;
    for (const Problem& problem : problems) {
      actual.push_back(problem.pointer + " " + problem.code.substr(problem.code.find('.') + 1));
    }
    std::vector<std::string> expected = row["problems"];
    std::sort(actual.begin(), actual.end());
    std::sort(expected.begin(), expected.end());
    CHECK(actual == expected);
    if (row.contains("says")) {
      CHECK_THAT(Describe(problems), Catch::Contains(row["says"].get<std::string>()));
    }
  }
}

}  // namespace
}  // namespace entente::dsl
