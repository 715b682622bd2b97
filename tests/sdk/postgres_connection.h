// A connection to the tests' PostgreSQL.
#pragma once

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

namespace entente::sdk::test {

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using PgHandle = std::unique_ptr<PGconn, Finish>;

inline PgHandle ConnectPostgres(const std::string& more = {}) {
  const char* conninfo = std::getenv("ENTENTE_TEST_POSTGRES");
  if (conninfo == nullptr) {
    FAIL("run below `tests/support/postgres.py run`");
  }
  PgHandle connection(PQconnectdb((std::string(conninfo) + " " + more).c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    FAIL(PQerrorMessage(connection.get()));
  }
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

// The first value of what `sql` yields; empty if it yields nothing. Fails the test on an error, and
// asserts nothing otherwise: threads beside the test's own call it too.
inline std::string Query(PGconn* connection, const std::string& sql) {
  PGresult* result = PQexec(connection, sql.c_str());
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    FAIL(sql << ": " << PQresultErrorMessage(result));
  }
  std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
  PQclear(result);
  return value;
}

}  // namespace entente::sdk::test
