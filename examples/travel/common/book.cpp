#include "examples/travel/common/book.h"

#include <ctime>

#include <cstdio>

namespace travel {
namespace {

constexpr size_t kMaxKeyBytes = 512;

constexpr const char* kSchema = R"sql(
  CREATE TABLE IF NOT EXISTS service (name TEXT PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS bookings (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('held', 'released', 'void')),
    request TEXT NOT NULL,
    pool TEXT NOT NULL,
    units INTEGER NOT NULL,
    answer TEXT NOT NULL,
    receipt TEXT NOT NULL,
    answer_ready_ms INTEGER NOT NULL,
    receipt_ready_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pools (name TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS ledger (
    sequence INTEGER PRIMARY KEY,
    at TEXT NOT NULL, gid TEXT NOT NULL, branch TEXT NOT NULL, operation TEXT NOT NULL,
    attempt TEXT NOT NULL, epoch TEXT NOT NULL,
    key TEXT NOT NULL, effect TEXT NOT NULL, amount INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS calls (
    sequence INTEGER PRIMARY KEY,
    at TEXT NOT NULL, gid TEXT NOT NULL, branch TEXT NOT NULL, operation TEXT NOT NULL,
    attempt TEXT NOT NULL, epoch TEXT NOT NULL,
    key TEXT NOT NULL, request TEXT NOT NULL, outcome TEXT NOT NULL, status INTEGER NOT NULL,
    fault TEXT NOT NULL
  );
  CREATE TRIGGER IF NOT EXISTS ledger_keeps_rows BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
  CREATE TRIGGER IF NOT EXISTS ledger_loses_no_rows BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
)sql";

// Prepared statements need their tables, and members are made before a constructor's body runs.
Database& WithSchema(Database& database, const Business& business) {
  database.Execute(kSchema);
  Statement(database, "INSERT INTO service SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM service)")
      .Bind(business.Name())
      .Run();
  Statement owner(database, "SELECT name FROM service");
  owner.Step();
  if (owner.Text(0) != business.Name()) {
    throw SqliteError("the file belongs to '" + owner.Text(0) + "', not to '" + business.Name() +
                      "'; give each service a file of its own");
  }
  return database;
}

Answer Refuse(const Refusal& refusal) {
  return {refusal.status, ErrorJson(refusal.error, refusal.message), refusal.error};
}

// The stored answer, or 202 while it is not due yet.
Answer Stored(const Call& call, const std::string& body, int64_t ready_ms, int64_t now_ms,
              const char* outcome) {
  if (now_ms < ready_ms) {
    return {202,
            {{"status", "pending"}, {"poll", OperationLocation(call.direction, call.key)}},
            "pending"};
  }
  return {200, Json::parse(body), outcome};
}

std::optional<Refusal> BadKey(const std::string& key) {
  bool printable = !key.empty() && key.size() <= kMaxKeyBytes;
  for (const char c : key) {
    printable = printable && c >= 0x20 && c < 0x7f;
  }
  if (printable) {
    return std::nullopt;
  }
  return Refusal{400, "bad_key", "the key must be 1 to 512 printable ASCII characters"};
}

}  // namespace

std::string OperationLocation(Direction direction, const std::string& key) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string location = "/operations/";
  for (const char c : key) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || c == '/' || c == ':';
    if (plain) {
      location += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      location += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return location + (direction == Direction::kUndo ? "?of=undo" : "");
}

std::string FormatInstant(int64_t ms) {
  const auto seconds = static_cast<time_t>(ms / 1000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const size_t size = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[16];
  std::snprintf(fraction, sizeof(fraction), ".%03dZ", static_cast<int>(ms % 1000));
  return std::string(text, size) + fraction;
}

Book::Book(Database& database, const Business& business)
    : business_(business),
      find_(WithSchema(database, business),
            "SELECT state, request, pool, units, answer, receipt, answer_ready_ms,"
            " receipt_ready_ms FROM bookings WHERE key = ?1"),
      insert_(database, "INSERT INTO bookings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
      release_(database,
               "UPDATE bookings SET state = 'released', receipt = ?2, receipt_ready_ms = ?3"
               " WHERE key = ?1"),
      used_(database, "SELECT used FROM pools WHERE name = ?1"),
      use_(database,
           "INSERT INTO pools VALUES (?1, ?2)"
           " ON CONFLICT (name) DO UPDATE SET used = used + excluded.used"),
      next_number_(database, "SELECT COALESCE(MAX(sequence), 0) + 1 FROM ledger"),
      record_(database,
              "INSERT INTO ledger (at, gid, branch, operation, attempt, epoch, key, effect, amount)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
      log_(database,
           "INSERT INTO calls (at, gid, branch, operation, attempt, epoch, key, request, outcome,"
           " status, fault) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)") {}

Answer Book::Apply(const Call& call, const Terms& terms) {
  if (call.malformed) {
    return Refuse(*call.malformed);
  }
  if (const auto bad_key = BadKey(call.key)) {
    return Refuse(*bad_key);
  }
  return call.direction == Direction::kUndo ? Undo(call, terms) : Forward(call, terms);
}

Answer Book::Forward(const Call& call, const Terms& terms) {
  const std::string request = DumpJson(call.body);
  if (const auto row = Find(call.key)) {
    if (row->state != "held") {
      return Refuse({409, "undone", "'" + call.key + "' was undone; it cannot take effect again"});
    }
    if (row->request != request) {
      return Refuse({422, "key_reused", "'" + call.key + "' was used with another body"});
    }
    return Stored(call, row->answer, row->answer_ready_ms, terms.now_ms, "repeat");
  }
  const Quote quote = business_.Understand(call.body, NextNumber());
  if (const auto* refusal = std::get_if<Refusal>(&quote)) {
    return Refuse(*refusal);
  }
  const auto& offer = std::get<Offer>(quote);
  if (offer.units > terms.capacity(offer.pool) - Used(offer.pool)) {
    return Refuse({409, "full", "no " + business_.Unit() + " is left in '" + offer.pool + "'"});
  }
  const int64_t ready_ms = terms.pending_ms ? terms.now_ms + *terms.pending_ms : 0;
  const std::string answer = DumpJson(offer.answer);
  insert_
      .Bind(call.key, std::string("held"), request, offer.pool, offer.units, answer, std::string(),
            ready_ms, int64_t{0})
      .Run();
  use_.Bind(offer.pool, offer.units).Run();
  Record(call, business_.ForwardEffect(), offer.units, terms.now_ms);
  return Stored(call, answer, ready_ms, terms.now_ms, "done");
}

Answer Book::Undo(const Call& call, const Terms& terms) {
  const auto row = Find(call.key);
  if (row && row->state != "held") {
    return Stored(call, row->receipt, row->receipt_ready_ms, terms.now_ms, "repeat");
  }
  const int64_t units = row ? row->units : 0;
  const int64_t ready_ms = terms.pending_ms ? terms.now_ms + *terms.pending_ms : 0;
  const std::string receipt = DumpJson(business_.Receipt(call.key, units));
  if (row) {
    release_.Bind(call.key, receipt, ready_ms).Run();
    use_.Bind(row->pool, -units).Run();
    Record(call, business_.UndoEffect(), -units, terms.now_ms);
  } else {
    insert_
        .Bind(call.key, std::string("void"), std::string(), std::string(), int64_t{0},
              std::string(), receipt, int64_t{0}, ready_ms)
        .Run();
  }
  return Stored(call, receipt, ready_ms, terms.now_ms, row ? "done" : "never_done");
}

void Book::Log(const Call& call, const Answer& answer, std::string_view fault, int64_t now_ms) {
  const Caller& caller = call.caller;
  log_.Bind(FormatInstant(now_ms), caller.gid, caller.branch, caller.operation, caller.attempt,
            caller.epoch, call.key, call.request, answer.outcome, int64_t{answer.status}, fault)
      .Run();
}

std::optional<Book::Row> Book::Find(const std::string& key) {
  find_.Bind(key);
  if (!find_.Step()) {
    find_.Reset();
    return std::nullopt;
  }
  Row row{find_.Text(0), find_.Text(1), find_.Text(2),    find_.Integer(3),
          find_.Text(4), find_.Text(5), find_.Integer(6), find_.Integer(7)};
  find_.Reset();
  return row;
}

int64_t Book::Used(const std::string& pool) {
  used_.Bind(pool);
  const int64_t used = used_.Step() ? used_.Integer(0) : 0;
  used_.Reset();
  return used;
}

int64_t Book::NextNumber() {
  next_number_.Bind();
  next_number_.Step();
  const int64_t number = next_number_.Integer(0);
  next_number_.Reset();
  return number;
}

void Book::Record(const Call& call, const std::string& effect, int64_t amount, int64_t now_ms) {
  const Caller& caller = call.caller;
  record_
      .Bind(FormatInstant(now_ms), caller.gid, caller.branch, caller.operation, caller.attempt,
            caller.epoch, call.key, effect, amount)
      .Run();
}

}  // namespace travel
