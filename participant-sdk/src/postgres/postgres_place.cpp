#include "participant-sdk/src/postgres/postgres_place.h"

namespace entente::sdk {
namespace {

std::string DatabaseOf(PGconn* connection) {
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return text(PQhost(connection)) + "\n" + text(PQport(connection)) + "\n" + text(PQdb(connection));
}

}  // namespace

// current_schemas(false) leaves out what stands in front of the search path: pg_temp, pg_catalog.
Result<std::string> PgPlace::Lookup(PGconn* connection) const {
  const PgResult found = PgExecute(
      connection,
      "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class AS c "
      "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
      "JOIN pg_catalog.unnest(CASE $2::text WHEN '' THEN "
      "pg_catalog.current_schemas(false) ELSE ARRAY[$2::text::name] END) WITH ORDINALITY AS path "
      "(name, position) ON path.name = n.nspname "
      "WHERE c.relname = pg_catalog.lower($1::text) AND c.relkind IN ('r', 'p') AND "
      "c.relpersistence <> 't' ORDER BY path.position LIMIT 1",
      {table_, schema_});
  ENTENTE_RETURN_IF_ERROR(found.ToStatus());
  return found.rows() == 0 ? std::string() : found.Text(0, 0);
}

Result<std::string> PgPlace::NameToCreate(PGconn* connection) const {
  const PgResult named =
      PgExecute(connection,
                "SELECT pg_catalog.format('%I.%I', CASE $2::text WHEN '' THEN current_schema() "
                "ELSE $2::text::name END, pg_catalog.lower($1::text))",
                {table_, schema_});
  // Of a search path without any schema that exists, too: format refuses a null name.
  ENTENTE_RETURN_IF_ERROR(named.ToStatus());
  return named.Text(0, 0);
}

std::string PgPlace::Known(const std::string& database) const {
  const std::lock_guard lock(mutex_);
  const auto known = names_.find(database);
  return known == names_.end() ? std::string() : known->second;
}

std::string PgPlace::Remember(const std::string& database, const std::string& name) {
  const std::lock_guard lock(mutex_);
  return names_.emplace(database, name).first->second;
}

Result<std::string> PgPlace::Find(PGconn* connection) {
  const std::string database = DatabaseOf(connection);
  if (std::string known = Known(database); !known.empty()) {
    return known;
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::string name, Lookup(connection));
  if (name.empty()) {
    return FailedPrecondition(
        "barrier.no_schema",
        "the table '" + table_ + "' is not in " +
            (schema_.empty() ? "the search path" : "the schema '" + schema_ + "'") + " of '" +
            PQdb(connection) + "': call CreateSchema at start");
  }
  return Remember(database, name);
}

Status PgPlace::Create(PGconn* connection, Duration lock_timeout, const Ddl& ddl) {
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  PgTransaction transaction(connection, {.lock_timeout = lock_timeout});
  // CREATE ... IF NOT EXISTS alone can still fail when two processes start together.
  ENTENTE_RETURN_IF_ERROR(transaction.Begin(
      "; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(hashtext(" +
      PgLiteral(connection, table_) + "))"));
  // Nor may it be asked for again: CREATE INDEX would wait for every prepared transaction that has
  // written to the table, so that no service could start while one is in doubt.
  ENTENTE_ASSIGN_OR_RETURN(std::string name, Lookup(connection));
  if (name.empty()) {
    ENTENTE_ASSIGN_OR_RETURN(name, NameToCreate(connection));
    ENTENTE_RETURN_IF_ERROR(PgRun(connection, ddl(name)));
  }
  ENTENTE_RETURN_IF_ERROR(transaction.Commit());
  const std::string used = Remember(DatabaseOf(connection), name);
  return used == name ? Status()
                      : FailedPrecondition("sdk.other_schema",
                                           "this object uses the table " + used +
                                               " already, and here the search path leads to " +
                                               name + ": make one object for each schema");
}

}  // namespace entente::sdk
