// OpenedQuery: lists of rows whose texts are read otherwise than they are stored.
#pragma once

#include <functional>

#include "base/ids.h"
#include "base/status.h"
#include "storage/journal.h"

namespace entente::storage {

// Puts what people read in the place of what is stored. Called on a thread of the caller's, for
// each row that is looked at, before the filter is; must not call the journal.
using OpenRow = std::function<void(const Gid&, Summary&)>;

// What a journal also is whose lists are looked through row by row: so a filter by a text that only
// `open` can read costs the one bounded pass that every other one does.
class OpenedQuery {
 public:
  virtual ~OpenedQuery() = default;

  // As Journal::Query, of opened rows, which it returns.
  [[nodiscard]] virtual Result<SummaryPage> QueryOpened(const Filter& filter, const Page& page,
                                                        const OpenRow& open) = 0;
};

}  // namespace entente::storage
