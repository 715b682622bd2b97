// The barrier of a participant that keeps its data in MariaDB or MySQL. barrier.h has the promises.
//
//   const entente::sdk::MysqlBarrier barrier;
//   barrier.CreateSchema(connection);  // Once, at start.
//   ...
//   return barrier.Run(connection, call, [&](MYSQL* tx) -> entente::Result<entente::sdk::Answer> {
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

// libmariadb's or libmysqlclient's MYSQL.
struct st_mysql;

namespace entente::sdk {

class MysqlPlace;

// BarrierOptions::schema is the database that the table is in; empty: the connection's own when
// this object is used for the first time. A `USE` later moves no call to another table. Make no
// temporary table of its name: it would stand before it.
//
// Holds no connection: each call brings the caller's own, which must be in no transaction and have
// no result unread, and which no other thread uses meanwhile. Thread-safe. Blocks on the server and
// on locks of other transactions, as long as BarrierOptions::lock_timeout says, in whole seconds:
// the session's innodb_lock_wait_timeout and lock_wait_timeout are lowered to it, and stay so.
//
// Transactions are READ COMMITTED: the row's lock orders what races. During a call the session's
// autocommit is off, so that nothing which follows a deadlock is committed by itself. What the
// business write changes must be kept by InnoDB: other engines roll nothing back, and neither does
// the server after DDL, which commits.
//
// Errors:
//   kUnavailable        barrier.busy: deadlock, lock or statement time-out; nothing was done. Ask
//                       again.
//   kUnavailable        barrier.no_connection: the connection broke before the work; nothing was
//                       done. Make another.
//   kUnknownOutcome     barrier.commit_lost: it broke during the work or the commit. A repeat, on
//                       another connection, finds out.
//   kFailedPrecondition barrier.in_transaction: the connection is in a transaction already.
//   kFailedPrecondition barrier.no_schema: call CreateSchema first.
//   kFailedPrecondition barrier.not_durable: commits do not wait for the disk, or the table is not
//                       InnoDB's. Set innodb_flush_log_at_trx_commit to 1 and, with a binary log,
//                       sync_binlog to 1. Seen when a server is used for the first time.
//   kInternal           barrier.row_lost: the call's row was removed or replaced while the business
//                       write ran. Nothing was done.
//   kInvalidArgument    barrier.no_name (also of a gid of more than 1024 bytes or a branch of more
//                       than 512), sdk.bad_table
//   kInternal           barrier.work_threw
//   kInternal           barrier.work_ended_transaction: the business write ended the transaction
//                       that it was handed, by COMMIT, ROLLBACK or DDL, or went on after a deadlock
//                       had ended it. What it committed is not one with its row: a defect to
//                       repair.
//   kInternal           mysql.error: any other, with its number. Nothing was done.
//   kDataLoss           barrier.bad_row
class MysqlBarrier {
 public:
  // Makes the business write on the connection it is handed, inside the barrier's transaction,
  // which it must neither commit nor roll back. An error or an exception rolls back. A statement of
  // it that fails undoes only itself (but for a deadlock): what is answered is up to the write.
  // Results that it leaves unread are dropped, and one that is an error is the call's.
  using Work = std::function<Result<Answer>(st_mysql*)>;

  explicit MysqlBarrier(BarrierOptions options = {});

  // Creates the table unless it is there, and sees whether commits wait for the disk. Safe to call
  // at every start, also by several processes at once. Fails with kFailedPrecondition
  // (sdk.other_schema) if this object uses a table elsewhere.
  [[nodiscard]] Status CreateSchema(st_mysql* connection) const;

  // Carries out `call` once: runs `work` in a transaction together with the branch's row, or
  // answers from the row.
  [[nodiscard]] Result<Answer> Run(st_mysql* connection, const Call& call, const Work& work) const;

  // Drops what is not needed any more. Call it now and then. An error leaves the rest for the next
  // time.
  [[nodiscard]] Result<PurgeReport> Purge(st_mysql* connection,
                                          const PurgeOptions& options = {}) const;

 private:
  BarrierOptions options_;
  std::shared_ptr<MysqlPlace> place_;  // Shared by copies: each would have to find it again.
};

}  // namespace entente::sdk
