#include "examples/service/pg_ledger.h"

namespace examples {
namespace {

constexpr const char* kLedgerSchema =
    "CREATE TABLE IF NOT EXISTS ledger (sequence bigserial PRIMARY KEY,"
    " at timestamptz NOT NULL DEFAULT now(), gid text NOT NULL, branch text NOT NULL,"
    " operation text NOT NULL, attempt bigint NOT NULL, epoch bigint NOT NULL,"
    " key text NOT NULL, effect text NOT NULL, amount bigint NOT NULL)";

}  // namespace

entente::Status PgCreate(PGconn* connection, const PgTable& table,
                         const std::vector<std::pair<std::string, int64_t>>& rows) {
  for (const std::string sql : {table.schema, kLedgerSchema}) {
    if (const auto made = PgChange(connection, sql); !made.ok()) {
      return made.status();
    }
  }
  // Looked for first: an insert would wait for the prepared transaction that changes the row.
  const std::string insert = std::string("INSERT INTO ") + table.name +
                             " SELECT $1, $2::bigint WHERE NOT EXISTS (SELECT FROM " + table.name +
                             " WHERE " + table.key + " = $1)";
  for (const auto& [name, number] : rows) {
    if (const auto made = PgChange(connection, insert, {name, std::to_string(number)});
        !made.ok()) {
      return made.status();
    }
  }
  return {};
}

entente::Status PgRecord(PGconn* tx, const Call& call, std::string_view effect, int64_t amount) {
  const auto written = PgChange(
      tx,
      "INSERT INTO ledger (gid, branch, operation, attempt, epoch, key, effect, amount) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {call.gid.str(), call.branch.str(), std::string(OperationName(call.operation)),
       std::to_string(call.attempt), std::to_string(call.epoch ? call.epoch->value() : uint64_t{0}),
       call.idempotency_key, std::string(effect), std::to_string(amount)});
  return written.ok() ? entente::Status() : written.status();
}

Result<Json> PgLedger(PgPool& pool, int64_t after, int64_t limit) {
  auto loan = pool.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  const auto rows =
      PgQuery(loan->get(),
              "SELECT row_to_json(l) FROM ledger l WHERE sequence > $1 ORDER BY sequence LIMIT $2",
              {std::to_string(after), std::to_string(limit)});
  if (!rows.ok()) {
    return rows.status();
  }
  Json ledger = Json::array();
  for (const auto& row : *rows) {
    ledger.push_back(Json::parse(row.at(0), nullptr, /*allow_exceptions=*/false));
  }
  return ledger;
}

}  // namespace examples
