#include "storage/summary_filter.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace entente::storage {
namespace {

template <class T>
bool Differs(const std::optional<T>& wanted, const T& actual) {
  return wanted && *wanted != actual;
}

char Folded(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool Contains(std::string_view text, std::string_view part) {
  const auto found = std::search(text.begin(), text.end(), part.begin(), part.end(),
                                 [](char a, char b) { return Folded(a) == Folded(b); });
  return found != text.end() || part.empty();
}

// A branch of a forEach is named `step:index`.
std::string_view StepOf(const BranchId& branch) {
  const std::string_view name = branch.str();
  return name.substr(0, name.find(':'));
}

bool HasIncident(const Filter& filter, const std::vector<IncidentRow>& incidents) {
  return std::ranges::any_of(incidents, [&filter](const IncidentRow& row) {
    return !Differs(filter.participant, row.participant) && !Differs(filter.code, row.code) &&
           !(filter.step && *filter.step != StepOf(row.branch));
  });
}

// What no index helps with.
bool MatchesState(const Filter& filter, const Summary& summary) {
  return !Differs(filter.paused, summary.paused) &&
         !(filter.unchanged_since && summary.updated_at >= *filter.unchanged_since) &&
         !(filter.attempts && summary.attempts < *filter.attempts) &&
         !(filter.error && !Contains(summary.error, *filter.error)) &&
         !((filter.participant || filter.code || filter.step) &&
           !HasIncident(filter, summary.incidents));
}

}  // namespace

bool Matches(const Filter& filter, const Gid& gid, const Summary& summary) {
  if (Differs(filter.status, summary.status) || Differs(filter.mode, summary.mode) ||
      Differs(filter.definition, summary.definition) ||
      Differs(filter.incident, !summary.incidents.empty())) {
    return false;
  }
  if (filter.label && std::ranges::find(summary.labels, *filter.label) == summary.labels.end()) {
    return false;
  }
  if ((filter.since && summary.created_at < *filter.since) ||
      (filter.until && summary.created_at >= *filter.until)) {
    return false;
  }
  if ((filter.parent && summary.parent != filter.parent) || !MatchesState(filter, summary)) {
    return false;
  }
  return !filter.gid_prefix || gid.str().starts_with(*filter.gid_prefix);
}

size_t ClampPageLimit(size_t limit) {
  return std::clamp<size_t>(limit, 1, limits::kMaxPageSize);
}

}  // namespace entente::storage
