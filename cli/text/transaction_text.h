// Transactions, their histories and lists of them, as people read them.
#pragma once

#include <string>

#include "base/json.h"
#include "base/time.h"
#include "cli/text/terminal.h"

namespace entente::cli {

// A Transaction document: what it is, how it stands, and one line per branch.
[[nodiscard]] std::string ShowTransaction(const Json& transaction, const Terminal& terminal,
                                          Instant now);

// "GID STATUS, revision N", with what stands in its way.
[[nodiscard]] std::string ShowOutcome(const Json& transaction, const Terminal& terminal);

// The branches alone, of a Transaction or a ListBranchesResponse: at most `max_lines` of them, 0
// for all.
[[nodiscard]] std::string ShowBranches(const Json& transaction, const Terminal& terminal,
                                       Instant now, size_t max_lines);

// A ListTransactionsResponse, a ListIncidentsResponse, a ListParticipantsResponse, a
// ListNodesResponse, a Health.
[[nodiscard]] std::string ShowTransactions(const Json& list, const Terminal& terminal, Instant now);
[[nodiscard]] std::string ShowIncidents(const Json& list, const Terminal& terminal, Instant now);
[[nodiscard]] std::string ShowParticipants(const Json& list, const Terminal& terminal);
[[nodiscard]] std::string ShowDeadLetters(const Json& list, const Terminal& terminal, Instant now);
[[nodiscard]] std::string ShowNodes(const Json& list, const Terminal& terminal, Instant now);
// Of a list: how to ask for the next page, if there is one.
[[nodiscard]] std::string NextPage(const Json& list);
[[nodiscard]] std::string ShowHealth(const Json& health, const Terminal& terminal);

}  // namespace entente::cli
