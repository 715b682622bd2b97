// Environment: what `env` names while a definition is compiled.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "dsl/compiler.h"
#include "dsl/problem_list.h"

namespace entente::dsl {

// Resolves names by the options and remembers what it resolved. Borrows both arguments.
class Environment {
 public:
  Environment(const CompileOptions& options, ProblemList& problems)
      : options_(options), problems_(problems) {}

  // Resolves `name`, which is used at byte `offset` of the string at `pointer`, or reports that it
  // is not allowed or not set. A name that is used again is resolved once, and reported each time.
  void Use(const std::string& name, const std::string& pointer, size_t offset);

  // Every name that was resolved, with its value.
  [[nodiscard]] const Json& values() const { return values_; }

 private:
  [[nodiscard]] bool IsAllowed(const std::string& name) const;

  const CompileOptions& options_;
  ProblemList& problems_;
  Json values_ = Json::object();
};

// What stands for a variable that has no value offline: "${env.NAME}".
[[nodiscard]] std::string EnvPlaceholder(const std::string& name);

}  // namespace entente::dsl
