// Environment: what the expressions of a definition share while it is compiled: what `env` names,
// and what their regular expressions may still cost.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "dsl/cel/expression.h"
#include "dsl/compiler.h"
#include "dsl/read/problem_list.h"

namespace entente::dsl {

// Resolves names by the options and remembers what it resolved. Borrows both arguments.
class Environment {
 public:
  Environment(const CompileOptions& options, ProblemList& problems)
      : options_(options), problems_(problems) {}

  // Resolves `name`, which is used at byte `offset` of the string at `pointer`, or reports that it
  // is not allowed or not set. A name that is used again is resolved once, and reported each time.
  void Use(const std::string& name, const std::string& pointer, size_t offset);

  // Nothing may read `env`: what a client describes has to mean the same for ever.
  void Close() { closed_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }

  // Every name that was resolved, with its value.
  [[nodiscard]] const Json& values() const { return values_; }

  [[nodiscard]] cel::RegexBudget* regexes() { return &regexes_; }
  void LimitRegexes(size_t instructions) { regexes_.limit = instructions; }

 private:
  [[nodiscard]] bool IsAllowed(const std::string& name) const;

  const CompileOptions& options_;
  ProblemList& problems_;
  bool closed_ = false;
  Json values_ = Json::object();
  cel::RegexBudget regexes_;
};

// What stands for a variable that has no value offline: "${env.NAME}".
[[nodiscard]] std::string EnvPlaceholder(const std::string& name);

}  // namespace entente::dsl
