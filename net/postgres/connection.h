// One session with a server: prepared statements, pipelines, and an end to every wait.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "net/postgres/params.h"
#include "net/postgres/result.h"

namespace entente::pg {

using Deadline = std::chrono::steady_clock::time_point;

struct ConnectOptions {
  // As libpq takes it: a postgres:// URL or "key=value ..."; several hosts, TLS, a password file.
  std::string conninfo;
  std::string application_name = "entente";
  // Each host, unless the conninfo says; libpq knows no less than two seconds.
  Duration connect_timeout = std::chrono::seconds(5);
  // Run when the session begins. One that the server does not know is left out where `optional`.
  struct Preparation {
    std::string sql;
    bool optional = false;
  };
  std::vector<Preparation> preparations;
};

// A statement of a pipeline. The text is prepared once for each session, so it must be one of few.
struct Statement {
  std::string_view sql;
  Params params;
};

// Used by one thread at a time; all methods block. A session is broken by the server's end of it,
// or by a deadline that passed; it stays so.
class Connection {
 public:
  // Connects to the first host that may be written to. kUnavailable, store.unavailable.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> Open(const ConnectOptions& options);

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool broken() const;
  // Whether the session is in a transaction, failed or not.
  [[nodiscard]] bool in_transaction() const;
  // Reads what the server has sent unasked: a session that it ended is broken after this. Does not
  // wait.
  void Look();

  // Sends one statement, or several without parameters, as text; the last result is in text form.
  [[nodiscard]] PgResult Execute(const std::string& sql, Deadline deadline);

  // Sends statements in one flight and reads all results, in binary form. Each is of one statement;
  // those behind a failed one are not executed (PgResult::skipped). A flight outside of a
  // transaction that it began itself is a transaction of its own.
  [[nodiscard]] std::vector<PgResult> Run(const std::vector<Statement>& statements,
                                          Deadline deadline);
  [[nodiscard]] PgResult RunOne(std::string_view sql, const Params& params, Deadline deadline);

  // Sends one statement without preparing it, and reads its result in binary form: for texts that
  // are put together, and planned for the values they have.
  [[nodiscard]] PgResult RunOnce(const std::string& sql, const Params& params, Deadline deadline);

  // What the server warned of in the latest Execute or Run, or empty.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  // Observes the text of everything that is sent: for tests.
  static void Observe(std::function<void(std::string_view sql)> observer);

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  explicit Connection(PGconn* handle);

  [[nodiscard]] Status Prepare(const ConnectOptions& options);
  [[nodiscard]] PgResult LastResult(Deadline deadline);
  [[nodiscard]] bool Send(const std::vector<Statement>& statements, std::vector<bool>& preparing);
  [[nodiscard]] bool SendPrepared(const Statement& statement, bool& preparing);
  // False: the session is broken.
  [[nodiscard]] bool AwaitResult(Deadline deadline);
  [[nodiscard]] PgResult TakeResult(Deadline deadline);
  void EndPipeline(Deadline deadline);
  void Break(std::string why);
  void OnNotice(const PGresult* notice);

  std::unique_ptr<PGconn, Finish> handle_;
  std::unordered_map<std::string, std::string> prepared_;  // Names, by text.
  uint64_t named_ = 0;
  std::string warning_;
  std::string broken_;  // Why; empty while it is not.
};

}  // namespace entente::pg
