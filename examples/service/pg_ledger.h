// The tables of a service that keeps its data in PostgreSQL: its own, and its ledger of effects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/service/postgres.h"
#include "examples/service/switches.h"

namespace examples {

// A table of such a service. Its first two columns are a name and a number.
struct PgTable {
  const char* name;
  const char* key;     // The first column.
  const char* schema;  // CREATE TABLE IF NOT EXISTS ...
};

// Creates `table` and the ledger unless they are there, and inserts those of `rows` whose name is
// missing. Waits for no transaction that is prepared.
[[nodiscard]] entente::Status PgCreate(PGconn* connection, const PgTable& table,
                                       const std::vector<std::pair<std::string, int64_t>>& rows);

// Writes one effect, in the transaction that is open on `tx`.
[[nodiscard]] entente::Status PgRecord(PGconn* tx, const Call& call, std::string_view effect,
                                       int64_t amount);

// As Books::Ledger. A row may become visible after one with a higher number: what is prepared is
// numbered before it is committed.
[[nodiscard]] Result<Json> PgLedger(PgPool& pool, int64_t after, int64_t limit);

}  // namespace examples
