// Dead letters of webhooks, as the API shows them.
#pragma once

#include <vector>

#include "coordinator/api/commands.h"
#include "coordinator/outlets/webhooks.h"

namespace entente::coordinator {

// What its body says of each. Thread-safe, never blocks.
[[nodiscard]] std::vector<api::DeadLetter> ShownDeadLetters(const outlets::Webhooks& webhooks);

}  // namespace entente::coordinator
