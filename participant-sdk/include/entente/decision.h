// What became of a transaction, as its coordinator says when it is asked.
#pragma once

#include <functional>
#include <string>

#include "entente/base/ids.h"
#include "entente/base/status.h"

namespace entente::sdk {

enum class Decision {
  kCommitted,
  // Aborted, or not known to the coordinator: a transaction that its log does not know was never
  // decided and never will be (presumed abort).
  kAborted,
  kUndecided,  // Ask again later.
};

struct DecisionReply {
  Decision decision = Decision::kUndecided;
  // Whether the coordinator knows the transaction. It does not once it has purged it, nor if it
  // never was its own.
  bool known = true;
  // Which coordinator says so: the id that it also sends with its calls (Call::coordinator). Empty:
  // it does not say.
  std::string coordinator = {};
};

// Answers with the decision on a transaction; an error means that nothing is known. AskCoordinator
// (client.h) makes one. May block.
using DecisionSource = std::function<Result<DecisionReply>(const Gid&)>;

}  // namespace entente::sdk
