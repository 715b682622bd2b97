#include "coordinator/identity/scope.h"

#include <algorithm>

#include "base/limits.h"

namespace entente::identity {
namespace {

bool IsPlain(std::string_view text) {
  return !text.empty() && text.size() <= limits::kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Status Unreadable() {
  return DataLoss("store.bad_scope", "what a token or a bulk action can reach can not be read");
}

}  // namespace

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                : pattern == name;
}

bool Scope::CoversDefinition(std::string_view name) const {
  return definitions.empty() ||
         std::ranges::any_of(definitions, [name](const std::string& pattern) {
           return MatchesPattern(pattern, name);
         });
}

bool Scope::CoversLabels(
    const std::vector<std::pair<std::string, std::string>>& labels_of_it) const {
  return std::ranges::all_of(labels, [&labels_of_it](const auto& label) {
    return std::ranges::find(labels_of_it, label) != labels_of_it.end();
  });
}

Status CheckScope(const Scope& scope) {
  if (scope.definitions.size() + scope.labels.size() > kMaxTokenPatterns) {
    return InvalidArgument("token.invalid", "a token has at most " +
                                                std::to_string(kMaxTokenPatterns) +
                                                " patterns and labels together");
  }
  for (const std::string& pattern : scope.definitions) {
    if (!IsPlain(pattern) || pattern.find('*') < pattern.size() - 1) {
      return InvalidArgument("token.invalid",
                             "'" + pattern.substr(0, limits::kMaxNameBytes) +
                                 "' is no pattern of definitions: give a name, or the beginning "
                                 "of names and a '*'");
    }
  }
  for (const auto& [key, value] : scope.labels) {
    if (!IsPlain(key) || value.size() > limits::kMaxNameBytes) {
      return InvalidArgument("token.invalid",
                             "a label of a token has a key and a value of at most " +
                                 std::to_string(limits::kMaxNameBytes) + " bytes");
    }
  }
  return {};
}

Json ScopeJson(const Scope& scope) {
  Json json = Json::object();
  if (!scope.definitions.empty()) {
    json["definitions"] = scope.definitions;
  }
  for (const auto& [key, value] : scope.labels) {
    json["labels"][key] = value;
  }
  return json;
}

Result<Scope> ScopeFrom(const Json& json) {
  if (!json.is_object()) {
    return Unreadable();
  }
  Scope scope;
  for (const auto& [name, value] : json.items()) {
    if (name == "definitions" && value.is_array() && !value.empty()) {
      for (const Json& pattern : value) {
        if (!pattern.is_string()) {
          return Unreadable();
        }
        scope.definitions.push_back(pattern.get<std::string>());
      }
    } else if (name == "labels" && value.is_object() && !value.empty()) {
      for (const auto& [key, label] : value.items()) {
        if (!label.is_string()) {
          return Unreadable();
        }
        scope.labels.emplace_back(key, label.get<std::string>());
      }
    } else {
      return Unreadable();
    }
  }
  return scope;
}

}  // namespace entente::identity
