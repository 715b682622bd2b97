// Connections to a PostgreSQL database, lent to one handler at a time.
//
//   entente::sdk::PostgresPool pool({.conninfo = "host=db dbname=bank"});
//   ...
//   ENTENTE_ASSIGN_OR_RETURN(const entente::sdk::PostgresPool::Loan loan, pool.Borrow());
//   return barrier.Run(loan.get(), call, work);
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "entente/base/status.h"
#include "entente/base/time.h"

// libpq's PGconn.
struct pg_conn;

namespace entente::sdk {

struct PostgresPoolOptions {
  std::string conninfo = {};  // As libpq reads it.
  // Both are libpq's and the server's own settings, for each connection. Zero: as the server is
  // set. A statement that waits longer than this for a lock fails; a lock may be prepared and stay.
  Duration lock_timeout = std::chrono::seconds(5);
  // How often a server that works for us looks whether we are still there: what a killed process
  // began would keep its locks until its statement ends.
  Duration client_connection_check_interval = std::chrono::seconds(1);
  Duration connect_timeout = std::chrono::seconds(5);  // At least two seconds, says libpq.
  // As many handlers as may run at once, and one for recovery and purging. The server's
  // max_connections bounds all pools together.
  size_t max_connections = 32;
  // How long Borrow waits for a connection.
  Duration borrow_timeout = std::chrono::seconds(2);
  // Makes a new connection ready, for example by setting the search path. An error closes it.
  std::function<Status(pg_conn*)> on_connect = {};
};

// Thread-safe. Opens a connection when one is asked for and none is idle. Must outlive its loans.
class PostgresPool {
 public:
  // A connection on loan. When it goes, the connection is given back, or closed if it is broken or
  // still in a transaction, which the server then rolls back. Thread-compatible.
  class Loan {
   public:
    Loan(Loan&& other) noexcept;
    Loan& operator=(Loan&& other) noexcept;
    ~Loan();
    // Until this goes. Not to be closed.
    [[nodiscard]] pg_conn* get() const { return connection_; }

   private:
    friend class PostgresPool;
    Loan(PostgresPool& pool, pg_conn* connection) : pool_(&pool), connection_(connection) {}

    PostgresPool* pool_;
    pg_conn* connection_;
  };

  explicit PostgresPool(PostgresPoolOptions options);
  explicit PostgresPool(std::string conninfo);
  ~PostgresPool();
  PostgresPool(const PostgresPool&) = delete;
  PostgresPool& operator=(const PostgresPool&) = delete;

  // A connection that is open as far as is known. Blocks. Fails with kUnavailable
  // (postgres.pool_busy: all are lent; barrier.no_connection: the server can not be reached), or as
  // `on_connect` did.
  [[nodiscard]] Result<Loan> Borrow();

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  using Handle = std::unique_ptr<pg_conn, Finish>;

  // An idle one, or none: then one may be opened, which is counted already.
  [[nodiscard]] Result<Handle> TakeIdle();
  [[nodiscard]] Result<Handle> Connect() const;
  void GiveBack(Handle connection);
  void Forget();  // One that was counted.

  const PostgresPoolOptions options_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Handle> idle_;  // Guarded by mutex_, as all below. The last one was used last.
  size_t open_ = 0;           // Idle, lent or being opened.
};

}  // namespace entente::sdk
