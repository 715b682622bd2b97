// Lists of transactions, a page at a time.
#pragma once

#include "base/status.h"
#include "storage/journal.h"
#include "storage/opened_query.h"
#include "storage/sqlite/reader.h"

namespace entente::storage::sqlite {

// As Journal::Query. Looks at rows in the order of their ids, found through the index that the
// filter narrows most, and stops after a bounded number of them; for an order other than that of
// creation, at all that the index leaves. `open`: as of OpenedQuery, or empty.
[[nodiscard]] Result<SummaryPage> RunQuery(Reader& reader, const Filter& filter, const Page& page,
                                           const OpenRow& open = {});

}  // namespace entente::storage::sqlite
