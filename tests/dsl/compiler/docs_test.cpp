// What docs/definitions.md shows is what the compiler takes.
#include <catch2/catch.hpp>

#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

// The blocks of JSON in a document, as they stand there.
std::vector<std::string> JsonBlocks(const std::string& document) {
  static constexpr std::string_view kOpen = "```json\n";
  std::vector<std::string> blocks;
  for (size_t at = document.find(kOpen); at != std::string::npos; at = document.find(kOpen, at)) {
    at += kOpen.size();
    blocks.push_back(document.substr(at, document.find("```", at) - at));
  }
  return blocks;
}

TEST_CASE("every definition in the documentation compiles") {
  CompileOptions offline;
  offline.offline = true;
  size_t compiled = 0;
  for (const std::string& block :
       JsonBlocks(ReadFile(std::filesystem::path(ENTENTE_SOURCE_DIR) / "docs/definitions.md"))) {
    if (block.find("\"steps\"") == std::string::npos) {
      continue;  // A part of one.
    }
    INFO(block);
    const Problems problems = ProblemsOf(block, offline);
    INFO(Describe(problems));
    CHECK(problems.empty());
    ++compiled;
  }
  CHECK(compiled >= 4);
}

}  // namespace
}  // namespace entente::dsl
