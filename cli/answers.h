// Whether an answer is one of a coordinator: any web server may stand where --server points.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"
#include "entente/client.h"

namespace entente::cli {

// What an answer is to hold.
enum class Answer {
  kTransaction,
  kCompletion,
  kTransactions,
  kHistory,
  kBranchCall,
  kBulk,
  kBulkList,
  kBranches,
  kIncidents,
  kParticipants,
  kNodes,
  kDeadLetters,
  kSentDeadLetters,
  kDefinition,
  kDefinitions,
  kHealth,
  kToken,
  kTokens,
  kAudit,
  kKeys,
};

// Pass a failure on, and an answer that has the members every coordinator sends. Else kInternal,
// client.bad_answer: whoever answers there is none that this program knows. So no command takes
// another service's JSON for "nothing there", or waits for ever for a status that never comes.
[[nodiscard]] Result<sdk::Document> Checked(Answer kind, Result<sdk::Document> answer);
[[nodiscard]] Result<sdk::Transaction> Checked(Result<sdk::Transaction> answer);
[[nodiscard]] Result<sdk::SubmitResult> Checked(Result<sdk::SubmitResult> answer);

}  // namespace entente::cli
