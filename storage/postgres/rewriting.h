// Rewriting in the database's tables.
#pragma once

#include <string>

#include "base/status.h"
#include "net/postgres/connection.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"
#include "storage/rewriting.h"

namespace entente::storage::postgres {

// As Rewriting::RewriteSome. Several nodes may do so at the same time, and append meanwhile: a row
// that another one changed since it was read stays as that one left it. Blocks.
[[nodiscard]] Result<std::string> RewriteSome(pg::Connection& connection, Periods& periods,
                                              const std::string& cursor, const ChangeText& change,
                                              const PostgresOptions& options);

}  // namespace entente::storage::postgres
