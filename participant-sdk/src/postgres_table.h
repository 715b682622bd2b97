// The barrier's table in PostgreSQL: its statements. Internal to the SDK.
#pragma once

#include <optional>
#include <string>

#include "participant-sdk/src/barrier_rules.h"
#include "participant-sdk/src/postgres_support.h"

namespace entente::sdk {

// One call's view of the table. `connection`, `table` and `call` must outlive it.
class PostgresTable {
 public:
  PostgresTable(PGconn* connection, const std::string& table, const Call& call, Instant now)
      : connection_(connection), table_(table), call_(call), now_(now) {}

  [[nodiscard]] static Status Create(PGconn* connection, const std::string& table);

  // Makes the row with `state` and no answer, if there is none: true. Waits for another transaction
  // that is making it; afterwards the row, whoever made it, is seen by Lock.
  [[nodiscard]] Result<bool> Insert(RowState state, const std::optional<std::string>& forward,
                                    const std::optional<std::string>& settle) const;
  // The row, locked until the transaction ends, or only read.
  [[nodiscard]] Result<std::optional<Row>> Lock() const { return Select(" FOR UPDATE"); }
  [[nodiscard]] Result<std::optional<Row>> Read() const { return Select(""); }
  // The row that is there gets `state` and the answer; a higher epoch stays.
  [[nodiscard]] Status Update(RowState state, const Answer& answer) const;
  [[nodiscard]] Status RaiseEpoch() const;

 private:
  [[nodiscard]] Result<std::optional<Row>> Select(const char* suffix) const;
  [[nodiscard]] PgValue Epoch() const;

  PGconn* connection_;
  const std::string& table_;
  const Call& call_;
  Instant now_;
};

}  // namespace entente::sdk
