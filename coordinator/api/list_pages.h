// Pages of what the coordinator has at once: the branches of a transaction, the participants, the
// definitions.
#pragma once

#include <cstddef>
#include <string>

#include "coordinator/api/commands.h"
#include "coordinator/api/problem.h"

namespace entente::api {

// Fails with kInvalidArgument, reason query.bad_cursor, for a cursor that is not of such a list.

// By address. A participant that comes or goes between two pages makes no other one be passed over.
[[nodiscard]] Outcome<ParticipantPage> PageOf(std::vector<runtime::ParticipantStats> all,
                                              const storage::Page& page);

// In the plan's order. A page goes on where the one before ended, whatever became of the branches
// before that.
[[nodiscard]] Outcome<BranchPage> PageOf(TxnDetail detail, const storage::Page& page);

// By name, or with `versions` of one definition, newest first. The same of those.
[[nodiscard]] Outcome<DefinitionPage> PageOf(std::vector<storage::DefinitionRow> all, bool versions,
                                             const storage::Page& page);

// By id.
[[nodiscard]] Outcome<DeadLetterPage> PageOf(std::vector<DeadLetter> all,
                                             const storage::Page& page);

// The cursor of what follows, if only the first `kept` of the page are shown; empty if nothing
// does.
[[nodiscard]] std::string CursorAfter(const ParticipantPage& page, size_t kept);
[[nodiscard]] std::string CursorAfter(const BranchPage& page, size_t kept);

}  // namespace entente::api
