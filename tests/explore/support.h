// A definition, compiled and explored.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/compiler.h"
#include "explore/explore.h"

namespace entente::explore::test {

struct Definition {
  std::shared_ptr<const dsl::Plan> plan;
  Json source;
};

// Throws std::runtime_error with the first problem if it does not compile.
[[nodiscard]] Definition Compile(std::string_view text);
[[nodiscard]] Definition CompileFile(const std::string& path);

// Explores with the invariants of every state checked. Throws if it can not be explored.
[[nodiscard]] ExploreReport Walk(const Definition& definition, ExploreOptions options = {});

// "code step" of each finding, in order.
[[nodiscard]] std::vector<std::string> Codes(const ExploreReport& report);

// A definition named "d" with two REST participants, a and b, and these steps; `more` is put before
// them.
[[nodiscard]] std::string WithSteps(const std::string& steps, const std::string& more = "");

}  // namespace entente::explore::test
