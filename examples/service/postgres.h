// Statements on connections to PostgreSQL.
#pragma once

#include <libpq-fe.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "entente/call.h"
#include "entente/postgres_pool.h"

namespace examples {

// Rows as texts, or what failed. Errors: kUnavailable, since every one of them undoes the
// transaction it is in.
using PgRows = std::vector<std::vector<std::string>>;
[[nodiscard]] entente::Result<PgRows> PgQuery(PGconn* connection, const std::string& sql,
                                              std::initializer_list<std::string> values = {});

// Like PgQuery, and how many rows an INSERT, UPDATE or DELETE touched.
[[nodiscard]] entente::Result<int64_t> PgChange(PGconn* connection, const std::string& sql,
                                                std::initializer_list<std::string> values = {});

using PgPool = entente::sdk::PostgresPool;

}  // namespace examples
