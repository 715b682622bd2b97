#include "participant-sdk/src/mysql/mysql_table.h"

#include <utility>

namespace entente::sdk {
namespace {

std::string ServerOf(const MYSQL* connection) {
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return text(connection->host) + "\n" + text(connection->unix_socket) + "\n" +
         std::to_string(connection->port);
}

// In the order of SELECT in Lookup.
Status CheckDurable(MysqlResult& row) {
  if (row.Text(0) != "InnoDB") {
    return FailedPrecondition("barrier.not_durable",
                              "the barrier's table is kept by the engine " + row.Text(0) +
                                  ", which has no transactions: ALTER TABLE ... ENGINE = InnoDB");
  }
  const bool synced = row.Integer(1) == 1;
  // With a binary log, recovery rolls back what that does not know.
  const bool logged = row.Integer(2) == 0 || row.Integer(3) == 1;
  return synced && logged
             ? Status()
             : FailedPrecondition(
                   "barrier.not_durable",
                   "with innodb_flush_log_at_trx_commit = " + row.Text(1) +
                       ", log_bin = " + row.Text(2) + " and sync_binlog = " + row.Text(3) +
                       ", an operation that was acknowledged could be lost with the machine's "
                       "power: set the first and, with a binary log, the last to 1; or accept "
                       "that with BarrierOptions::allow_lost_writes");
}

// For a table that was made without the column.
Status AddCoordinator(MYSQL* connection, const std::string& database, const std::string& table,
                      const std::string& name) {
  MysqlResult found = MysqlQuery(
      connection,
      "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = " + MysqlBytes(database) +
          " AND TABLE_NAME = " + MysqlBytes(table) + " AND COLUMN_NAME = 'coordinator'");
  ENTENTE_RETURN_IF_ERROR(found.status());
  return found.Next()
             ? Status()
             : MysqlExecute(connection,
                            "ALTER TABLE " + name +
                                " ADD COLUMN coordinator VARBINARY(64) NOT NULL DEFAULT ''");
}

}  // namespace

Result<std::string> MysqlPlace::DatabaseOf(MYSQL* connection) const {
  if (!database_.empty()) {
    return database_;
  }
  MysqlResult asked = MysqlQuery(connection, "SELECT DATABASE()");
  ENTENTE_RETURN_IF_ERROR(asked.status());
  static_cast<void>(asked.Next());
  const auto database = asked.OptionalText(0);
  return database ? Result<std::string>(*database)
                  : FailedPrecondition("barrier.no_schema",
                                       "the connection uses no database: name one in it, or in "
                                       "BarrierOptions::schema");
}

Result<std::string> MysqlPlace::Lookup(MYSQL* connection, bool may_be_lost) const {
  ENTENTE_ASSIGN_OR_RETURN(const std::string database, DatabaseOf(connection));
  MysqlResult found =
      MysqlQuery(connection,
                 "SELECT ENGINE, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.log_bin, "
                 "@@GLOBAL.sync_binlog FROM information_schema.TABLES WHERE TABLE_SCHEMA = " +
                     MysqlBytes(database) + " AND TABLE_NAME = " + MysqlBytes(table_));
  ENTENTE_RETURN_IF_ERROR(found.status());
  if (!found.Next()) {
    return FailedPrecondition("barrier.no_schema", "the table '" + table_ +
                                                       "' is not in the database '" + database +
                                                       "': call CreateSchema at start");
  }
  if (!may_be_lost) {
    ENTENTE_RETURN_IF_ERROR(CheckDurable(found));
  }
  return MysqlName(database) + "." + MysqlName(table_);
}

std::string MysqlPlace::Known(const std::string& server) const {
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(server);
  return known == names_.end() ? std::string() : known->second;
}

std::string MysqlPlace::Remember(const std::string& server, const std::string& name) {
  const std::lock_guard lock(mutex_);
  return names_.emplace(server, name).first->second;
}

Result<std::string> MysqlPlace::Find(MYSQL* connection, bool may_be_lost) {
  const std::string server = ServerOf(connection);
  if (std::string known = Known(server); !known.empty()) {
    return known;
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::string name, Lookup(connection, may_be_lost));
  return Remember(server, name);
}

Status MysqlPlace::Create(MYSQL* connection, bool may_be_lost) {
  ENTENTE_RETURN_IF_ERROR(MysqlCheckIdle(connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::string database, DatabaseOf(connection));
  const std::string wanted = MysqlName(database) + "." + MysqlName(table_);
  ENTENTE_RETURN_IF_ERROR(MysqlExecute(
      connection,
      "CREATE TABLE IF NOT EXISTS " + wanted +
          " (gid VARBINARY(1024) NOT NULL, branch VARBINARY(512) NOT NULL, family VARBINARY(8) "
          "NOT NULL, alternative INT NOT NULL, state SMALLINT NOT NULL, epoch BIGINT, "
          "forward_answer LONGBLOB, settle_answer LONGBLOB, changed_at BIGINT NOT NULL, "
          "coordinator VARBINARY(64) NOT NULL DEFAULT '', "
          "PRIMARY KEY (gid, branch, family, alternative), KEY by_state (state, changed_at)) "
          "ENGINE = InnoDB"));
  ENTENTE_RETURN_IF_ERROR(Lookup(connection, may_be_lost).status());
  ENTENTE_RETURN_IF_ERROR(AddCoordinator(connection, database, table_, wanted));
  const std::string used = Remember(ServerOf(connection), wanted);
  return used == wanted ? Status()
                        : FailedPrecondition("sdk.other_schema",
                                             "this object uses the table " + used +
                                                 " already, and this connection leads to " +
                                                 wanted + ": make one object for each database");
}

std::string MysqlTable::EpochText() const {
  return call_.epoch ? std::to_string(call_.epoch->value()) : "NULL";
}

std::string MysqlTable::WhereText() const {
  return " WHERE gid = " + MysqlBytes(call_.gid.str()) +
         " AND branch = " + MysqlBytes(call_.branch.str()) +
         " AND family = " + MysqlBytes(FamilyName(call_.operation)) +
         " AND alternative = " + std::to_string(call_.alternative);
}

// A row that is there already is changed, so that both are told apart whatever the connection
// counts: 1 row is one that was made, 2 stand for one that was there. INSERT IGNORE would take what
// is too long for what is there, and an INSERT that fails leaves a shared lock, which two copies
// that both want more deadlock over.
Result<bool> MysqlTable::Insert(RowState state, const std::optional<std::string>& forward,
                                const std::optional<std::string>& settle) const {
  const MysqlResult inserted = MysqlQuery(
      connection_,
      "INSERT INTO " + table_ +
          " (gid, branch, family, alternative, state, epoch, forward_answer, settle_answer, "
          "changed_at, coordinator) VALUES (" +
          MysqlBytes(call_.gid.str()) + ", " + MysqlBytes(call_.branch.str()) + ", " +
          MysqlBytes(FamilyName(call_.operation)) + ", " + std::to_string(call_.alternative) +
          ", " + std::to_string(static_cast<int>(state)) + ", " + EpochText() + ", " +
          MysqlOptionalBytes(forward) + ", " + MysqlOptionalBytes(settle) + ", " +
          std::to_string(ToMicros(now_)) + ", " + MysqlBytes(call_.coordinator) +
          ") ON DUPLICATE KEY UPDATE changed_at = changed_at + 1");
  ENTENTE_RETURN_IF_ERROR(inserted.status());
  return inserted.changed() == 1;
}

Result<std::optional<Row>> MysqlTable::Lock() const {
  MysqlResult found =
      MysqlQuery(connection_, "SELECT state, epoch, forward_answer, settle_answer, coordinator, " +
                                  LatestText() + " FROM " + table_ + WhereText() + " FOR UPDATE");
  ENTENTE_RETURN_IF_ERROR(found.status());
  if (!found.Next()) {
    return std::optional<Row>();
  }
  Row row;
  ENTENTE_ASSIGN_OR_RETURN(row.state, StateOf(static_cast<int>(found.Integer(0))));
  if (found.OptionalText(1)) {
    row.epoch = static_cast<uint64_t>(found.Integer(1));
  }
  row.forward_answer = found.OptionalText(2);
  row.settle_answer = found.OptionalText(3);
  row.coordinator = found.Text(4);
  if (found.OptionalText(5)) {
    row.latest = static_cast<uint64_t>(found.Integer(5));
  }
  return std::optional<Row>(std::move(row));
}

std::string MysqlTable::LatestText() const {
  return call_.epoch ? "(SELECT MAX(other.epoch) FROM " + table_ +
                           " AS other WHERE other.gid = " + MysqlBytes(call_.gid.str()) +
                           " AND other.coordinator = " + MysqlBytes(call_.coordinator) + ")"
                     : "NULL";
}

Result<std::optional<uint64_t>> MysqlTable::ReadLatest() const {
  if (!call_.epoch) {
    return std::optional<uint64_t>();
  }
  MysqlResult found = MysqlQuery(connection_, "SELECT " + LatestText());
  ENTENTE_RETURN_IF_ERROR(found.status());
  const bool known = found.Next() && found.OptionalText(0);
  return known ? std::optional(static_cast<uint64_t>(found.Integer(0))) : std::nullopt;
}

Status MysqlTable::OfOneRow(const std::string& update) const {
  const MysqlResult changed = MysqlQuery(connection_, update);
  ENTENTE_RETURN_IF_ERROR(MysqlInDoubt(changed.status()));
  return changed.changed() == 1
             ? Status()
             : Internal("barrier.row_lost",
                        "nothing was committed: the barrier's row of this call was removed or "
                        "replaced while its business write ran");
}

// Assignments see those on their left: the epoch first, which looks at the coordinator.
std::string MysqlTable::CallerText() const {
  const std::string caller = MysqlBytes(call_.coordinator);
  const std::string epoch = EpochText();
  return "epoch = CASE coordinator WHEN " + caller + " THEN GREATEST(COALESCE(epoch, " + epoch +
         "), COALESCE(" + epoch + ", epoch)) WHEN '' THEN " + epoch +
         " ELSE epoch END, coordinator = CASE coordinator WHEN '' THEN " + caller +
         " ELSE coordinator END";
}

// Always changes something, since rows that stay as they are do not count as changed.
Status MysqlTable::Update(RowState state, const Answer& answer) const {
  const std::string column = IsForwardAnswer(call_) ? "forward_answer" : "settle_answer";
  const std::string now = std::to_string(ToMicros(now_));
  return OfOneRow("UPDATE " + table_ + " SET state = " + std::to_string(static_cast<int>(state)) +
                  ", " + column + " = " + MysqlBytes(EncodeAnswer(answer, call_.attempt)) + ", " +
                  CallerText() + ", changed_at = IF(changed_at = " + now + ", " + now + " + 1, " +
                  now + ")" + WhereText());
}

Status MysqlTable::NoteCaller() const {
  return OfOneRow("UPDATE " + table_ + " SET " + CallerText() + WhereText());
}

}  // namespace entente::sdk
