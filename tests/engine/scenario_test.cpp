#include "tests/engine/scenario.h"

#include <cstdlib>
#include <fstream>

#include <catch2/catch.hpp>

namespace entente::engine::test {

// ENTENTE_UPDATE_SCENARIOS=1 writes what the engine says now; read the difference before keeping
// it.
TEST_CASE("every golden scenario unfolds as written") {
  const bool update = std::getenv("ENTENTE_UPDATE_SCENARIOS") != nullptr;
  const auto files = ScenarioFiles();
  REQUIRE(files.size() >= 14);
  for (const auto& file : files) {
    DYNAMIC_SECTION(file.stem().string()) {
      const std::string expected = ReadFile(file);
      const std::string actual = RunScenario(expected);
      if (update) {
        std::ofstream(file) << actual;
      } else {
        CHECK(actual == expected);
      }
    }
  }
}

}  // namespace entente::engine::test
