#include "participant-sdk/src/postgres_table.h"

#include <utility>

namespace entente::sdk {
namespace {

constexpr const char* kKey = " WHERE gid = $1 AND branch = $2 AND family = $3 AND alternative = $4";

}  // namespace

Status PostgresTable::Create(PGconn* connection, const std::string& table) {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(table));
  return PgCreate(connection, table,
                  "CREATE TABLE IF NOT EXISTS " + table +
                      " (gid text NOT NULL, branch text NOT NULL, family text NOT NULL, "
                      "alternative integer NOT NULL, state smallint NOT NULL, epoch bigint, "
                      "forward_answer text, settle_answer text, changed_at bigint NOT NULL, "
                      "PRIMARY KEY (gid, branch, family, alternative)); "
                      "CREATE INDEX IF NOT EXISTS " +
                      table + "_by_state ON " + table + " (state, changed_at)");
}

PgValue PostgresTable::Epoch() const {
  return call_.epoch ? PgValue(std::to_string(call_.epoch->value())) : std::nullopt;
}

Result<bool> PostgresTable::Insert(RowState state, const std::optional<std::string>& forward,
                                   const std::optional<std::string>& settle) const {
  const PgResult inserted = PgExecute(
      connection_,
      "INSERT INTO " + table_ +
          " (gid, branch, family, alternative, state, epoch, forward_answer, settle_answer, "
          "changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
      {call_.gid.str(), call_.branch.str(), std::string(FamilyName(call_.operation)),
       std::to_string(call_.alternative), std::to_string(static_cast<int>(state)), Epoch(), forward,
       settle, std::to_string(ToMicros(now_))});
  ENTENTE_RETURN_IF_ERROR(inserted.ToStatus());
  return inserted.changed() == 1;
}

Result<std::optional<Row>> PostgresTable::Select(const char* suffix) const {
  const PgResult selected =
      PgExecute(connection_,
                "SELECT state, epoch, forward_answer, settle_answer FROM " + table_ + kKey + suffix,
                {call_.gid.str(), call_.branch.str(), std::string(FamilyName(call_.operation)),
                 std::to_string(call_.alternative)});
  ENTENTE_RETURN_IF_ERROR(selected.ToStatus());
  if (selected.rows() == 0) {
    return std::optional<Row>();
  }
  Row row;
  ENTENTE_ASSIGN_OR_RETURN(row.state, StateOf(static_cast<int>(selected.Integer(0, 0))));
  if (selected.OptionalText(0, 1)) {
    row.epoch = static_cast<uint64_t>(selected.Integer(0, 1));
  }
  row.forward_answer = selected.OptionalText(0, 2);
  row.settle_answer = selected.OptionalText(0, 3);
  return std::optional<Row>(std::move(row));
}

Status PostgresTable::Update(RowState state, const Answer& answer) const {
  const char* column = IsForwardAnswer(call_) ? "forward_answer" : "settle_answer";
  return PgExecute(connection_,
                   "UPDATE " + table_ + " SET state = $5, " + column +
                       " = $6, epoch = greatest(epoch, $7::bigint), changed_at = $8" + kKey,
                   {call_.gid.str(), call_.branch.str(), std::string(FamilyName(call_.operation)),
                    std::to_string(call_.alternative), std::to_string(static_cast<int>(state)),
                    EncodeAnswer(answer), Epoch(), std::to_string(ToMicros(now_))})
      .ToStatus();
}

Status PostgresTable::RaiseEpoch() const {
  return PgExecute(connection_,
                   "UPDATE " + table_ + " SET epoch = greatest(epoch, $5::bigint)" + kKey,
                   {call_.gid.str(), call_.branch.str(), std::string(FamilyName(call_.operation)),
                    std::to_string(call_.alternative), Epoch()})
      .ToStatus();
}

}  // namespace entente::sdk
