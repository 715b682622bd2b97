#include "net/postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include "net/postgres/errors.h"

namespace entente::pg {
namespace {

std::mutex observer_mutex;
std::function<void(std::string_view)> observer;

void Observed(std::string_view sql) {
  const std::lock_guard lock(observer_mutex);
  if (observer) {
    observer(sql);
  }
}

int MillisecondsUntil(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 60'000));
}

// Parameters as libpq wants them, all in binary form.
struct Wire {
  explicit Wire(const Params& params) : formats(params.values().size(), 1) {
    for (const auto& param : params.values()) {
      values.push_back(param ? param->data() : nullptr);
      lengths.push_back(param ? static_cast<int>(param->size()) : 0);
    }
  }
  [[nodiscard]] int size() const { return static_cast<int>(values.size()); }

  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;
};

}  // namespace

Connection::Connection(PGconn* handle) : handle_(handle) {
  PQsetNoticeReceiver(
      handle,
      [](void* self, const PGresult* notice) { static_cast<Connection*>(self)->OnNotice(notice); },
      this);
}

void Connection::Observe(std::function<void(std::string_view sql)> to) {
  const std::lock_guard lock(observer_mutex);
  observer = std::move(to);
}

Result<std::unique_ptr<Connection>> Connection::Open(const ConnectOptions& options) {
  const std::string patience = std::to_string(std::max<int64_t>(
      2, std::chrono::ceil<std::chrono::seconds>(options.connect_timeout).count()));
  // What comes before the conninfo can be said otherwise by it, what comes after can not.
  const char* const names[] = {
      "connect_timeout", "application_name",     "keepalives_idle", "tcp_user_timeout",
      "dbname",          "target_session_attrs", "client_encoding", nullptr};
  const char* const values[] = {patience.c_str(),
                                options.application_name.c_str(),
                                "10",
                                "20000",
                                options.conninfo.c_str(),
                                "read-write",
                                "UTF8",
                                nullptr};
  std::unique_ptr<Connection> connection(
      new Connection(PQconnectdbParams(names, values, /*expand_dbname=*/1)));
  PGconn* const handle = connection->handle_.get();
  if (PQstatus(handle) != CONNECTION_OK) {
    return Unavailable("store.unavailable", "cannot connect to PostgreSQL: " + PgErrorOf(handle));
  }
  PQsetnonblocking(handle, 1);
  ENTENTE_RETURN_IF_ERROR(connection->Prepare(options));
  return connection;
}

Status Connection::Prepare(const ConnectOptions& options) {
  const Deadline deadline = std::chrono::steady_clock::now() + options.connect_timeout;
  for (const ConnectOptions::Preparation& preparation : options.preparations) {
    const PgResult run = Execute(preparation.sql, deadline);
    if (!run.ok() && (broken() || !preparation.optional)) {
      return Unavailable("store.unavailable",
                         "PostgreSQL refuses '" + preparation.sql + "': " + run.message());
    }
  }
  return {};
}

bool Connection::broken() const {
  return !broken_.empty() || PQstatus(handle_.get()) != CONNECTION_OK;
}

bool Connection::in_transaction() const {
  return PQtransactionStatus(handle_.get()) != PQTRANS_IDLE;
}

void Connection::Look() {
  pollfd socket{.fd = PQsocket(handle_.get()), .events = POLLIN, .revents = 0};
  // Its farewell first, then the end.
  while (poll(&socket, 1, 0) > 0 && PQconsumeInput(handle_.get()) == 1) {
  }
}

void Connection::Break(std::string why) {
  if (broken_.empty()) {
    broken_ = std::move(why);
  }
}

void Connection::OnNotice(const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING") {
    const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    warning_ = text == nullptr ? "a warning without words" : text;
  }
}

