// A few sessions for many threads.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/status.h"
#include "net/postgres/connection.h"

namespace entente::pg {

struct PoolOptions {
  ConnectOptions connect;
  size_t max_connections = 4;
  // How long a borrower waits while all are lent.
  Duration borrow_timeout = std::chrono::seconds(5);
};

// Thread-safe. Outlives its loans. Opens a session when none is idle, and keeps it.
class Pool {
 public:
  // A borrowed session, given back at its end; one that is broken, or in a transaction, is closed.
  class Loan {
   public:
    Loan(Pool& pool, std::unique_ptr<Connection> connection)
        : pool_(&pool), connection_(std::move(connection)) {}
    Loan(Loan&& other) = default;
    Loan& operator=(Loan&& other) = default;
    ~Loan();
    [[nodiscard]] Connection& operator*() const { return *connection_; }
    [[nodiscard]] Connection* operator->() const { return connection_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  explicit Pool(PoolOptions options) : options_(std::move(options)) {}

  // kUnavailable, store.unavailable, also if none is given back in time. Blocks.
  [[nodiscard]] Result<Loan> Borrow();

 private:
  void GiveBack(std::unique_ptr<Connection> connection);
  void Forget();

  const PoolOptions options_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Connection>> idle_;
  size_t open_ = 0;  // Idle or lent.
};

}  // namespace entente::pg
