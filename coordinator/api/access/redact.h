// What may be shown to somebody who may not see payloads.
#pragma once

#include "coordinator/api/commands.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::api {

// Without what the definition's schema calls sensitive, which is for nobody. Live events come
// without it (runtime/event_hub.h). Copies where there is any; the original is shared with others.
[[nodiscard]] runtime::TxnView WithoutSensitive(runtime::TxnView view);
[[nodiscard]] runtime::History WithoutSensitive(runtime::History history);
[[nodiscard]] BranchCallResult WithoutSensitive(const runtime::TxnView& view,
                                                BranchCallResult call);

// Without inputs, outputs, items, signals' payloads, and what participants said: the code of a
// failure stays, its message goes. Copies; the original is shared with others.
[[nodiscard]] runtime::TxnView WithoutPayloads(const runtime::TxnView& view);
[[nodiscard]] runtime::History WithoutPayloads(runtime::History history);
[[nodiscard]] runtime::TxnEvent WithoutPayloads(runtime::TxnEvent event);
[[nodiscard]] storage::SummaryPage WithoutPayloads(storage::SummaryPage page);

}  // namespace entente::api
