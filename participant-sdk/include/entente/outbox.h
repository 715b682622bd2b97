// The transactional outbox: a transaction to submit is stored together with the business write that
// wants it, and delivered afterwards, at least once.
//
//   const entente::sdk::PostgresOutbox outbox;          // or SqliteOutbox
//   ... BEGIN; business write ...
//   auto gid = outbox.Put(connection, {.definition = "ship-order", .input = {{"order", 7}}});
//   ... COMMIT ...
//
//   entente::sdk::Relay relay(*outbox.Open(relay_connection), client);   // Elsewhere, for ever:
//   relay.Run(stop);
//
// A delivery that is repeated starts nothing anew: it names the same gid, and the coordinator runs
// a gid once. The order in which transactions were put is not kept. What the coordinator refuses
// for good is kept as a dead entry, with its reason, until somebody revives or removes it; nothing
// is dropped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/client.h"

struct sqlite3;
// libpq's PGconn.
struct pg_conn;

namespace entente::sdk {

class PgPlace;

struct OutboxOptions {
  // The table: letters, digits and '_', at most 48 of them, not a digit first.
  std::string table = "entente_outbox";
  // PostgreSQL: the schema that the table is in. Empty: the one in which CreateSchema of this
  // object found or made it, else the first of the search path that has it when the object is used
  // for the first time; the search path does not matter after that. SQLite: always main.
  std::string schema = {};
  std::function<Instant()> now = {};  // Default: the system's clock. Called from any thread.
};

struct OutboxEntry {
  std::string gid = {};
  std::string request = {};  // JSON, as the coordinator reads a submit.
  uint32_t attempts = 0;     // Deliveries begun, this one included.
  std::string error = {};    // Of a dead entry: why.
};

struct OutboxCounts {
  size_t waiting = 0;
  size_t dead = 0;
  Duration oldest_age = {};  // Of the waiting ones.
};

// What a relay needs of a database. Bound to one connection, which must outlive it, be in no
// transaction and be used by nobody else meanwhile. Errors: kUnavailable (outbox.busy on SQLite;
// barrier.busy and barrier.no_connection on PostgreSQL), kFailedPrecondition (barrier.no_schema, on
// PostgreSQL: call CreateSchema), kNotFound (outbox.not_found), kInternal (sqlite.error,
// postgres.error).
class OutboxStore {
 public:
  virtual ~OutboxStore() = default;

  // At most `max` entries that are due, longest due first. No other relay is given them for
  // `lease`; after that, whoever claimed them is taken for dead.
  [[nodiscard]] virtual Result<std::vector<OutboxEntry>> Claim(size_t max, Duration lease) = 0;
  [[nodiscard]] virtual Status Delivered(std::string_view gid) = 0;
  [[nodiscard]] virtual Status Postpone(std::string_view gid, Duration delay,
                                        std::string_view error) = 0;
  [[nodiscard]] virtual Status Bury(std::string_view gid, std::string_view error) = 0;

  // For operators.
  [[nodiscard]] virtual Result<OutboxCounts> Count() = 0;
  [[nodiscard]] virtual Result<std::vector<OutboxEntry>> Dead(size_t max) = 0;
  [[nodiscard]] virtual Status Revive(std::string_view gid) = 0;  // A dead one is due again.
  [[nodiscard]] virtual Status Remove(std::string_view gid) = 0;  // A dead one, for good.
};

// The outbox in SQLite. Thread-safe; blocks on the disk. One relay at a time is enough; several are
// safe.
class SqliteOutbox {
 public:
  explicit SqliteOutbox(OutboxOptions options = {});
  [[nodiscard]] Status CreateSchema(sqlite3* db) const;

  // Stores `request` in the caller's open transaction and answers its gid, which is made here if
  // the request has none. Putting the same again is safe. Fails with kFailedPrecondition
  // (outbox.no_transaction outside of a transaction; on SQLite outbox.attached if a database is
  // attached that could be written in the same transaction and not be committed as one with main:
  // see SqliteBarrier; outbox.dead if the same was put before and the
  // coordinator refused it for good: revive or remove that one), kAlreadyExists (outbox.gid_taken),
  // kInvalidArgument (client.bad_request, gid.invalid, outbox.too_large): what the coordinator's
  // limits (base/limits.h) would make a dead entry of is not taken; `wait` must be absent.
  [[nodiscard]] Result<std::string> Put(sqlite3* transaction, SubmitRequest request) const;

  [[nodiscard]] std::unique_ptr<OutboxStore> Open(sqlite3* db) const;

 private:
  OutboxOptions options_;
};

// The outbox in PostgreSQL. Thread-safe; blocks on the server. Any number of relays share the work.
// Copies share what is known of the table's place.
class PostgresOutbox {
 public:
  explicit PostgresOutbox(OutboxOptions options = {});
  // Creates the table, in OutboxOptions::schema or else in the first schema of the search path,
  // unless one of them has it. A service that changes the search path calls this first, or names
  // the schema: Put and the relay must mean the same table. Fails with kFailedPrecondition
  // (sdk.other_schema) if this object uses a table elsewhere.
  [[nodiscard]] Status CreateSchema(pg_conn* connection) const;
  // As SqliteOutbox::Put.
  [[nodiscard]] Result<std::string> Put(pg_conn* transaction, SubmitRequest request) const;
  // A connection that is lost is made anew by the next operation (PQreset), as it was
  // opened: put settings such as the search path into the connection string or on the role.
  [[nodiscard]] std::unique_ptr<OutboxStore> Open(pg_conn* connection) const;

 private:
  OutboxOptions options_;
  std::shared_ptr<PgPlace> place_;  // Shared with the stores that Open made.
};

struct RelayOptions {
  size_t batch = 64;  // Entries claimed at once.
  // Longer than the delivery of a batch takes, else others begin to deliver it too.
  Duration lease = std::chrono::minutes(5);
  Duration first_delay = std::chrono::milliseconds(200);  // After a failure; doubles,
  Duration max_delay = std::chrono::minutes(1);           // up to this.
  Duration poll = std::chrono::seconds(1);                // How often Run looks unasked.
};

struct RelayReport {
  size_t delivered = 0;
  size_t postponed = 0;
  size_t buried = 0;
  bool more = false;  // A whole batch was delivered: there may be more.
};

// Delivers what stands in an outbox. `store` and `client` must outlive it and be used by nobody
// else meanwhile. All but Wake on one thread. Blocks on the database and on the coordinator.
//
// Buried is what the coordinator refuses whatever the state is: a request that is wrong, a
// definition that does not exist, a gid that names something else. What it refuses for now (too
// busy, not reachable, no permission) is delivered again later.
class Relay {
 public:
  Relay(OutboxStore& store, Client& client, RelayOptions options = {});

  // Delivers one batch. An error is the store's first one; the rest of the batch was delivered all
  // the same, and what could not be marked as delivered is delivered again after its lease.
  [[nodiscard]] Result<RelayReport> RunOnce();

  // Delivers until `stop` is requested. Errors of the store are waited out; `on_error`, if given,
  // is told of them.
  void Run(const std::stop_token& stop, const std::function<void(const Status&)>& on_error = {});

  // Lets Run look now: call it after a commit that put something. From any thread.
  void Wake();

 private:
  [[nodiscard]] Status Deliver(const OutboxEntry& entry, RelayReport& report, bool& unreachable);
  [[nodiscard]] Duration DelayAfter(uint32_t attempts) const;

  OutboxStore& store_;
  Client& client_;
  const RelayOptions options_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;  // Guarded by mutex_.
};

}  // namespace entente::sdk
