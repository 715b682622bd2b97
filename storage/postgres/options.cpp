#include "storage/postgres/options.h"

#include <algorithm>

namespace entente::storage::postgres {
namespace {

std::string Set(const std::string& name, Duration duration) {
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return "SET " + name + " = '" + std::to_string(std::max<int64_t>(1, milliseconds)) + "ms'";
}

pg::ConnectOptions WriterSession(const PostgresOptions& options, Duration lock_timeout) {
  pg::ConnectOptions session = ReaderSession(options, options.statement_timeout);
  session.preparations.push_back({Set("lock_timeout", lock_timeout), true});
  // A process that is stopped between two statements keeps its shards' rows locked until the server
  // ends its session: well before its leases do.
  session.preparations.push_back({Set("idle_in_transaction_session_timeout", options.lease / 2)});
  // Rows are looked up by their keys. Prepared while a table was small, a plan could read all of
  // it, and would go on to when it is large.
  for (const char* plan : {"enable_seqscan", "enable_hashjoin", "enable_mergejoin"}) {
    session.preparations.push_back({std::string("SET ") + plan + " = off", true});
  }
  return session;
}

}  // namespace

pg::ConnectOptions WriterSession(const PostgresOptions& options) {
  return WriterSession(options, options.lock_timeout);
}

pg::ConnectOptions LeaseSession(const PostgresOptions& options) {
  return WriterSession(options, options.lease_lock_timeout);
}

pg::ConnectOptions ReaderSession(const PostgresOptions& options, Duration timeout) {
  pg::ConnectOptions session;
  session.conninfo = options.conninfo;
  session.preparations = {
      {Set("statement_timeout", timeout)},
      {"SET jit = off", true},
      // Only where it is off: `on` would lower a server that waits for more.
      {"SELECT set_config('synchronous_commit', 'on', false)"
       " WHERE current_setting('synchronous_commit') = 'off'",
       true},
  };
  return session;
}

}  // namespace entente::storage::postgres
