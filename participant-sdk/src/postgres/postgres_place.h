// Where a table of the SDK stands in PostgreSQL. Internal to the SDK.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "participant-sdk/src/postgres/postgres_support.h"

namespace entente::sdk {

// Finds a table once and names it with its schema from then on.
//
// What a bare name means is up to the search path, and that belongs to the business: a service with
// a schema for each tenant sets it inside the transaction, or a pool sets it between two calls.
// Were the name looked up again, the row that a call locked and the row that it changes would be
// two, or a repeat would look where nothing was written. For the same reason a session's temporary
// table of that name, which stands before the whole search path, is none of ours.
//
// Thread-safe. Remembers each database that it is used with by the connection's host, port and
// name.
class PgPlace {
 public:
  // `schema`: where the table is; empty: the first schema of the search path that has it.
  PgPlace(std::string schema, std::string table)
      : schema_(std::move(schema)), table_(std::move(table)) {}

  // The table's name, qualified and quoted. Asks the server until it was found. Fails with
  // kFailedPrecondition (barrier.no_schema).
  [[nodiscard]] Result<std::string> Find(PGconn* connection);

  // Runs the DDL that makes the table under the qualified name it is given, in a transaction, one
  // process at a time, unless the table is there. Fails with kFailedPrecondition
  // (sdk.other_schema) if another one of that name is in use already.
  using Ddl = std::function<std::string(const std::string& table)>;
  [[nodiscard]] Status Create(PGconn* connection, Duration lock_timeout, const Ddl& ddl);

 private:
  // Empty: it is nowhere.
  [[nodiscard]] Result<std::string> Lookup(PGconn* connection) const;
  [[nodiscard]] Result<std::string> NameToCreate(PGconn* connection) const;
  [[nodiscard]] std::string Known(const std::string& database) const;
  // The name that is remembered: this one, or an earlier one.
  [[nodiscard]] std::string Remember(const std::string& database, const std::string& name);

  const std::string schema_;
  const std::string table_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> names_;  // By database. Guarded by mutex_.
};

}  // namespace entente::sdk
