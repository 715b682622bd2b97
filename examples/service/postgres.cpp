#include "examples/service/postgres.h"

#include <charconv>
#include <utility>

namespace examples {
namespace {

using entente::Result;
using entente::StatusCode;

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, Clear>;

// "ERROR:  no such table\n" without its end.
std::string Message(const char* text) {
  std::string message = text;
  while (!message.empty() && message.back() == '\n') {
    message.pop_back();
  }
  return message;
}

entente::Status Broken(const std::string& message) {
  return entente::Unavailable("postgres.unavailable", message);
}

Result<ResultHandle> Execute(PGconn* connection, const std::string& sql,
                             std::initializer_list<std::string> values) {
  std::vector<const char*> texts;
  for (const std::string& value : values) {
    texts.push_back(value.c_str());
  }
  ResultHandle result(PQexecParams(connection, sql.c_str(), static_cast<int>(texts.size()), nullptr,
                                   texts.data(), nullptr, nullptr, /*resultFormat=*/0));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    return Broken(Message(PQerrorMessage(connection)));
  }
  return result;
}

}  // namespace

Result<PgRows> PgQuery(PGconn* connection, const std::string& sql,
                       std::initializer_list<std::string> values) {
  const auto result = Execute(connection, sql, values);
  if (!result.ok()) {
    return result.status();
  }
  PgRows rows;
  for (int row = 0; row < PQntuples(result->get()); ++row) {
    std::vector<std::string>& texts = rows.emplace_back();
    for (int column = 0; column < PQnfields(result->get()); ++column) {
      texts.emplace_back(PQgetvalue(result->get(), row, column));
    }
  }
  return rows;
}

Result<int64_t> PgChange(PGconn* connection, const std::string& sql,
                         std::initializer_list<std::string> values) {
  const auto result = Execute(connection, sql, values);
  if (!result.ok()) {
    return result.status();
  }
  const std::string count = PQcmdTuples(result->get());
  int64_t number = 0;
  std::from_chars(count.data(), count.data() + count.size(), number);
  return number;
}

PgPool::Loan::~Loan() {
  Handle handle(connection_);
  const std::lock_guard lock(pool_.mutex_);
  if (PQstatus(connection_) != CONNECTION_OK) {
    pool_.idle_.clear();  // The server went away: the others are as broken.
  } else if (PQtransactionStatus(connection_) == PQTRANS_IDLE) {
    pool_.idle_.push_back(std::move(handle));
  }
}

Result<std::unique_ptr<PgPool::Loan>> PgPool::Borrow() {
  Handle handle;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      handle = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  // One that was idle while the server went away is found out by the caller's first statement.
  if (!handle) {
    handle.reset(PQconnectdb(conninfo_.c_str()));
    if (PQstatus(handle.get()) != CONNECTION_OK) {
      return Broken(Message(PQerrorMessage(handle.get())));
    }
    const auto set = PgChange(handle.get(), "SET lock_timeout = '1s'");
    if (!set.ok()) {
      return set.status();
    }
  }
  return std::make_unique<Loan>(*this, handle.release());
}

}  // namespace examples
