// The ledger of effects of a service that keeps its data in PostgreSQL.
#pragma once

#include <string_view>

#include "examples/service/postgres.h"
#include "examples/service/switches.h"

namespace examples {

// Its table, unless it is there.
inline constexpr const char* kPgLedgerSchema =
    "CREATE TABLE IF NOT EXISTS ledger (sequence bigserial PRIMARY KEY, at timestamptz NOT NULL"
    " DEFAULT now(), gid text NOT NULL, branch text NOT NULL, operation text NOT NULL, attempt"
    " bigint NOT NULL, epoch bigint NOT NULL, key text NOT NULL, effect text NOT NULL, amount "
    "bigint"
    " NOT NULL)";

// Writes one effect, in the transaction that is open on `tx`.
[[nodiscard]] entente::Status PgRecord(PGconn* tx, const Call& call, std::string_view effect,
                                       int64_t amount);

// As Books::Ledger. A row may become visible after one with a higher number: what is prepared is
// numbered before it is committed.
[[nodiscard]] Result<Json> PgLedger(PgPool& pool, int64_t after, int64_t limit);

}  // namespace examples
