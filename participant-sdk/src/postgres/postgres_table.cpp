#include "participant-sdk/src/postgres/postgres_table.h"

#include <utility>

namespace entente::sdk {
namespace {

// Runs an UPDATE, and fails unless it changed exactly one row.
std::string OfOneRow(const std::string& update) {
  return "WITH changed AS (" + update +
         " RETURNING 1) SELECT (CASE (SELECT pg_catalog.count(*) FROM changed) WHEN 1 THEN '1' "
         "ELSE "
         "'" +
         std::string(kPgRowLostText) + "' END)::int";
}

// For a table that was made without the column. Looked for first: ALTER TABLE waits for every
// transaction that is prepared.
Status AddCoordinator(PGconn* connection, const std::string& table, Duration lock_timeout) {
  const PgResult found = PgExecute(connection,
                                   "SELECT 1 FROM pg_attribute WHERE attrelid = $1::regclass AND "
                                   "attname = 'coordinator' AND NOT attisdropped",
                                   {table});
  ENTENTE_RETURN_IF_ERROR(found.ToStatus());
  if (found.rows() > 0) {
    return Status();
  }
  PgTransaction transaction(connection, {.lock_timeout = lock_timeout});
  ENTENTE_RETURN_IF_ERROR(transaction.Begin(
      "; ALTER TABLE " + table + " ADD COLUMN IF NOT EXISTS coordinator text NOT NULL DEFAULT ''"));
  return transaction.Commit();
}

}  // namespace

Status PostgresTable::Create(PGconn* connection, PgPlace& place, const BarrierOptions& options) {
  ENTENTE_RETURN_IF_ERROR(CheckTableName(options.table));
  ENTENTE_RETURN_IF_ERROR(
      place.Create(connection, options.lock_timeout, [&options](const std::string& table) {
        return "CREATE TABLE " + table +
               " (gid text NOT NULL, branch text NOT NULL, family text NOT NULL, "
               "alternative integer NOT NULL, state smallint NOT NULL, epoch bigint, "
               "forward_answer text, settle_answer text, changed_at bigint NOT NULL, "
               "coordinator text NOT NULL DEFAULT '', "
               "PRIMARY KEY (gid, branch, family, alternative)); "
               "CREATE INDEX " +
               options.table + "_by_state ON " + table + " (state, changed_at)";
      }));
  ENTENTE_ASSIGN_OR_RETURN(const std::string table, place.Find(connection));
  return AddCoordinator(connection, table, options.lock_timeout);
}

std::string PostgresTable::EpochText() const {
  return call_.epoch ? std::to_string(call_.epoch->value()) + "::bigint" : "NULL::bigint";
}

std::string PostgresTable::InsertText(RowState state, const std::optional<std::string>& forward,
                                      const std::optional<std::string>& settle) const {
  return "INSERT INTO " + table_ +
         " (gid, branch, family, alternative, state, epoch, forward_answer, settle_answer, "
         "changed_at, coordinator) VALUES (" +
         Literal(call_.gid.str()) + ", " + Literal(call_.branch.str()) + ", '" +
         std::string(FamilyName(call_.operation)) + "', " + std::to_string(call_.alternative) +
         ", " + std::to_string(static_cast<int>(state)) + ", " + EpochText() + ", " +
         Literal(forward) + ", " + Literal(settle) + ", " + std::to_string(ToMicros(now_)) + ", " +
         Literal(call_.coordinator) + ") ON CONFLICT DO NOTHING RETURNING " + LatestText();
}

Result<PostgresTable::Insertion> PostgresTable::Inserted(const PgResult& result) {
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  Insertion insertion{result.rows() == 1, {}};
  if (insertion.made && result.OptionalText(0, 0)) {
    insertion.latest = static_cast<uint64_t>(result.Integer(0, 0));
  }
  return insertion;
}

// In the same statement: a way there and back for it would cost more than all the rest.
std::string PostgresTable::LatestText() const {
  return call_.epoch ? "(SELECT max(other.epoch) FROM " + table_ +
                           " AS other WHERE other.gid = " + Literal(call_.gid.str()) +
                           " AND other.coordinator = " + Literal(call_.coordinator) + ")"
                     : "NULL::bigint";
}

std::string PostgresTable::WhereText() const {
  return " WHERE gid = " + Literal(call_.gid.str()) +
         " AND branch = " + Literal(call_.branch.str()) + " AND family = '" +
         std::string(FamilyName(call_.operation)) +
         "' AND alternative = " + std::to_string(call_.alternative);
}

std::string PostgresTable::SelectText() const {
  return "SELECT state, epoch, forward_answer, settle_answer, coordinator, " + LatestText() +
         " FROM " + table_ + WhereText();
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
  row.coordinator = result.Text(0, 4);
  if (result.OptionalText(0, 5)) {
    row.latest = static_cast<uint64_t>(result.Integer(0, 5));
  }
  return std::optional<Row>(std::move(row));
}

Result<std::optional<Row>> PostgresTable::ReadAdopted() const {
  ENTENTE_ASSIGN_OR_RETURN(std::optional<Row> row, Read());
  if (!row || !Adopts(*row, call_)) {
    return row;
  }
  ENTENTE_RETURN_IF_ERROR(PgRun(connection_, NoteCallerText()));
  return Read();
}

// The expressions on the right see the row as it was.
std::string PostgresTable::CallerText() const {
  const std::string caller = Literal(call_.coordinator);
  return "coordinator = CASE coordinator WHEN '' THEN " + caller +
         " ELSE coordinator END, epoch = CASE coordinator WHEN " + caller +
         " THEN greatest(epoch, " + EpochText() + ") WHEN '' THEN " + EpochText() +
         " ELSE epoch END";
}

std::string PostgresTable::UpdateText(RowState state, const Answer& answer) const {
  const std::string column = IsForwardAnswer(call_) ? "forward_answer" : "settle_answer";
  return OfOneRow("UPDATE " + table_ + " SET state = " + std::to_string(static_cast<int>(state)) +
                  ", " + column + " = " + Literal(EncodeAnswer(answer, call_.attempt)) + ", " +
                  CallerText() + ", changed_at = " + std::to_string(ToMicros(now_)) + WhereText());
}

std::string PostgresTable::NoteCallerText() const {
  return OfOneRow("UPDATE " + table_ + " SET " + CallerText() + WhereText());
}

}  // namespace entente::sdk
