// The barrier's table in PostgreSQL: its statements. Internal to the SDK.
#pragma once

#include <optional>
#include <string>

#include "participant-sdk/src/core/barrier_rules.h"
#include "participant-sdk/src/postgres/postgres_place.h"
#include "participant-sdk/src/postgres/postgres_support.h"

namespace entente::sdk {

// One call's view of the table, whose name is qualified (PgPlace). `connection`, `table` and `call`
// must outlive it.
//
// Statements come as text, so that one can travel in the same message as BEGIN or COMMIT: a barrier
// costs the server's work, and no further way there and back.
class PostgresTable {
 public:
  PostgresTable(PGconn* connection, const std::string& table, const Call& call, Instant now)
      : connection_(connection), table_(table), call_(call), now_(now) {}

  [[nodiscard]] const std::string& name() const { return table_; }

  [[nodiscard]] static Status Create(PGconn* connection, PgPlace& place,
                                     const BarrierOptions& options);

  // What became of an insertion: whether the row was made, and Row::latest of the others.
  struct Insertion {
    bool made = false;
    std::optional<uint64_t> latest;
  };

  // Makes the row, if there is none: Inserted says whether. Waits for another transaction that is
  // making it; afterwards the row, whoever made it, is seen.
  [[nodiscard]] std::string InsertText(RowState state, const std::optional<std::string>& forward,
                                       const std::optional<std::string>& settle) const;
  [[nodiscard]] static Result<Insertion> Inserted(const PgResult& result);
  [[nodiscard]] Result<Insertion> Insert(RowState state, const std::optional<std::string>& forward,
                                         const std::optional<std::string>& settle) const {
    return Inserted(PgExecute(connection_, InsertText(state, forward, settle)));
  }

  // The row, locked until the transaction ends, or only read.
  [[nodiscard]] std::string LockText() const { return SelectText() + " FOR UPDATE"; }
  [[nodiscard]] static Result<std::optional<Row>> RowOf(const PgResult& result);
  [[nodiscard]] Result<std::optional<Row>> Lock() const {
    return RowOf(PgExecute(connection_, LockText()));
  }
  [[nodiscard]] Result<std::optional<Row>> Read() const {
    return RowOf(PgExecute(connection_, SelectText()));
  }

  // The row, adopted first if the call's coordinator is the first to name itself. For use outside
  // of transactions: what is answered from the row is answered to its own coordinator.
  [[nodiscard]] Result<std::optional<Row>> ReadAdopted() const;

  // The row that is there gets `state` and the answer, and knows its caller. This and the next one
  // fail (barrier.row_lost) unless exactly one row is changed: a business write that is committed
  // without its row would run again.
  [[nodiscard]] std::string UpdateText(RowState state, const Answer& answer) const;
  // The row that is there knows the call's coordinator, unless it knows another, and its epoch,
  // unless it knows a higher one.
  [[nodiscard]] std::string NoteCallerText() const;

 private:
  [[nodiscard]] std::string SelectText() const;
  [[nodiscard]] std::string WhereText() const;
  [[nodiscard]] std::string Literal(const PgValue& value) const {
    return PgLiteral(connection_, value);
  }
  [[nodiscard]] std::string EpochText() const;
  [[nodiscard]] std::string LatestText() const;
  [[nodiscard]] std::string CallerText() const;

  PGconn* connection_;
  const std::string& table_;
  const Call& call_;
  Instant now_;
};

}  // namespace entente::sdk
