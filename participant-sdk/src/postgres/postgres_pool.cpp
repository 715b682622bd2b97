#include "entente/postgres_pool.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "participant-sdk/src/postgres/postgres_support.h"

namespace entente::sdk {
namespace {

// Whether nothing says that the server has closed it. A server that went away has left its word in
// the socket, which costs no question to read.
bool IsOpen(PGconn* connection) {
  pollfd socket{.fd = PQsocket(connection), .events = POLLIN, .revents = 0};
  // Its farewell first, then the end.
  while (poll(&socket, 1, 0) > 0 && PQconsumeInput(connection) == 1) {
  }
  return PQstatus(connection) == CONNECTION_OK;
}

std::string Setting(const char* name, Duration value) {
  if (value <= Duration::zero()) {
    return "";
  }
  const auto millis = std::chrono::ceil<std::chrono::milliseconds>(value).count();
  return std::string("SET ") + name + " = '" + std::to_string(millis) + "ms'; ";
}

}  // namespace

void PostgresPool::Finish::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

PostgresPool::Loan::Loan(Loan&& other) noexcept
    : pool_(other.pool_), connection_(std::exchange(other.connection_, nullptr)) {}

PostgresPool::Loan& PostgresPool::Loan::operator=(Loan&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(connection_, other.connection_);
  return *this;
}

PostgresPool::Loan::~Loan() {
  if (connection_ != nullptr) {
    pool_->GiveBack(Handle(connection_));
  }
}

PostgresPool::PostgresPool(PostgresPoolOptions options) : options_(std::move(options)) {}
PostgresPool::PostgresPool(std::string conninfo)
    : PostgresPool(PostgresPoolOptions{.conninfo = std::move(conninfo)}) {}
PostgresPool::~PostgresPool() = default;

Result<PostgresPool::Handle> PostgresPool::TakeIdle() {
  std::unique_lock lock(mutex_);
  const size_t most = std::max<size_t>(1, options_.max_connections);
  if (!freed_.wait_for(lock, options_.borrow_timeout,
                       [&] { return !idle_.empty() || open_ < most; })) {
    return Unavailable("postgres.pool_busy",
                       "all " + std::to_string(most) +
                           " connections of the pool are lent; ask again, or raise "
                           "PostgresPoolOptions::max_connections");
  }
  if (idle_.empty()) {
    ++open_;
    return Handle();
  }
  Handle taken = std::move(idle_.back());
  idle_.pop_back();
  return taken;
}

Result<PostgresPool::Handle> PostgresPool::Connect() const {
  // What the conninfo says itself comes later, and counts.
  const std::string patience = std::to_string(std::max<int64_t>(
      2, std::chrono::ceil<std::chrono::seconds>(options_.connect_timeout).count()));
  const char* const names[] = {"connect_timeout", "dbname", nullptr};
  const char* const values[] = {patience.c_str(), options_.conninfo.c_str(), nullptr};
  Handle connection(PQconnectdbParams(names, values, /*expand_dbname=*/1));
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Unavailable("barrier.no_connection",
                       "cannot connect to PostgreSQL: " + PgErrorOf(connection.get()));
  }
  const std::string settings =
      Setting("lock_timeout", options_.lock_timeout) +
      Setting("client_connection_check_interval", options_.client_connection_check_interval);
  if (!settings.empty()) {
    ENTENTE_RETURN_IF_ERROR(PgRun(connection.get(), settings));
  }
  if (options_.on_connect) {
    ENTENTE_RETURN_IF_ERROR(options_.on_connect(connection.get()));
  }
  return connection;
}

Result<PostgresPool::Loan> PostgresPool::Borrow() {
  while (true) {
    ENTENTE_ASSIGN_OR_RETURN(Handle idle, TakeIdle());
    if (idle == nullptr) {
      break;
    }
    if (IsOpen(idle.get())) {
      return Loan(*this, idle.release());
    }
    Forget();
  }
  Result<Handle> opened = Connect();
  if (!opened.ok()) {
    Forget();
    return opened.status();
  }
  return Loan(*this, opened->release());
}

void PostgresPool::Forget() {
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  freed_.notify_one();
}

void PostgresPool::GiveBack(Handle connection) {
  const bool broken = PQstatus(connection.get()) != CONNECTION_OK;
  if (broken || PQtransactionStatus(connection.get()) != PQTRANS_IDLE) {
    connection.reset();  // Closed before another one is opened in its place.
    return Forget();
  }
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }
  freed_.notify_one();
}

}  // namespace entente::sdk
