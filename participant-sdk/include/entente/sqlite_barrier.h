// The barrier of a participant that keeps its data in SQLite. barrier.h has the promises.
//
//   const entente::sdk::SqliteBarrier barrier;
//   barrier.CreateSchema(db);  // Once, at start.
//   ...
//   return barrier.Run(db, call, [&](sqlite3* tx) -> entente::Result<entente::sdk::Answer> {
//     if (!TakeSeat(tx, call.input)) {
//       return entente::sdk::Refused("full", "no seat is left");
//     }
//     return entente::sdk::Done({{"seat", "12A"}});
//   });
#pragma once

#include <functional>

#include "entente/barrier.h"
#include "entente/call.h"

struct sqlite3;

namespace entente::sdk {

// The table is in the database `main`. Holds no connection: each call brings the caller's own,
// which must be in no transaction, and which no other thread uses meanwhile. Thread-safe. Blocks on
// the disk and, for a lock that another connection holds, as long as the connection's busy handler
// does: set one (sqlite3_busy_timeout), since without it whoever comes second is turned away at
// once.
//
// Errors, with nothing done:
//   kUnavailable        barrier.busy: another connection holds the lock. Ask again.
//   kFailedPrecondition barrier.in_transaction: the connection is in a transaction already.
//   kFailedPrecondition barrier.no_schema: call CreateSchema first.
//   kFailedPrecondition barrier.not_durable: this connection's commits do not wait for the disk.
//   Set
//                       PRAGMA journal_mode to WAL and synchronous to FULL, or, with a rollback
//                       journal, synchronous to EXTRA.
//   kFailedPrecondition barrier.attached: the business write wrote to an attached database, whose
//                       commit is not one with that of main: under WAL every file is committed by
//                       itself. Keep what it writes in main, or give all of them a rollback
//                       journal.
//   kInternal           barrier.row_lost: the call's row was removed or replaced while the business
//                       write ran.
//   kInvalidArgument    barrier.no_name, sdk.bad_table
//   kInternal           barrier.work_threw, barrier.work_ended_transaction (see Run), sqlite.error
//   kDataLoss           barrier.bad_row
//
// What breaks a deferred foreign key at the commit is a certain NO: of an action, try, prepare or
// one-phase commit it is answered with Refused barrier.rejected and stored like a refusal by the
// business write; of what finishes or undoes it is the error sqlite.error.
class SqliteBarrier {
 public:
  // Makes the business write on the connection it is handed, inside the barrier's transaction,
  // which it must neither commit nor roll back. An error or an exception rolls back.
  using Work = std::function<Result<Answer>(sqlite3*)>;

  explicit SqliteBarrier(BarrierOptions options = {});

  // Creates the table unless it is there, and sees whether commits wait for the disk. Safe to call
  // at every start.
  [[nodiscard]] Status CreateSchema(sqlite3* db) const;

  // Carries out `call` once: runs `work` in a transaction together with the branch's row, or
  // answers from the row. If `work` ended the transaction itself, also if it began another one,
  // its write and the row are no longer one: that is the error barrier.work_ended_transaction, and
  // a defect to repair.
  [[nodiscard]] Result<Answer> Run(sqlite3* db, const Call& call, const Work& work) const;

  // Drops what is not needed any more. Call it now and then, from one place. An error leaves the
  // rest for the next time.
  [[nodiscard]] Result<PurgeReport> Purge(sqlite3* db, const PurgeOptions& options = {}) const;

 private:
  BarrierOptions options_;
};

}  // namespace entente::sdk
