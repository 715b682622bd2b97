// Golden scenarios: a definition, the inputs of a transaction one per line, and after each of them
// everything the engine decided. docs in tests/scenarios/README.md.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace entente::engine::test {

// Every tests/scenarios/*.scenario, sorted by name.
[[nodiscard]] std::vector<std::filesystem::path> ScenarioFiles();

// Runs the script and returns it with the output it produces now. Throws std::runtime_error naming
// the line when the script or the engine is wrong.
[[nodiscard]] std::string RunScenario(const std::string& text);

[[nodiscard]] std::string ReadFile(const std::filesystem::path& path);

}  // namespace entente::engine::test
