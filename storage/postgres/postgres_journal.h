// The journal in PostgreSQL: for any number of coordinators.
#pragma once

#include <memory>
#include <string_view>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/postgres/options.h"

namespace entente::storage::postgres {

// Connects, sees to the tables, and opens the journal. Fails with
//   kUnavailable        store.unavailable      no server of the conninfo can be reached and written
//   to kFailedPrecondition store.wrong_version, store.not_migrated, store.encoding, store.schema
// Blocks. The journal's threads and sessions are its own; see storage/journal.h for its contract.
// Its leases end by themselves; its destructor gives them up. It is a Membership too.
[[nodiscard]] Result<std::unique_ptr<Journal>> OpenPostgresJournal(const PostgresOptions& options);

// Creates the tables, or brings them up to this release, and nothing else. Fails as above. Blocks.
[[nodiscard]] Status Migrate(const PostgresOptions& options);

// Sees to it that every epoch given from here on is above `least`, which participants have seen;
// not of a shard that is owned. Blocks.
[[nodiscard]] Status RaiseEpochs(const PostgresOptions& options, Epoch least);

// Figures for benchmarks, of a journal from OpenPostgresJournal.
struct WriterStats {
  uint64_t appends = 0;  // TxnAppends written.
  uint64_t commits = 0;
};
[[nodiscard]] WriterStats GetWriterStats(const Journal& journal);

}  // namespace entente::storage::postgres
