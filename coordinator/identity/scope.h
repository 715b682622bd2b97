// Scope: which definitions and transactions somebody can reach.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace entente::identity {

// A pattern of definitions' names, and labels. What is outside is, for its bearer, not there.
// Empty: everything. A value type.
struct Scope {
  // Names, or beginnings of names that end in '*'. Empty: all.
  std::vector<std::string> definitions;
  // A transaction has all of them.
  std::vector<std::pair<std::string, std::string>> labels;

  [[nodiscard]] bool Everything() const { return definitions.empty() && labels.empty(); }
  [[nodiscard]] bool CoversDefinition(std::string_view name) const;
  [[nodiscard]] bool CoversLabels(
      const std::vector<std::pair<std::string, std::string>>& labels_of_it) const;
  [[nodiscard]] bool Covers(
      std::string_view definition,
      const std::vector<std::pair<std::string, std::string>>& labels_of_it) const {
    return CoversDefinition(definition) && CoversLabels(labels_of_it);
  }
  friend bool operator==(const Scope&, const Scope&) = default;
};

// Whether `name` is `pattern`, or begins with what stands before its '*', which is its last byte.
[[nodiscard]] bool MatchesPattern(std::string_view pattern, std::string_view name);

// What the definitions of inline submits, and of transactions that their clients drive, are named
// by: no definition's own name begins so.
inline constexpr const char* kInlineDefinitions = "~inline-";
inline constexpr const char* kClientDriven = "~begin-";

// Of definitions and labels together, of one token.
inline constexpr size_t kMaxTokenPatterns = 20;

// kInvalidArgument, reason token.invalid, for a pattern with a '*' elsewhere than at its end, one
// that is empty or holds control characters, more than kMaxTokenPatterns, and longer
// ones than limits::kMaxNameBytes.
[[nodiscard]] Status CheckScope(const Scope& scope);

// As an object with "definitions" and "labels", each left out if it is empty.
[[nodiscard]] Json ScopeJson(const Scope& scope);
// kDataLoss, reason store.bad_scope: it is not what ScopeJson makes. What can not be read must not
// become everything.
[[nodiscard]] Result<Scope> ScopeFrom(const Json& json);

}  // namespace entente::identity
