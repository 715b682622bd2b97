// Rewriting in the tables.
#pragma once

#include <string>

#include "base/status.h"
#include "storage/rewriting.h"
#include "storage/sqlite/connection.h"

namespace entente::storage::sqlite {

// As Rewriting::RewriteSome, inside a SQLite transaction of the writer's that finds all that is
// durable in the tables.
[[nodiscard]] Result<std::string> RewriteSome(Connection& writer, const std::string& cursor,
                                              const ChangeText& change);

}  // namespace entente::storage::sqlite
