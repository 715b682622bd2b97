// What a Filter means and what a cursor looks like: one definition for every journal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// True if the transaction passes every part of the filter that is present.
[[nodiscard]] bool Matches(const Filter& filter, const Gid& gid, const Summary& summary);

// A cursor names the last position a page looked at; the next page has lower ones. Positions count
// transactions in the order of their creation, from 1.
[[nodiscard]] std::string EncodeCursor(int64_t position);

// INT64_MAX for the empty cursor (the first page). kInvalidArgument, query.bad_cursor.
[[nodiscard]] Result<int64_t> DecodeCursor(const std::string& cursor);

// The rows a page may have: at least 1, at most limits::kMaxPageSize.
[[nodiscard]] size_t ClampPageLimit(size_t limit);

}  // namespace entente::storage
