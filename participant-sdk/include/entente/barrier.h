// The barrier: what makes a participant's operations safe to repeat, to reorder and to lose.
//
// A barrier writes one row for each branch, in the same local transaction as the business write, in
// the service's own database. The row is locked while an operation runs, so that what races is
// carried out one after the other. It keeps six promises:
//
//   1. An operation takes effect at most once, however often it arrives, also at the same moment:
//      once it is Done, no copy of it runs. What is Pending is not yet done (below).
//   2. A repeat is given the answer of the run, from the row.
//   3. A compensate, cancel or rollback whose action, try or prepare never came is recorded, does
//      nothing and is answered with Done: there is nothing to undo.
//   4. An action, try or prepare that arrives after it is refused (barrier.suspended).
//   5. A call of an older epoch than any row of the transaction has seen is refused
//      (barrier.stale_epoch): it comes from a process that has lost the transaction to another one.
//   6. The row belongs to the coordinator for which it was made (Call::coordinator), or, if none
//      was named, to the first one that names itself. Another one that uses the same gid is
//      refused, whatever it asks for, and nothing is changed (barrier.other_coordinator): it must
//      not be given what was done for the first. Epochs are compared between calls of one
//      coordinator.
//
// A confirm or commit without its try or prepare is refused (barrier.not_tried), and so is one
// after the branch was undone (barrier.undone), and an undo after it was finished
// (barrier.finished).
//
// What is kept. Done, ReadOnly and Pending commit the business write and are stored. Refused,
// Retry, Heuristic and errors roll it back. Of those, two refusals are stored, without the write:
//
//   * Of an action, try or prepare. The coordinator never undoes what it was refused, so a copy of
//     the call that the network delivers later must not run: it is given the refusal again. Only a
//     later attempt (call.attempt) runs, which the coordinator makes when it did not hear the
//     refusal, or when an operator retries a step past the pivot; it hears that answer, and undoes
//     what it has to.
//   * Of a one-phase commit: there the participant itself decides, so its refusal is the decision.
//     A repeat of it is answered with Heuristic(HeuristicOutcome::kRolledBack): the coordinator
//     asks again because it heard nothing, and then believes a participant's word on the outcome,
//     but no mere refusal.
//
// A refused confirm, commit or undo stores nothing: a repeat runs again and may be answered
// otherwise.
//
// A Pending is the answer for its own attempt and those before it. A later attempt runs the handler
// again, in a transaction that sees what the earlier run wrote: the coordinator makes one when it
// did not hear the Pending, when the completion said refused or never came, or when an operator
// asks. Only the handler can tell these apart; while its earlier work is under way it answers
// Pending again and writes nothing.
//
// sqlite_barrier.h and postgres_barrier.h have the barriers.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "entente/base/ids.h"
#include "entente/base/status.h"
#include "entente/base/time.h"

namespace entente::sdk {

struct BarrierOptions {
  // The table: letters, digits and '_', at most 48 of them, not a digit first.
  std::string table = "entente_barrier";
  // PostgreSQL: the schema that the table is in. Empty: the one in which CreateSchema of this
  // object found or made it, else the first of the search path that has it when the object is used
  // for the first time. From then on the search path does not matter: what a business write or a
  // pool sets it to moves no call to another table. One object is for one schema. SQLite: always
  // main.
  std::string schema = {};
  // PostgreSQL: how long each statement of a call, those of the business write too, waits for
  // another transaction's lock; past it the call ends as barrier.busy. A lock may be held by what
  // is prepared until the coordinator decides, and a call that waits for it holds a thread and a
  // connection which that decision needs. Keep it well below the step's `timeout` (10 s unless the
  // definition says otherwise). A session that is set to less keeps that. Zero: as the session is
  // set. SQLite: its busy handler says.
  Duration lock_timeout = std::chrono::seconds(2);
  // What dates the rows. Default: the system's clock. Called from any thread.
  std::function<Instant()> now = {};
  // An operation is answered once its transaction is on the disk. PostgreSQL: where the session has
  // synchronous_commit off, the barrier's transactions turn it on. SQLite: a connection is turned
  // away unless it has journal_mode WAL with synchronous FULL or EXTRA, or a rollback journal on
  // the disk with EXTRA (with FULL, a loss of power can bring the journal back, which undoes the
  // latest commit). With true neither is done, and the promises above do not hold across a loss of
  // power: what was acknowledged may be gone afterwards.
  bool allow_lost_writes = false;
};

// What Purge may remove. Rows of branches that are not finished are never touched.
struct PurgeOptions {
  // A finished branch's answers are dropped this long after its last operation. The row itself
  // stays: it is what refuses a late action. A late repeat of a finish or undo is still answered
  // with Done, one of the action with a refusal (barrier.purged).
  Duration answers_after = std::chrono::hours(24 * 7);
  // The row is removed this long after the branch was finished or refused. Default: never. From
  // then on, a duplicate of the forward call would run, so this must be longer than any message can
  // be under way and than any coordinator can be stopped and come back; less than a day is refused.
  // A row whose action never came goes only if `has_ended` says besides that the coordinator is
  // done with the transaction: until then that action may still be sent for the first time.
  std::optional<Duration> rows_after = {};
  // A saga's action that stands is not known to be finished: whether it will be compensated is only
  // known to the coordinator. Such rows are kept unless this says that the transaction has ended.
  // The same holds for rows whose action never came. Client::Get answers that. kNotFound counts as
  // ended: a coordinator accepts a transaction before it calls anybody, and forgets it only some
  // time after its end (by default after as long as `answers_after`, so that most are forgotten
  // when they are asked for). On any other error the row is kept.
  std::function<Result<bool>(const Gid&)> has_ended = {};
  // At most so many rows are looked at in one call, which is one short transaction.
  size_t max_rows = 1000;
};

struct PurgeReport {
  size_t answers_dropped = 0;
  size_t rows_removed = 0;
  bool more = false;  // Call again: max_rows was reached.
};

}  // namespace entente::sdk
