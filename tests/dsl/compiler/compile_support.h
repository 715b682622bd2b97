// What the tests of the compiler share.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "dsl/compiler.h"

namespace entente::dsl {

inline std::filesystem::path CaseFolder() {
  return std::filesystem::path(ENTENTE_SOURCE_DIR) / "tests/dsl/compiler/cases";
}

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The .json files of a folder, sorted.
inline std::vector<std::filesystem::path> JsonFiles(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline std::vector<std::filesystem::path> GoodFiles() {
  auto files = JsonFiles(CaseFolder() / "good");
  const auto travel =
      JsonFiles(std::filesystem::path(ENTENTE_SOURCE_DIR) / "examples/travel/definitions");
  REQUIRE_FALSE(travel.empty());
  files.insert(files.end(), travel.begin(), travel.end());
  return files;
}

// An environment in which the cases compile.
inline CompileOptions TestOptions() {
  CompileOptions options;
  options.allowed_env = {"FLIGHTS_URL",  "HOTELS_ADDR", "HOTELS_URL", "CARS_URL",
                         "PAYMENTS_URL", "TOKEN",       "UNSET_*"};
  options.lookup_env = EnvFrom({{"FLIGHTS_URL", "http://flights.test:7001/api/"},
                                {"HOTELS_ADDR", "hotels.test:7002"},
                                {"HOTELS_URL", "http://hotels.test:7003"},
                                {"CARS_URL", "https://cars.test"},
                                {"PAYMENTS_URL", "http://[::1]:7004"},
                                {"TOKEN", "secret"},
                                {"FORBIDDEN", "never read"}});
  return options;
}

inline std::string Describe(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems) {
    text += FormatProblem(problem) + " [" + problem.code + "]\n";
  }
  return text;
}

// The problems of `source`; empty if it compiles.
inline Problems ProblemsOf(std::string_view source, const CompileOptions& options = TestOptions()) {
  CompileResult result = Compile(source, options);
  const auto* problems = std::get_if<Problems>(&result);
  return problems == nullptr ? Problems() : *problems;
}

// The plan of `source`, which is correct.
inline std::shared_ptr<const Plan> PlanOf(std::string_view source,
                                          const CompileOptions& options = TestOptions()) {
  CompileResult result = Compile(source, options);
  if (const auto* problems = std::get_if<Problems>(&result)) {
    FAIL(Describe(*problems));
  }
  return std::get<std::shared_ptr<const Plan>>(result);
}

}  // namespace entente::dsl
