// Definitions read from files, without a coordinator.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "dsl/compiler.h"

namespace entente::cli {

struct Context;

// Either `unreadable`, or `source` and then `plan` or `problems`.
struct Compiled {
  Status unreadable;
  std::string source;  // As it is written.
  std::string json;    // The same as JSON.
  std::shared_ptr<const dsl::Plan> plan;
  dsl::Problems problems;  // Beside a plan: what it is warned of.
};

// Compiles a file ("-": standard input) without an environment: any `env` name may be used.
[[nodiscard]] Compiled CompileFile(Context& context, const std::string& path);

// Every problem on stderr, with its line and a caret.
void PrintProblems(Context& context, const std::string& file, const Compiled& compiled);

[[nodiscard]] Json ProblemsJson(const dsl::Problems& problems);

}  // namespace entente::cli
