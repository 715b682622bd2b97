// Copies one store into another.
#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/maintain.h"

namespace entente::storage {

// Copies all definitions and transactions of `from`, which nobody else may use, into `to`, whose
// shards are acquired for as long as it takes, and reads everything back. What is there already,
// from an earlier run that was cut short, is only compared. `progress`, if given, is told now and
// then how many transactions have been copied and compared.
//
// kFailedPrecondition: store.in_use, `to` is another owner's; import.another_store, it is not the
// copy of `from`, or no longer: something in it is different. What from and to fail with. Blocks.
[[nodiscard]] Result<ImportReport> CopyStore(Journal& from, Journal& to,
                                             const std::function<void(uint64_t)>& progress = {});

}  // namespace entente::storage
