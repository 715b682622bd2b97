#include "net/postgres/pool.h"

#include <string>

namespace entente::pg {

Pool::Loan::~Loan() {
  if (connection_ != nullptr) {
    pool_->GiveBack(std::move(connection_));
  }
}

Result<Pool::Loan> Pool::Borrow() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (!freed_.wait_for(lock, options_.borrow_timeout,
                         [this] { return !idle_.empty() || open_ < options_.max_connections; })) {
      return Unavailable("store.unavailable", "all " + std::to_string(options_.max_connections) +
                                                  " connections for reading are in use; ask again");
    }
    if (idle_.empty()) {
      ++open_;
      break;
    }
    std::unique_ptr<Connection> idle = std::move(idle_.back());
    idle_.pop_back();
    idle->Look();
    if (!idle->broken()) {
      return Loan(*this, std::move(idle));
    }
    --open_;
  }
  lock.unlock();
  Result<std::unique_ptr<Connection>> opened = Connection::Open(options_.connect);
  if (!opened.ok()) {
    Forget();
    return opened.status();
  }
  return Loan(*this, std::move(*opened));
}

void Pool::Forget() {
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  freed_.notify_one();
}

void Pool::GiveBack(std::unique_ptr<Connection> connection) {
  if (connection->broken() || connection->in_transaction()) {
    connection.reset();  // Closed before another one is opened in its place.
    return Forget();
  }
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

}  // namespace entente::pg
