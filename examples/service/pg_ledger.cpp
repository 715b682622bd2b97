#include "examples/service/pg_ledger.h"

namespace examples {

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
      PgQuery((*loan)->get(),
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
