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

}  // namespace examples
