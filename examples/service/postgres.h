// Connections to one PostgreSQL database, and statements on them.
#pragma once

#include <libpq-fe.h>

#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "entente/call.h"

namespace examples {

// Rows as texts, or what failed. Errors: kUnavailable, since every one of them undoes the
// transaction it is in.
using PgRows = std::vector<std::vector<std::string>>;
[[nodiscard]] entente::Result<PgRows> PgQuery(PGconn* connection, const std::string& sql,
                                              std::initializer_list<std::string> values = {});

// Like PgQuery, and how many rows an INSERT, UPDATE or DELETE touched.
[[nodiscard]] entente::Result<int64_t> PgChange(PGconn* connection, const std::string& sql,
                                                std::initializer_list<std::string> values = {});

// Thread-safe. As many connections as are in use at once.
class PgPool {
 public:
  explicit PgPool(std::string conninfo) : conninfo_(std::move(conninfo)) {}

  // A connection on loan; given back, or closed if it is broken, when this goes.
  class Loan {
   public:
    Loan(PgPool& pool, PGconn* connection) : pool_(pool), connection_(connection) {}
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    PGconn* get() const { return connection_; }

   private:
    PgPool& pool_;
    PGconn* connection_;
  };

  // kUnavailable when the server can not be reached. A statement waits for a lock for a second at
  // most. Blocks.
  [[nodiscard]] entente::Result<std::unique_ptr<Loan>> Borrow();

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  using Handle = std::unique_ptr<PGconn, Finish>;

  const std::string conninfo_;
  std::mutex mutex_;
  std::vector<Handle> idle_;  // Guarded by mutex_.
};

}  // namespace examples
