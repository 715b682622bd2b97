#include "dsl/environment.h"

#include <algorithm>

namespace entente::dsl {

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
                     [&name](std::string_view pattern) {
                       if (pattern.ends_with('*')) {
                         pattern.remove_suffix(1);
                         return name.starts_with(pattern);
                       }
                       return name == pattern;
                     });
}

std::string EnvPlaceholder(const std::string& name) {
  return "${env." + name + "}";
}

}  // namespace entente::dsl
