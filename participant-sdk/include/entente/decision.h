// What became of a transaction, as its coordinator says when it is asked.
#pragma once

#include <functional>

#include "base/ids.h"
#include "base/status.h"

namespace entente::sdk {

enum class Decision {
  kCommitted,
  // Aborted, or not known to the coordinator: a transaction that its log does not know was never
  // decided and never will be (presumed abort).
  kAborted,
  kUndecided,  // Ask again later.
};

// Answers with the decision on a transaction; an error means that nothing is known. AskCoordinator
// (client.h) makes one. May block.
using DecisionSource = std::function<Result<Decision>(const Gid&)>;

}  // namespace entente::sdk
