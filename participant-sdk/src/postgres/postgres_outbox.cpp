#include <chrono>
#include <utility>

#include "participant-sdk/src/client/outbox_rules.h"
#include "participant-sdk/src/postgres/postgres_place.h"
#include "participant-sdk/src/postgres/postgres_support.h"

namespace entente::sdk {
namespace {

// How long making the table waits, for another process that makes it most likely.
constexpr Duration kCreateLockTimeout = std::chrono::seconds(10);

std::string Micros(Instant instant) {
  return std::to_string(ToMicros(instant));
}

// Nobody but the store looks after its connection, so each operation makes one that was lost anew.
class PostgresOutboxStore final : public OutboxStore {
 public:
  PostgresOutboxStore(PGconn* connection, OutboxOptions options, std::shared_ptr<PgPlace> place)
      : connection_(connection), options_(std::move(options)), place_(std::move(place)) {}

  // One short transaction: a relay that dies holds up nobody longer than its lease.
  Result<std::vector<OutboxEntry>> Claim(size_t max, Duration lease) override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    const Instant now = OutboxNow(options_);
    return Entries(PgExecute(
        connection_,
        "UPDATE " + table +
            " SET due_at = $1, attempts = attempts + 1 WHERE id IN (SELECT id FROM " + table +
            " WHERE state = 0 AND due_at <= $2 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP "
            "LOCKED) RETURNING gid, request, attempts, error",
        {Micros(now + lease), Micros(now), std::to_string(max)}));
  }

  Status Delivered(std::string_view gid) override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    return PgExecute(connection_, "DELETE FROM " + table + " WHERE gid = $1", {std::string(gid)})
        .ToStatus();
  }

  Status Postpone(std::string_view gid, Duration delay, std::string_view error) override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    return PgExecute(connection_, "UPDATE " + table + " SET due_at = $2, error = $3 WHERE gid = $1",
                     {std::string(gid), Micros(OutboxNow(options_) + delay), ErrorText(error)})
        .ToStatus();
  }

  Status Bury(std::string_view gid, std::string_view error) override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    return PgExecute(connection_, "UPDATE " + table + " SET state = 1, error = $2 WHERE gid = $1",
                     {std::string(gid), ErrorText(error)})
        .ToStatus();
  }

  Result<OutboxCounts> Count() override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    const PgResult count =
        PgExecute(connection_,
                  "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1), "
                  "min(created_at) FILTER (WHERE state = 0) FROM " +
                      table);
    ENTENTE_RETURN_IF_ERROR(count.ToStatus());
    OutboxCounts counts;
    counts.waiting = static_cast<size_t>(count.Integer(0, 0));
    counts.dead = static_cast<size_t>(count.Integer(0, 1));
    if (count.OptionalText(0, 2)) {
      counts.oldest_age = OutboxNow(options_) - InstantFromMicros(count.Integer(0, 2));
    }
    return counts;
  }

  Result<std::vector<OutboxEntry>> Dead(size_t max) override {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    return Entries(PgExecute(connection_,
                             "SELECT gid, request, attempts, error FROM " + table +
                                 " WHERE state = 1 ORDER BY id LIMIT $1",
                             {std::to_string(max)}));
  }

  Status Revive(std::string_view gid) override {
    return ChangeDead("UPDATE ", " SET state = 0, due_at = 0, attempts = 0", gid);
  }
  Status Remove(std::string_view gid) override { return ChangeDead("DELETE FROM ", "", gid); }

 private:
  // The connection, made anew if it was lost, and the table on it.
  Result<std::string> Table() {
    ENTENTE_RETURN_IF_ERROR(PgReconnect(connection_));
    return place_->Find(connection_);
  }

  Status ChangeDead(const std::string& verb, const std::string& change, std::string_view gid) {
    ENTENTE_ASSIGN_OR_RETURN(const std::string table, Table());
    const PgResult changed = PgExecute(
        connection_, verb + table + change + " WHERE state = 1 AND gid = $1", {std::string(gid)});
    ENTENTE_RETURN_IF_ERROR(changed.ToStatus());
    return changed.changed() == 1 ? Status() : NoSuchDeadEntry(gid);
  }

  static Result<std::vector<OutboxEntry>> Entries(const PgResult& result) {
    ENTENTE_RETURN_IF_ERROR(result.ToStatus());
    std::vector<OutboxEntry> entries;
    for (int i = 0; i < result.rows(); ++i) {
      entries.push_back({result.Text(i, 0), result.Text(i, 1),
                         static_cast<uint32_t>(result.Integer(i, 2)), result.Text(i, 3)});
    }
    return entries;
  }

  PGconn* connection_;
  const OutboxOptions options_;
  const std::shared_ptr<PgPlace> place_;
};

}  // namespace

PostgresOutbox::PostgresOutbox(OutboxOptions options)
    : options_(std::move(options)),
      place_(std::make_shared<PgPlace>(options_.schema, options_.table)) {}

Status PostgresOutbox::CreateSchema(pg_conn* connection) const {
  ENTENTE_RETURN_IF_ERROR(CheckOutboxTable(options_));
  return place_->Create(connection, kCreateLockTimeout, [this](const std::string& table) {
    return "CREATE TABLE " + table +
           " (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gid text NOT NULL "
           "UNIQUE, request text NOT NULL, state smallint NOT NULL, attempts integer "
           "NOT NULL, created_at bigint NOT NULL, due_at bigint NOT NULL, error text); "
           "CREATE INDEX " +
           options_.table + "_due ON " + table + " (state, due_at)";
  });
}

Result<std::string> PostgresOutbox::Put(pg_conn* transaction, SubmitRequest request) const {
  ENTENTE_RETURN_IF_ERROR(CheckOutboxTable(options_));
  if (PQtransactionStatus(transaction) != PQTRANS_INTRANS) {
    return FailedPrecondition("outbox.no_transaction",
                              "put into the outbox inside the transaction of the business write, "
                              "while it has not failed");
  }
  ENTENTE_ASSIGN_OR_RETURN(StoredSubmit stored, StoreSubmit(std::move(request)));
  ENTENTE_ASSIGN_OR_RETURN(const std::string table, place_->Find(transaction));
  const PgResult inserted =
      PgExecute(transaction,
                "INSERT INTO " + table +
                    " (gid, request, state, attempts, created_at, due_at) VALUES ($1, $2, 0, 0, "
                    "$3, $3) ON CONFLICT (gid) DO NOTHING",
                {stored.gid, stored.request, Micros(OutboxNow(options_))});
  ENTENTE_RETURN_IF_ERROR(inserted.ToStatus());
  if (inserted.changed() == 1) {
    return std::move(stored.gid);
  }
  const PgResult selected = PgExecute(
      transaction, "SELECT request, state FROM " + table + " WHERE gid = $1", {stored.gid});
  ENTENTE_RETURN_IF_ERROR(selected.ToStatus());
  // It may have been delivered and removed at this very moment: then it has been submitted.
  return selected.rows() == 0
             ? Result<std::string>(stored.gid)
             : PutAgain(stored, selected.Text(0, 0), selected.Integer(0, 1) == kEntryDead);
}

std::unique_ptr<OutboxStore> PostgresOutbox::Open(pg_conn* connection) const {
  return std::make_unique<PostgresOutboxStore>(connection, options_, place_);
}

}  // namespace entente::sdk
