#include "participant-sdk/src/mysql/mysql_support.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

namespace entente::sdk {
namespace {

// Of the server, in numbers that not both of its headers name.
constexpr unsigned kServerShutdown = 1053;
constexpr unsigned kConnectionKilled = 1927;  // MariaDB.
constexpr unsigned kIdleTooLong = 4031;       // MySQL.
constexpr unsigned kRecordChanged = 1020;
constexpr unsigned kInterrupted = 1317;
constexpr unsigned kStatementTimeoutMariadb = 1969;
constexpr unsigned kStatementTimeoutMysql = 3024;
constexpr unsigned kLostExtended = 2055;

constexpr std::array kLost{unsigned{CR_SERVER_GONE_ERROR},
                           unsigned{CR_SERVER_LOST},
                           unsigned{CR_CONNECTION_ERROR},
                           unsigned{CR_CONN_HOST_ERROR},
                           kLostExtended,
                           kServerShutdown,
                           kConnectionKilled,
                           kIdleTooLong};
constexpr std::array kBusy{
    unsigned{ER_LOCK_WAIT_TIMEOUT}, unsigned{ER_LOCK_DEADLOCK}, kRecordChanged, kInterrupted,
    kStatementTimeoutMariadb,       kStatementTimeoutMysql};

template <size_t N>
bool IsOneOf(const std::array<unsigned, N>& numbers, unsigned number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

Status Failure(MYSQL* connection) {
  const unsigned number = mysql_errno(connection);
  const std::string text =
      std::string(mysql_error(connection)) + " (error " + std::to_string(number) + ")";
  if (IsOneOf(kLost, number)) {
    return Unavailable("barrier.no_connection", "the connection to the database is lost: " + text);
  }
  if (IsOneOf(kBusy, number)) {
    return Unavailable("barrier.busy", text + "; ask again");
  }
  if (number == ER_SP_DOES_NOT_EXIST) {
    return Internal(kMysqlNoSavepoint, text);
  }
  if (number == ER_NO_SUCH_TABLE) {
    return FailedPrecondition("barrier.no_schema", text + "; call CreateSchema at start");
  }
  return Internal("mysql.error", text);
}

}  // namespace

std::string MysqlBytes(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string literal = "X'";
  literal.reserve(bytes.size() * 2 + 3);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    literal += kDigits[value >> 4U];
    literal += kDigits[value & 0xfU];
  }
  return literal + "'";
}

std::string MysqlOptionalBytes(const std::optional<std::string>& bytes) {
  return bytes ? MysqlBytes(*bytes) : "NULL";
}

std::string MysqlName(std::string_view name) {
  std::string quoted = "`";
  for (const char c : name) {
    quoted += c == '`' ? "``" : std::string(1, c);
  }
  return quoted + "`";
}

bool MysqlInTransaction(const MYSQL* connection) {
  return (connection->server_status & SERVER_STATUS_IN_TRANS) != 0;
}

Status MysqlCheckIdle(const MYSQL* connection) {
  return MysqlInTransaction(connection)
             ? FailedPrecondition("barrier.in_transaction",
                                  "the connection is in a transaction; the barrier opens its own")
             : Status();
}

MysqlResult::MysqlResult(MYSQL_RES* result, uint64_t changed)
    : result_(result), changed_(changed) {}

bool MysqlResult::Next() {
  row_ = result_ ? mysql_fetch_row(result_.get()) : nullptr;
  lengths_ = row_ == nullptr ? nullptr : mysql_fetch_lengths(result_.get());
  return row_ != nullptr;
}

std::optional<std::string> MysqlResult::OptionalText(unsigned column) const {
  return row_ == nullptr || row_[column] == nullptr
             ? std::nullopt
             : std::optional(std::string(row_[column], lengths_[column]));
}

int64_t MysqlResult::Integer(unsigned column) const {
  const std::string text = Text(column);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

MysqlResult MysqlQuery(MYSQL* connection, const std::string& sql) {
  if (mysql_real_query(connection, sql.data(), sql.size()) != 0) {
    return MysqlResult(Failure(connection));
  }
  MYSQL_RES* const result = mysql_store_result(connection);
  if (result == nullptr && mysql_field_count(connection) != 0) {
    return MysqlResult(Failure(connection));
  }
  return {result, mysql_affected_rows(connection)};
}

Status MysqlReadRest(MYSQL* connection) {
  while (connection->status == MYSQL_STATUS_GET_RESULT ||
         (connection->server_status & SERVER_MORE_RESULTS_EXIST) != 0) {
    if (MYSQL_RES* const result = mysql_use_result(connection)) {
      mysql_free_result(result);
    }
    if (mysql_next_result(connection) > 0) {
      return Failure(connection);
    }
  }
  return Status();
}

Status MysqlExecute(MYSQL* connection, const std::string& sql) {
  return MysqlQuery(connection, sql).status();
}

Status MysqlInDoubt(Status status) {
  return status.reason() == "barrier.no_connection"
             ? UnknownOutcome("barrier.commit_lost",
                              status.message() +
                                  "; a repeat, on another connection, finds out "
                                  "whether it was committed")
             : status;
}

Status MysqlBoundLocks(MYSQL* connection, Duration lock_timeout) {
  if (lock_timeout <= Duration::zero()) {
    return Status();
  }
  const std::string seconds =
      std::to_string(std::chrono::ceil<std::chrono::seconds>(lock_timeout).count());
  return MysqlExecute(
      connection,
      "SET SESSION innodb_lock_wait_timeout = LEAST(@@SESSION.innodb_lock_wait_timeout, " +
          seconds + "), SESSION lock_wait_timeout = LEAST(@@SESSION.lock_wait_timeout, " + seconds +
          ")");
}

Status MysqlTransaction::Begin() {
  autocommit_was_on_ = (connection_->server_status & SERVER_STATUS_AUTOCOMMIT) != 0;
  begun_ = true;
  ENTENTE_RETURN_IF_ERROR(MysqlExecute(connection_, "SET SESSION autocommit = 0"));
  ENTENTE_RETURN_IF_ERROR(
      MysqlExecute(connection_, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"));
  return MysqlExecute(connection_, "START TRANSACTION");
}

Status MysqlTransaction::Commit() {
  Status status = MysqlInDoubt(MysqlExecute(connection_, "COMMIT"));
  committed_ = status.ok();
  return status;
}

// What fails here fails because the connection is gone, and its transaction with it.
MysqlTransaction::~MysqlTransaction() {
  if (!begun_) {
    return;
  }
  if (!committed_) {
    static_cast<void>(MysqlExecute(connection_, "ROLLBACK"));
  }
  if (autocommit_was_on_) {
    static_cast<void>(MysqlExecute(connection_, "SET SESSION autocommit = 1"));
  }
}

}  // namespace entente::sdk