bool Connection::AwaitResult(Deadline deadline) {
  if (broken()) {
    return false;
  }
  PGconn* const handle = handle_.get();
  while (true) {
    const int flushed = PQflush(handle);
    if (flushed < 0) {
      Break(PgErrorOf(handle));
      return false;
    }
    if (PQisBusy(handle) == 0) {
      return true;
    }
    const auto events = static_cast<short>(flushed == 1 ? POLLIN | POLLOUT : POLLIN);
    pollfd socket{.fd = PQsocket(handle), .events = events, .revents = 0};
    const int left = MillisecondsUntil(deadline);
    if (poll(&socket, 1, left) == 0 && std::chrono::steady_clock::now() >= deadline) {
      Break("the server did not answer in time");
      return false;
    }
    if ((socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(handle) == 0) {
      Break(PgErrorOf(handle));
      return false;
    }
  }
}

PgResult Connection::Execute(const std::string& sql, Deadline deadline) {
  warning_.clear();
  Observed(sql);
  if (broken() || PQsendQuery(handle_.get(), sql.c_str()) != 1) {
    return PgResult(broken_.empty() ? PgErrorOf(handle_.get()) : broken_);
  }
  return LastResult(deadline);
}

PgResult Connection::RunOnce(const std::string& sql, const Params& params, Deadline deadline) {
  warning_.clear();
  Observed(sql);
  const Wire wire(params);
  if (broken() ||
      PQsendQueryParams(handle_.get(), sql.c_str(), wire.size(), nullptr, wire.values.data(),
                        wire.lengths.data(), wire.formats.data(), 1) != 1) {
    return PgResult(broken_.empty() ? PgErrorOf(handle_.get()) : broken_);
  }
  return LastResult(deadline);
}

PgResult Connection::LastResult(Deadline deadline) {
  std::optional<PgResult> last;
  while (AwaitResult(deadline)) {
    PGresult* const result = PQgetResult(handle_.get());
    if (result == nullptr) {
      return last ? std::move(*last) : PgResult(PgErrorOf(handle_.get()));
    }
    // The first failure ends a row of statements, and is the last result.
    last.emplace(result, handle_.get());
  }
  // A farewell of the server is an answer all the same.
  const bool told = last && !last->sqlstate().empty();
  return told ? std::move(*last) : PgResult(broken_.empty() ? PgErrorOf(handle_.get()) : broken_);
}

// False: the session is broken. `preparing` is told whether the statement had to be prepared.
bool Connection::SendPrepared(const Statement& statement, bool& preparing) {
  Observed(statement.sql);
  PGconn* const handle = handle_.get();
  const std::string sql(statement.sql);
  auto found = prepared_.find(sql);
  preparing = found == prepared_.end();
  if (preparing) {
    const std::string name = "e" + std::to_string(++named_);
    if (PQsendPrepare(handle, name.c_str(), sql.c_str(), 0, nullptr) != 1) {
      return false;
    }
    found = prepared_.emplace(sql, name).first;
  }
  const Wire wire(statement.params);
  return PQsendQueryPrepared(handle, found->second.c_str(), wire.size(), wire.values.data(),
                             wire.lengths.data(), wire.formats.data(), 1) == 1;
}

// The result of one message of a pipeline, and the null that ends it.
PgResult Connection::TakeResult(Deadline deadline) {
  if (!AwaitResult(deadline)) {
    return PgResult(broken_.empty() ? PgErrorOf(handle_.get()) : broken_);
  }
  PgResult result(PQgetResult(handle_.get()), handle_.get());
  // A farewell of the server is an answer all the same, with nothing behind it.
  if (AwaitResult(deadline)) {
    PQclear(PQgetResult(handle_.get()));
  }
  return result;
}

std::vector<PgResult> Connection::Run(const std::vector<Statement>& statements, Deadline deadline) {
  warning_.clear();
  std::vector<bool> preparing(statements.size());
  if (!Send(statements, preparing)) {
    Break(PgErrorOf(handle_.get()));
  }
  std::vector<PgResult> results;
  for (size_t i = 0; i < statements.size(); ++i) {
    std::optional<PgResult> prepared;
    if (preparing[i] && !broken()) {
      prepared.emplace(TakeResult(deadline));
    }
    PgResult result = broken() ? PgResult(broken_) : TakeResult(deadline);
    const bool unprepared = prepared && !prepared->ok();
    if (unprepared) {
      prepared_.erase(std::string(statements[i].sql));
    }
    // A statement that could not be prepared is skipped: what is told is why.
    results.push_back(std::move(unprepared ? *prepared : result));
  }
  EndPipeline(deadline);
  return results;
}

bool Connection::Send(const std::vector<Statement>& statements, std::vector<bool>& preparing) {
  PGconn* const handle = handle_.get();
  if (broken() || PQenterPipelineMode(handle) != 1) {
    return false;
  }
  for (size_t i = 0; i < statements.size(); ++i) {
    bool prepares = false;
    if (!SendPrepared(statements[i], prepares)) {
      return false;
    }
    preparing[i] = prepares;
  }
  return PQpipelineSync(handle) == 1;
}

void Connection::EndPipeline(Deadline deadline) {
  if (!AwaitResult(deadline)) {
    return;
  }
  PQclear(PQgetResult(handle_.get()));  // The synchronization point, which nothing ends.
  if (PQexitPipelineMode(handle_.get()) != 1) {
    Break(PgErrorOf(handle_.get()));
  }
}

PgResult Connection::RunOne(std::string_view sql, const Params& params, Deadline deadline) {
  return std::move(Run({{sql, params}}, deadline)[0]);
}

}  // namespace entente::pg
