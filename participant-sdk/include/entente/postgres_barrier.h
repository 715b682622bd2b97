// The barrier of a participant that keeps its data in PostgreSQL. barrier.h has the promises.
//
//   const entente::sdk::PostgresBarrier barrier;
//   barrier.CreateSchema(connection);  // Once, at start.
//   ...
//   return barrier.Run(connection, call, [&](PGconn* tx) -> entente::Result<entente::sdk::Answer> {
//     if (!Charge(tx, call.input)) {
//       return entente::sdk::Refused("no_funds", "the account does not cover it");
//     }
//     return entente::sdk::Done();
//   });
#pragma once

#include <functional>
#include <memory>

#include "entente/barrier.h"
#include "entente/call.h"

// libpq's PGconn.
struct pg_conn;

namespace entente::sdk {

class PgPlace;

// Holds no connection: each call brings the caller's own, which must be idle and in no transaction,
// and which no other thread uses meanwhile. Thread-safe. Blocks on the server and, as long as
// BarrierOptions::lock_timeout says, on locks of other transactions; what else it does may be
// bounded by statement_timeout on the connection. Copies share what is known of the table's place.
//
// Transactions are READ COMMITTED: the row's lock orders what races. Their commits wait for the
// disk, also where the session's synchronous_commit is off.
//
// Errors:
//   kUnavailable        barrier.busy: serialization failure, deadlock, lock or statement time-out;
//                       nothing was done. Ask again.
//   kUnavailable        barrier.no_connection: the connection broke before the work; nothing was
//                       done. Reset it (PQreset).
//   kUnknownOutcome     barrier.commit_lost: it broke during the work or the commit. A repeat, on
//                       another connection, finds out.
//   kFailedPrecondition barrier.in_transaction: the connection is in a transaction already.
//   kFailedPrecondition barrier.no_schema: call CreateSchema first.
//   kInternal           barrier.row_lost: the call's row was removed or replaced while the business
//                       write ran. Nothing was done.
//   kInvalidArgument    barrier.no_name, sdk.bad_table
//   kInternal           barrier.work_threw
//   kInternal           barrier.work_ended_transaction: the business write ended the transaction
//                       that it was handed, also if it began another one (COMMIT AND CHAIN), which
//                       is rolled back. What it committed by itself is not one with its row: a
//                       defect to repair.
//   kFailedPrecondition barrier.rejected, kInternal barrier.work_failed (see below)
//   kInternal           postgres.error: any other, with its SQLSTATE. Nothing was done.
//   kDataLoss           barrier.bad_row
//
// Some failures are a certain NO. Of an action, try, prepare or one-phase commit they are answers,
// stored like a refusal by the business write; of what finishes or undoes they stay errors:
//   Refused barrier.rejected: what was written broke a deferred constraint or trigger, or a right,
//     at the commit (SQLSTATE classes 22, 23, 42, P0).
//   Refused barrier.work_failed: a statement of the business write failed, so nothing could be
//     committed, though it was answered with Done. What may work later (a deadlock, a lock's
//     time-out) the business write answers with Retry itself.
class PostgresBarrier {
 public:
  // Makes the business write on the connection it is handed, inside the barrier's transaction,
  // which it must neither commit nor roll back. An error or an exception rolls back.
  using Work = std::function<Result<Answer>(pg_conn*)>;

  explicit PostgresBarrier(BarrierOptions options = {});

  // Creates the table, in BarrierOptions::schema or else in the first schema of the search path,
  // unless one of them has it. Safe to call at every start, also by several processes at once.
  // Fails with kFailedPrecondition (sdk.other_schema) if this object uses a table elsewhere.
  [[nodiscard]] Status CreateSchema(pg_conn* connection) const;

  // Carries out `call` once: runs `work` in a transaction together with the branch's row, or
  // answers from the row.
  [[nodiscard]] Result<Answer> Run(pg_conn* connection, const Call& call, const Work& work) const;

  // Drops what is not needed any more. Call it now and then. An error leaves the rest for the next
  // time.
  [[nodiscard]] Result<PurgeReport> Purge(pg_conn* connection,
                                          const PurgeOptions& options = {}) const;

 private:
  friend class PostgresResource;  // One table for both.
  PostgresBarrier(BarrierOptions options, std::shared_ptr<PgPlace> place);

  BarrierOptions options_;
  std::shared_ptr<PgPlace> place_;  // Shared by copies: each would have to find it again.
};

}  // namespace entente::sdk
