// What the journal tells of one transaction, read on any thread that may block.
#pragma once

#include "base/ids.h"
#include "base/status.h"
#include "runtime/coordinator.h"
#include "runtime/definitions/definitions.h"
#include "storage/journal.h"

namespace entente::runtime {

// kNotFound transaction.not_found.
[[nodiscard]] Status NoSuchTransaction(const Gid& gid);

// Every record there is.
[[nodiscard]] Result<History> ReadHistory(storage::Journal& journal, Definitions& definitions,
                                          const Gid& gid);

// Both below read a transaction that another node drives, as it was at `revision`, which that node
// said is durable. What is there beyond it may not be: it can be seen before a standby has it.
// kUnavailable while the journal does not show that revision.
[[nodiscard]] Result<TxnView> ReadView(storage::Journal& journal, Definitions& definitions,
                                       const Gid& gid, Sequence revision, bool quarantined);
[[nodiscard]] Result<History> ReadHistoryUpTo(storage::Journal& journal, Definitions& definitions,
                                              const Gid& gid, Sequence revision);

}  // namespace entente::runtime
