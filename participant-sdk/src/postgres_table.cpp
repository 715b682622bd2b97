#include "participant-sdk/src/postgres_table.h"

#include <utility>

namespace entente::sdk {

Status PostgresTable::Create(PGconn* connection, const std::string& table) {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(table));
  return PgCreate(connection, table,
                  "CREATE TABLE " + table +
                      " (gid text NOT NULL, branch text NOT NULL, family text NOT NULL, "
                      "alternative integer NOT NULL, state smallint NOT NULL, epoch bigint, "
                      "forward_answer text, settle_answer text, changed_at bigint NOT NULL, "
                      "PRIMARY KEY (gid, branch, family, alternative)); "
                      "CREATE INDEX " +
                      table + "_by_state ON " + table + " (state, changed_at)");
}

std::string PostgresTable::EpochText() const {
  return call_.epoch ? std::to_string(call_.epoch->value()) + "::bigint" : "NULL::bigint";
}

std::string PostgresTable::InsertText(RowState state, const std::optional<std::string>& forward,
                                      const std::optional<std::string>& settle) const {
  return "INSERT INTO " + table_ +
         " (gid, branch, family, alternative, state, epoch, forward_answer, settle_answer, "
         "changed_at) VALUES (" +
         Literal(call_.gid.str()) + ", " + Literal(call_.branch.str()) + ", '" +
         std::string(FamilyName(call_.operation)) + "', " + std::to_string(call_.alternative) +
         ", " + std::to_string(static_cast<int>(state)) + ", " + EpochText() + ", " +
         Literal(forward) + ", " + Literal(settle) + ", " + std::to_string(ToMicros(now_)) +
         ") ON CONFLICT DO NOTHING";
}

Result<bool> PostgresTable::Inserted(const PgResult& result) {
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  return result.changed() == 1;
}

std::string PostgresTable::WhereText() const {
  return " WHERE gid = " + Literal(call_.gid.str()) +
         " AND branch = " + Literal(call_.branch.str()) + " AND family = '" +
         std::string(FamilyName(call_.operation)) +
         "' AND alternative = " + std::to_string(call_.alternative);
}

std::string PostgresTable::SelectText() const {
  return "SELECT state, epoch, forward_answer, settle_answer FROM " + table_ + WhereText();
}

Result<std::optional<Row>> PostgresTable::RowOf(const PgResult& result) {
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  if (result.rows() == 0) {
    return std::optional<Row>();
  }
  Row row;
  ENTENTE_ASSIGN_OR_RETURN(row.state, StateOf(static_cast<int>(result.Integer(0, 0))));
  if (result.OptionalText(0, 1)) {
    row.epoch = static_cast<uint64_t>(result.Integer(0, 1));
  }
  row.forward_answer = result.OptionalText(0, 2);
  row.settle_answer = result.OptionalText(0, 3);
  return std::optional<Row>(std::move(row));
}

std::string PostgresTable::UpdateText(RowState state, const Answer& answer) const {
  const std::string column = IsForwardAnswer(call_) ? "forward_answer" : "settle_answer";
  return "UPDATE " + table_ + " SET state = " + std::to_string(static_cast<int>(state)) + ", " +
         column + " = " + Literal(EncodeAnswer(answer, call_.attempt)) +
         ", epoch = greatest(epoch, " + EpochText() +
         "), changed_at = " + std::to_string(ToMicros(now_)) + WhereText();
}

std::string PostgresTable::RaiseEpochText() const {
  return "UPDATE " + table_ + " SET epoch = greatest(epoch, " + EpochText() + ")" + WhereText();
}

}  // namespace entente::sdk
