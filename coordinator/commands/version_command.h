// `entente version`: which release this is, and which libraries it runs with.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace entente::coordinator {

// {"version": ..., "libraries": [{"name": ..., "version": ...}, ...]}, by name. The versions are
// those that run, where a library tells its own, and else those it was compiled with.
[[nodiscard]] std::string VersionJson();

void AddVersionCommand(CLI::App& app);

}  // namespace entente::coordinator
