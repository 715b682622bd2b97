#include "storage/summary_filter.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/limits.h"
#include "storage/journal_errors.h"

namespace entente::storage {
namespace {

constexpr char kCursorPrefix = 't';

template <class T>
bool Differs(const std::optional<T>& wanted, const T& actual) {
  return wanted && *wanted != actual;
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
  if (filter.parent && summary.parent != filter.parent) {
    return false;
  }
  return !filter.gid_prefix || gid.str().starts_with(*filter.gid_prefix);
}

std::string EncodeCursor(int64_t position) {
  return kCursorPrefix + std::to_string(position);
}

Result<int64_t> DecodeCursor(const std::string& cursor) {
  if (cursor.empty()) {
    return std::numeric_limits<int64_t>::max();
  }
  int64_t position = 0;
  const char* end = cursor.data() + cursor.size();
  const auto [stopped, error] = std::from_chars(cursor.data() + 1, end, position);
  if (cursor[0] != kCursorPrefix || error != std::errc() || stopped != end || position < 1) {
    return BadCursor(cursor);
  }
  return position;
}

size_t ClampPageLimit(size_t limit) {
  return std::clamp<size_t>(limit, 1, limits::kMaxPageSize);
}

}  // namespace entente::storage
