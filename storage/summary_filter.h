// What a Filter means: one definition for every journal.
#pragma once

#include <cstddef>

#include "base/ids.h"
#include "storage/journal.h"

namespace entente::storage {

// True if the transaction passes every part of the filter that is present.
[[nodiscard]] bool Matches(const Filter& filter, const Gid& gid, const Summary& summary);

// The rows a page may have: at least 1, at most limits::kMaxPageSize.
[[nodiscard]] size_t ClampPageLimit(size_t limit);

}  // namespace entente::storage
