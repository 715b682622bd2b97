// A participant of a two-phase commit that keeps its data in PostgreSQL, by the server's own
// PREPARE TRANSACTION.
//
//   const entente::sdk::PostgresResource resource({.node = "hotels"});
//   TwoPhaseHandlers handlers;
//   handlers.prepare = [&](const Call& call) {
//     return resource.Prepare(Connection(), call, Reserve(call));
//   };
//   handlers.commit = [&](const Call& call) { return resource.Commit(Connection(), call); };
//   handlers.rollback = [&](const Call& call) { return resource.Rollback(Connection(), call); };
//   participant.Register("room", handlers);
//
// and, every few seconds, Recover: it finishes what a crash left prepared.
//
// How a repeat is told from a first call. The prepared transaction contains a row of the barrier's
// table that says "committed". While it is prepared nobody sees that row, but it locks its key;
// when it is committed, the row becomes true and visible at the same moment as the business write.
// So a COMMIT PREPARED that finds no such name (SQLSTATE 42704, which alone does not tell committed
// from never prepared) is done if the row is there, and otherwise reports that the transaction was
// rolled back here by somebody else. A rollback, also one by Recover, leaves a row that refuses a
// prepare that comes after it.
//
// Why an epoch is not checked here. A coordinator that has lost a transaction can still send what
// it began to send, but only what follows from a decision that was durable first, and there is only
// one decision: a late commit or rollback says the same as the new owner's. A late prepare meets
// the row.
//
// The server needs max_prepared_transactions > 0 (a restart), and the same user must prepare and
// finish. Prepared transactions keep their locks, through restarts too, and held for long they stop
// VACUUM: alert on Prepared().
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "entente/barrier.h"
#include "entente/call.h"
#include "entente/decision.h"

// libpq's PGconn.
struct pg_conn;

namespace entente::sdk {

class PgPlace;

struct PostgresResourceOptions {
  // Names this participant within the server: its prepared transactions carry it, and Recover
  // touches no others. The same in all processes of the service, and for ever. 1 to 32 letters,
  // digits, '.', '_' and '-'.
  std::string node = {};
  std::string prefix = "entente";  // Likewise; 1 to 16.
  // How long a transaction that the coordinator does not want committed must have been seen
  // prepared before Recover rolls it back.
  Duration safety_interval = std::chrono::seconds(20);
  // How long a statement of Prepare, or of a commit in one phase, waits for another transaction's
  // lock, which may be prepared and stay for long; `barrier.lock_timeout` is not looked at. Prepare
  // waits up to twice as long, since it tries again when another call was faster; so that it says
  // "busy" in time, keep it well below half of the step's `timeout` (10 s unless the definition
  // says otherwise). A session that is set to less keeps
  // that. Zero: as the session is set.
  Duration lock_timeout = std::chrono::seconds(2);
  // The table, its schema, and the clock.
  BarrierOptions barrier = {};
};

struct RecoveryReport {
  size_t committed = 0;
  size_t rolled_back = 0;
  size_t waiting = 0;                     // Undecided, or not seen for long enough.
  std::vector<std::string> unknown = {};  // No decision was to be had, or finishing failed; why.
  // Prepared for another coordinator than the one that was asked; left alone.
  std::vector<std::string> foreign = {};
};

// The prepared transactions of this participant.
struct PreparedReport {
  size_t count = 0;
  Duration oldest_age = {};
  std::string oldest_name = {};
};

// Holds no connection: each call brings the caller's own, which must be idle and in no transaction,
// and which no other thread uses meanwhile. Thread-safe. Blocks on the server.
//
// Errors are those of PostgresBarrier, and kUnknownOutcome resource.outcome_lost: the connection
// broke while the server prepared, committed or rolled back; a repeat finds out. All of them are
// answered with Retry by a Participant. What cannot succeed by repeating is an answer:
//
//   Refused resource.rejected: what was written broke a deferred constraint or trigger, or a right
//   Refused resource.failed_transaction: a statement failed though the work answered Done
//   Refused resource.not_preparable: temporary objects, LISTEN, NOTIFY, a WITH HOLD cursor, or a
//     lock held both by session and transaction
//   Refused resource.not_enabled: max_prepared_transactions is 0
//   Refused resource.name_too_long: the transaction's gid does not fit PostgreSQL's 199 bytes
//   Refused resource.duplicate_name: the name is prepared by somebody else
//   Refused resource.other_database: this connection's database is not the one of the prepare
//   Refused resource.not_owner: another user prepared it, and this one is no superuser
//   Refused barrier.rejected, barrier.work_failed: the first two, of a commit in one phase
//   Refused barrier.other_coordinator: the gid's branch belongs to another coordinator (barrier.h)
//
// A full table of prepared transactions is kUnavailable resource.no_slot.
class PostgresResource {
 public:
  // The business write; as PostgresBarrier::Work. Answers Done without an output, Refused or Retry:
  // what a prepared transaction wrote can not be read, so a repeat could not be given the output
  // again. Put what a later step reads together after Prepare, from the call's input.
  using Work = std::function<Result<Answer>(pg_conn*)>;

  explicit PostgresResource(PostgresResourceOptions options);

  // Whether this resource can work: its options, the server's settings, the table. Call it at
  // start. Fails with kInvalidArgument (resource.bad_name) or kFailedPrecondition
  // (resource.not_enabled, resource.no_privilege, barrier.no_schema).
  [[nodiscard]] Status Check(pg_conn* connection) const;
  // The barrier's table, unless it is there.
  [[nodiscard]] Status CreateSchema(pg_conn* connection) const;

  // Votes: Done is YES, and durable; ReadOnly says that `work` wrote nothing and locked no row,
  // which is committed at once and not prepared. LOCK TABLE (most modes) and advisory locks alone
  // do not count, and end with it; work that needs them kept until the decision asks for a
  // transaction number (SELECT pg_current_xact_id()), and is prepared then.
  [[nodiscard]] Result<Answer> Prepare(pg_conn* connection, const Call& call,
                                       const Work& work) const;

  // Commits what was prepared. In one phase (call.one_phase) nothing was: `work`, which must not be
  // empty then, runs and is committed together with its row, once.
  [[nodiscard]] Result<Answer> Commit(pg_conn* connection, const Call& call,
                                      const Work& work = {}) const;

  // Rolls back what was prepared, if it was, and lets no later prepare in.
  [[nodiscard]] Result<Answer> Rollback(pg_conn* connection, const Call& call) const;

  // Asks for the decision on each of this participant's prepared transactions and carries it out.
  // Undecided ones, and all if no decision can be had, are left alone. What is to be rolled back
  // must have been seen by this object for the safety interval. A name carries the id of the
  // coordinator that it was prepared for (Call::coordinator), if that was said: one that another
  // coordinator answers for is left alone and reported, since "unknown" there means nothing. Safe
  // to run in several processes and beside calls.
  [[nodiscard]] Result<RecoveryReport> Recover(pg_conn* connection, const DecisionSource& decide);

  [[nodiscard]] Result<PreparedReport> Prepared(pg_conn* connection) const;

  // The name under which a call's transaction is prepared in a database; for people and tests.
  [[nodiscard]] std::string NameOf(const Call& call, const std::string& database) const;

 private:
  PostgresResourceOptions options_;
  std::shared_ptr<PgPlace> place_;  // Of the barrier's table.
  std::mutex mutex_;
  std::map<std::string, Instant> first_seen_;  // By name. Guarded by mutex_.
};

}  // namespace entente::sdk
