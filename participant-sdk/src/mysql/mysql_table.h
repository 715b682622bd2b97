// The barrier's table in MariaDB and MySQL: where it stands, and its statements. Internal to the
// SDK.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "participant-sdk/src/core/barrier_rules.h"
#include "participant-sdk/src/mysql/mysql_support.h"

namespace entente::sdk {

// Finds the table once for each server and names it with its database from then on: what a bare
// name means changes with every USE. Thread-safe.
class MysqlPlace {
 public:
  MysqlPlace(std::string database, std::string table)
      : database_(std::move(database)), table_(std::move(table)) {}

  // The table's name, qualified and quoted. Asks the server until it was found. Fails with
  // kFailedPrecondition (barrier.no_schema, barrier.not_durable).
  [[nodiscard]] Result<std::string> Find(MYSQL* connection, bool may_be_lost);
  // Makes the table unless it is there. Fails besides with sdk.other_schema.
  [[nodiscard]] Status Create(MYSQL* connection, bool may_be_lost);

 private:
  // The database that the connection means.
  [[nodiscard]] Result<std::string> DatabaseOf(MYSQL* connection) const;
  // Fails with barrier.no_schema if it is not there.
  [[nodiscard]] Result<std::string> Lookup(MYSQL* connection, bool may_be_lost) const;
  [[nodiscard]] std::string Known(const std::string& server) const;
  // The name that is remembered: this one, or an earlier one.
  [[nodiscard]] std::string Remember(const std::string& server, const std::string& name);

  const std::string database_;
  const std::string table_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;  // By server. Guarded by mutex_.
};

// One call's view of the table, whose name is qualified. `connection`, `table` and `call` must
// outlive it.
class MysqlTable {
 public:
  MysqlTable(MYSQL* connection, const std::string& table, const Call& call, Instant now)
      : connection_(connection), table_(table), call_(call), now_(now) {}

  // Makes the row, if there is none, and says whether; waits for another transaction that is making
  // it. Either way it is locked until the transaction ends.
  [[nodiscard]] Result<bool> Insert(RowState state, const std::optional<std::string>& forward,
                                    const std::optional<std::string>& settle) const;
  // The row, locked until the transaction ends.
  [[nodiscard]] Result<std::optional<Row>> Lock() const;
  // Row::latest, when the row is not there yet, or is this call's own.
  [[nodiscard]] Result<std::optional<uint64_t>> ReadLatest() const;

  // The row that is there gets `state` and the answer, and knows its caller. This and the next one
  // fail (barrier.row_lost) unless there is one.
  [[nodiscard]] Status Update(RowState state, const Answer& answer) const;
  // The row that is there knows the call's coordinator, unless it knows another, and its epoch,
  // unless it knows a higher one. Not for a row that knows both.
  [[nodiscard]] Status NoteCaller() const;

 private:
  [[nodiscard]] std::string WhereText() const;
  [[nodiscard]] std::string EpochText() const;
  [[nodiscard]] std::string CallerText() const;
  [[nodiscard]] std::string LatestText() const;
  [[nodiscard]] Status OfOneRow(const std::string& update) const;

  MYSQL* connection_;
  const std::string& table_;
  const Call& call_;
  Instant now_;
};

}  // namespace entente::sdk
