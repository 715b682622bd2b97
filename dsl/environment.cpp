#include "dsl/environment.h"

#include <algorithm>

namespace entente::dsl {
namespace {

// "*" stands for any characters, also none. What is left over is tried again with the last "*" a
// character longer, so the work is at most the product of the two lengths.
bool Matches(std::string_view pattern, std::string_view name) {
  size_t star = std::string_view::npos;
  size_t after_star = 0;  // In `name`: where what follows the last "*" was tried.
  size_t p = 0;
  size_t n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace

void Environment::Use(const std::string& name, const std::string& pointer, size_t offset) {
  if (values_.contains(name)) {
    return;
  }
  if (!options_.offline && !IsAllowed(name)) {
    const std::vector<std::string_view> allowed(options_.allowed_env.begin(),
                                                options_.allowed_env.end());
    std::string suggestion = DidYouMean(name, allowed);
    if (suggestion.empty()) {
      suggestion = "add it to the allow-list of the coordinator (--allow-env)";
    }
    problems_.InString(
        pointer, offset, "env_not_allowed",
        "the environment variable " + Quote(name) + " is not among those a definition may read",
        std::move(suggestion));
    return;
  }
  std::optional<std::string> value;
  if (options_.lookup_env) {
    value = options_.lookup_env(name);
  }
  if (!value && options_.offline) {
    value = EnvPlaceholder(name);
  }
  if (!value) {
    problems_.InString(pointer, offset, "env_not_set",
                       "the environment variable " + Quote(name) + " is not set",
                       "set it where the coordinator runs and register the definition again");
    return;
  }
  values_[name] = *std::move(value);
}

bool Environment::IsAllowed(const std::string& name) const {
  return std::any_of(options_.allowed_env.begin(), options_.allowed_env.end(),
                     [&name](std::string_view pattern) { return Matches(pattern, name); });
}

std::string EnvPlaceholder(const std::string& name) {
  return "${env." + name + "}";
}

}  // namespace entente::dsl
