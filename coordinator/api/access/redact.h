// What may be shown to somebody who may not see payloads.
#pragma once

#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::api {

// Without inputs, outputs, items, signals' payloads, and what participants said: the code of a
// failure stays, its message goes. Copies; the original is shared with others.
[[nodiscard]] runtime::TxnView WithoutPayloads(const runtime::TxnView& view);
[[nodiscard]] runtime::History WithoutPayloads(runtime::History history);
[[nodiscard]] runtime::TxnEvent WithoutPayloads(runtime::TxnEvent event);
[[nodiscard]] storage::SummaryPage WithoutPayloads(storage::SummaryPage page);

}  // namespace entente::api
