// Statements and transactions of PostgreSQL with Status. Internal to the SDK.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "entente/call.h"
#include "net/postgres/result.h"

namespace entente::sdk {

// A parameter in text form; absent: NULL.
using PgValue = std::optional<std::string>;

// A statement's result, good or not.
class PgResult : public pg::PgResult {
 public:
  using pg::PgResult::PgResult;

  // What a failure means; nothing of the transaction happened. ok() gives an ok Status.
  [[nodiscard]] Status ToStatus() const;
};

[[nodiscard]] PgResult PgExecute(PGconn* connection, const std::string& sql);
[[nodiscard]] PgResult PgExecute(PGconn* connection, const std::string& sql,
                                 std::initializer_list<PgValue> values);
[[nodiscard]] Status PgRun(PGconn* connection, const std::string& sql);

// Whether an error of this class says NO for good, since what the transaction wrote is at fault:
// the same work would meet it again. `sqlstate` has five characters, or none.
[[nodiscard]] bool PgRefusesForGood(std::string_view sqlstate);

// An expression that is true inside the transaction that PgTransaction began, and in no other that
// a business write may have begun after ending that one.
inline constexpr std::string_view kPgOursText =
    "coalesce(pg_catalog.current_setting('entente.transaction', true) = 'ours', false)";

// What a statement of ours says, in the server's log too, that changed another number of rows than
// the one it is about: nothing may be committed then.
inline constexpr std::string_view kPgRowLostText = "the row of this call is not there any more";

// `text` as a literal, quoted in the connection's encoding; absent: NULL. For statements that are
// sent several at a time, where parameters can not be.
[[nodiscard]] std::string PgLiteral(PGconn* connection, const PgValue& text);

using pg::PgErrorOf;

// Makes a connection that is known to be lost anew, with what it was opened with; settings made
// since then are gone.
[[nodiscard]] Status PgReconnect(PGconn* connection);

// Fails unless the connection stands and is in no transaction.
[[nodiscard]] Status PgCheckIdle(PGconn* connection);

// Runs a business write; what it throws becomes barrier.work_threw.
[[nodiscard]] Result<Answer> PgGuarded(PGconn* connection,
                                       const std::function<Result<Answer>(PGconn*)>& work);
// Our answer to a business write that committed or rolled back what is not its own.
[[nodiscard]] Status PgEndedByWork();

struct PgTransactionOptions {
  // Whether its commit need not wait for the disk. It does, whatever the session is set to, if not.
  bool may_be_lost = false;
  // How long each of its statements waits for a lock, unless the session is set to less. Zero: as
  // the session is set.
  Duration lock_timeout = {};
};

// A transaction, rolled back unless it was committed or otherwise ended.
class PgTransaction {
 public:
  explicit PgTransaction(PGconn* connection, const PgTransactionOptions& options = {})
      : connection_(connection), options_(options) {}
  ~PgTransaction();
  PgTransaction(const PgTransaction&) = delete;
  PgTransaction& operator=(const PgTransaction&) = delete;

  // `more` follows in the same message: "; SET LOCAL ...".
  [[nodiscard]] Status Begin(const std::string& more = {});
  // As Begin, with a statement sent along in the same message, which answers the result.
  [[nodiscard]] PgResult BeginWith(const std::string& statement);
  // `last` is a statement sent along in the same message: "UPDATE ...; ". The server may have
  // rolled back for certain: barrier.rejected says that what was written breaks a rule that is
  // checked only then; barrier.work_failed, that a statement had failed before, of which COMMIT
  // itself makes no error; barrier.work_ended_transaction, that this is not the transaction begun
  // here.
  [[nodiscard]] Status Commit(const std::string& last = {});
  [[nodiscard]] Status Rollback();
  // Whether the transaction is still open, failed or not.
  [[nodiscard]] bool open() const;

 private:
  [[nodiscard]] std::string BeginText() const;

  PGconn* connection_;
  const PgTransactionOptions options_;
  bool begun_ = false;
};

}  // namespace entente::sdk
