// Runs the tables in cases/*.json: an expression, its data, and the value, the error or the parse
// error with its offset that it must give. They follow the sections of CEL's language definition.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "dsl/cel/expression.h"

namespace entente::dsl::cel {
namespace {

std::vector<std::filesystem::path> TableFiles() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(ENTENTE_SOURCE_DIR) / "tests/dsl/cel/cases")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Json ReadTable(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  return Json::parse(text.str());
}

void CheckCase(const Json& test) {
  const std::string text = test.at("expression").get<std::string>();
  const Json data = test.value("data", Json::object());
  INFO("expression: " << text);
  INFO("data: " << data);
  const Expression::ParseResult parsed = Expression::Parse(text);
  if (const ParseError* error = std::get_if<ParseError>(&parsed)) {
    INFO("parse error at " << error->offset << ": " << error->message);
    CHECK(test.value("parseError", "") == error->message);
    CHECK(test.value("offset", size_t{0}) == error->offset);
    return;
  }
  CHECK_FALSE(test.contains("parseError"));
  const Result<Json> result = std::get<Expression>(parsed).EvaluateToJson(Activation(data));
  if (!result.ok()) {
    INFO("error: " << result.status().message());
    CHECK(result.status().code() == StatusCode::kInvalidArgument);
    CHECK(result.status().reason() == "expression.error");
    CHECK(test.value("error", "") == result.status().message());
    return;
  }
  REQUIRE(test.contains("value"));
  // Json takes 1 and 1.0 for equal, the text does not.
  CHECK(DumpJson(*result) == DumpJson(test.at("value")));
}

TEST_CASE("expressions give what the tables say") {
  const std::vector<std::filesystem::path> files = TableFiles();
  REQUIRE(files.size() >= 8);
  size_t count = 0;
  for (const std::filesystem::path& file : files) {
    for (const Json& section : ReadTable(file)) {
      INFO(file.filename().string() << ": " << section.at("section"));
      for (const Json& test : section.at("cases")) {
        CheckCase(test);
        ++count;
      }
    }
  }
  CHECK(count > 500);
}

}  // namespace
}  // namespace entente::dsl::cel
