// A connection to the tests' MariaDB.
#pragma once

#include <mysql.h>

#include <cstdlib>
#include <memory>
#include <string>

#include <catch2/catch.hpp>

namespace entente::sdk::test {

struct MysqlClose {
  void operator()(MYSQL* connection) const { mysql_close(connection); }
};
using MysqlHandle = std::unique_ptr<MYSQL, MysqlClose>;

// `database` empty: none is used. `flags`: CLIENT_..., beside several statements in one text.
inline MysqlHandle ConnectMysql(const std::string& database, unsigned long flags = 0) {
  const char* socket = std::getenv("ENTENTE_TEST_MARIADB");
  if (socket == nullptr) {
    FAIL("run below `tests/support/mariadb.py`");
  }
  MysqlHandle connection(mysql_init(nullptr));
  if (mysql_real_connect(connection.get(), nullptr, "root", "",
                         database.empty() ? nullptr : database.c_str(), 0, socket,
                         flags | CLIENT_MULTI_STATEMENTS) == nullptr) {
    FAIL(mysql_error(connection.get()));
  }
  return connection;
}

// The first value of what `sql` yields; empty if it yields nothing. Fails the test on an error, and
// asserts nothing otherwise: threads beside the test's own call it too.
inline std::string QueryMysql(MYSQL* connection, const std::string& sql) {
  std::string value;
  int more = mysql_real_query(connection, sql.data(), sql.size());
  while (more == 0) {
    if (MYSQL_RES* const result = mysql_store_result(connection)) {
      const MYSQL_ROW row = mysql_fetch_row(result);
      value = row == nullptr || row[0] == nullptr ? "" : row[0];
      mysql_free_result(result);
    }
    more = mysql_next_result(connection);
  }
  if (more > 0 || mysql_errno(connection) != 0) {
    FAIL(sql << ": " << mysql_error(connection));
  }
  return value;
}

// A database of its own, with a ledger.
std::string MakeMysqlDatabase();

}  // namespace entente::sdk::test
