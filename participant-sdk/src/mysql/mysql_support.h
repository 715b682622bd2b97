// Statements and transactions of MariaDB and MySQL with Status. Internal to the SDK.
#pragma once

#include <mysql.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"

namespace entente::sdk {

// Bytes as a literal, whatever the session's character set and SQL mode are. Without any: NULL.
[[nodiscard]] std::string MysqlBytes(std::string_view bytes);
[[nodiscard]] std::string MysqlOptionalBytes(const std::optional<std::string>& bytes);
// A name in backticks.
[[nodiscard]] std::string MysqlName(std::string_view name);

// Whether the connection is known to be in a transaction. The server does not say so with an error:
// after one that ended the transaction this is still true.
[[nodiscard]] bool MysqlInTransaction(const MYSQL* connection);
// Fails with kFailedPrecondition (barrier.in_transaction).
[[nodiscard]] Status MysqlCheckIdle(const MYSQL* connection);

// What one statement yielded. Copies nothing: texts are copied when asked for.
class MysqlResult {
 public:
  // Failed.
  explicit MysqlResult(Status failure) : failure_(std::move(failure)) {}
  MysqlResult(MYSQL_RES* result, uint64_t changed);

  [[nodiscard]] const Status& status() const { return failure_; }
  // Rows that an INSERT, UPDATE or DELETE changed.
  [[nodiscard]] uint64_t changed() const { return changed_; }
  // The next row. False: there is none.
  [[nodiscard]] bool Next();
  // Of that row; valid until the next.
  [[nodiscard]] std::optional<std::string> OptionalText(unsigned column) const;
  [[nodiscard]] std::string Text(unsigned column) const {
    return OptionalText(column).value_or(std::string());
  }
  [[nodiscard]] int64_t Integer(unsigned column) const;

 private:
  struct Free {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  };
  Status failure_;
  std::unique_ptr<MYSQL_RES, Free> result_;
  uint64_t changed_ = 0;
  MYSQL_ROW row_ = nullptr;
  unsigned long* lengths_ = nullptr;
};

// Errors: those of MysqlBarrier that come from the server; a lost connection is
// barrier.no_connection.
[[nodiscard]] MysqlResult MysqlQuery(MYSQL* connection, const std::string& sql);
[[nodiscard]] Status MysqlExecute(MYSQL* connection, const std::string& sql);
// Reads and drops what somebody else's statements have left unread, without which no other can be
// sent. Fails as the first of them did.
[[nodiscard]] Status MysqlReadRest(MYSQL* connection);
// The reason of a failure to end a savepoint that is not there.
inline constexpr const char* kMysqlNoSavepoint = "mysql.no_savepoint";

// `status`, in doubt where the connection was lost: what ran may have been committed.
[[nodiscard]] Status MysqlInDoubt(Status status);

// Bounds how long statements of this session wait for locks; a session that is set to less keeps
// that. Zero: as the session is set.
[[nodiscard]] Status MysqlBoundLocks(MYSQL* connection, Duration lock_timeout);

// READ COMMITTED, rolled back unless it was committed. Autocommit is off as long as it lives: after
// a deadlock has ended it, what follows begins another transaction, which is rolled back too.
class MysqlTransaction {
 public:
  explicit MysqlTransaction(MYSQL* connection) : connection_(connection) {}
  ~MysqlTransaction();
  MysqlTransaction(const MysqlTransaction&) = delete;
  MysqlTransaction& operator=(const MysqlTransaction&) = delete;

  [[nodiscard]] Status Begin();
  // Fails with kUnknownOutcome (barrier.commit_lost) if the connection breaks.
  [[nodiscard]] Status Commit();

 private:
  MYSQL* connection_;
  bool begun_ = false;
  bool committed_ = false;
  bool autocommit_was_on_ = false;
};

}  // namespace entente::sdk
