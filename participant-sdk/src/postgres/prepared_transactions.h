// PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED, and what their errors mean. Internal
// to the SDK.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "entente/call.h"
#include "participant-sdk/src/postgres/postgres_support.h"

namespace entente::sdk {

// Prepares the open transaction: Done is a durable YES. Whatever else comes back, the server has
// rolled back, unless it is kUnknownOutcome.
[[nodiscard]] Result<Answer> PrepareTransaction(PGconn* connection, const std::string& name);

struct Finished {
  bool found = false;                  // It was there and is finished. False: no such name.
  std::optional<Answer> refused = {};  // It can not be finished from here.
  bool anonymous = false;              // Under a name without the coordinator that the call is of.
};
// `verb` is "COMMIT PREPARED" or "ROLLBACK PREPARED".
[[nodiscard]] Result<Finished> FinishPrepared(PGconn* connection, const std::string& verb,
                                              const std::string& name);

enum class NameState {
  kUnknown,
  kPrepared,    // In the connection's database.
  kRolledBack,  // By recovery, which left a tombstone.
};
// What is known of the names, one or two, of one transaction. `table` is the barrier's.
[[nodiscard]] Result<NameState> StateOfNames(PGconn* connection, const std::string& table,
                                             const Gid& gid, const std::vector<std::string>& names);

// Stands for the call that prepared what recovery rolls back, of which only the name is known. Its
// row in the barrier's table is the tombstone: it keeps a late copy of the prepare out.
[[nodiscard]] Call TombstoneCall(const Gid& gid, const std::string& name);

}  // namespace entente::sdk
