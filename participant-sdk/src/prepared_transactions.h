// PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED, and what their errors mean. Internal
// to the SDK.
#pragma once

#include <optional>
#include <string>

#include "entente/call.h"
#include "participant-sdk/src/postgres_support.h"

namespace entente::sdk {

// Prepares the open transaction: Done is a durable YES. Whatever else comes back, the server has
// rolled back, unless it is kUnknownOutcome.
[[nodiscard]] Result<Answer> PrepareTransaction(PGconn* connection, const std::string& name);

struct Finished {
  bool found = false;                  // It was there and is finished. False: no such name.
  std::optional<Answer> refused = {};  // It can not be finished from here.
};
// `verb` is "COMMIT PREPARED" or "ROLLBACK PREPARED".
[[nodiscard]] Result<Finished> FinishPrepared(PGconn* connection, const std::string& verb,
                                              const std::string& name);

// Whether the name is prepared in the connection's database.
[[nodiscard]] Result<bool> IsPrepared(PGconn* connection, const std::string& name);

}  // namespace entente::sdk
