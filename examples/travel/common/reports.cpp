#include "examples/travel/common/reports.h"

#include <map>

namespace travel {
namespace {

// Rewinds even when reading threw, so that no statement keeps an old snapshot open.
class Rewind {
 public:
  explicit Rewind(Statement& statement) : statement_(statement) {}
  ~Rewind() { statement_.Reset(); }
  Rewind(const Rewind&) = delete;
  Rewind& operator=(const Rewind&) = delete;

 private:
  Statement& statement_;
};

// Several statements that see one state of the file.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(database) { database_.Execute("BEGIN"); }
  ~Snapshot() { sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  Database& database_;
};

Json Pool(const std::string& name, int64_t used, int64_t capacity) {
  return {{"pool", name}, {"used", used}, {"capacity", capacity}, {"left", capacity - used}};
}

}  // namespace

Reports::Reports(const std::string& path, const Business& business, const Switches& switches)
    : business_(business),
      switches_(switches),
      database_(path, Database::Access::kReadOnly),
      ledger_(database_,
              "SELECT json_object('sequence', sequence, 'at', at, 'gid', gid, 'branch', branch,"
              " 'operation', operation, 'attempt', attempt, 'epoch', epoch, 'key', key,"
              " 'effect', effect, 'amount', amount)"
              " FROM ledger WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"),
      calls_(database_,
             "SELECT json_object('sequence', sequence, 'at', at, 'gid', gid, 'branch', branch,"
             " 'operation', operation, 'attempt', attempt, 'epoch', epoch, 'key', key,"
             " 'request', request, 'outcome', outcome, 'status', status, 'fault', fault)"
             " FROM calls WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"),
      effects_(database_, "SELECT effect, COUNT(*), SUM(amount) FROM ledger GROUP BY effect"),
      keys_(database_, "SELECT key FROM bookings WHERE state = 'held' ORDER BY key"),
      voided_(database_, "SELECT COUNT(*) FROM bookings WHERE state = 'void'"),
      pools_(database_, "SELECT name, used FROM pools ORDER BY name"),
      booking_(database_,
               "SELECT state, answer, receipt, answer_ready_ms, receipt_ready_ms FROM bookings"
               " WHERE key = ?1") {}

Json Reports::Ledger(int64_t after, int64_t limit) {
  return Rows(ledger_, after, limit);
}
Json Reports::Calls(int64_t after, int64_t limit) {
  return Rows(calls_, after, limit);
}

Json Reports::Rows(Statement& statement, int64_t after, int64_t limit) {
  const std::lock_guard lock(mutex_);
  const Rewind rewind(statement);
  Json rows = Json::array();
  statement.Bind(after, limit);
  while (statement.Step()) {
    rows.push_back(Json::parse(statement.Text(0), nullptr, /*allow_exceptions=*/false));
  }
  return {{"service", business_.Name()}, {"rows", std::move(rows)}};
}

Json Reports::Summary(bool with_keys) {
  const std::lock_guard lock(mutex_);
  const Snapshot snapshot(database_);
  Json summary = {{"service", business_.Name()},
                  {"held", 0},
                  {"released", 0},
                  {"charged", 0},
                  {"refunded", 0},
                  {"net", 0}};
  int64_t net = 0;
  effects_.Bind();
  while (effects_.Step()) {
    const int64_t amount = effects_.Integer(2);
    summary[effects_.Text(0)] = amount < 0 ? -amount : amount;
    net += amount;
  }
  effects_.Reset();
  summary["net"] = net;

  std::map<std::string, int64_t> used;
  for (const std::string& pool : business_.KnownPools()) {
    used[pool] = 0;
  }
  pools_.Bind();
  while (pools_.Step()) {
    used[pools_.Text(0)] = pools_.Integer(1);
  }
  pools_.Reset();
  int64_t left = 0;
  summary["pools"] = Json::array();
  for (const auto& [pool, units] : used) {
    const int64_t capacity = switches_.CapacityOf(pool);
    left += capacity - units;
    summary["pools"].push_back(Pool(pool, units, capacity));
  }
  summary["left"] = left;

  voided_.Bind();
  voided_.Step();
  summary["undone_before_done"] = voided_.Integer(0);
  voided_.Reset();

  keys_.Bind();
  int64_t held_keys = 0;
  Json keys = Json::array();
  while (keys_.Step()) {
    ++held_keys;
    if (with_keys) {
      keys.push_back(keys_.Text(0));
    }
  }
  keys_.Reset();
  summary["held_count"] = held_keys;
  if (with_keys) {
    summary["held_keys"] = std::move(keys);
  }
  return summary;
}

std::optional<Json> Reports::Look(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const Rewind rewind(booking_);
  booking_.Bind(key);
  if (!booking_.Step() || booking_.Text(0) == "void") {
    return std::nullopt;
  }
  return Json{{"state", booking_.Text(0)}, {"booking", Json::parse(booking_.Text(1))}};
}

Answer Reports::Operation(Direction direction, const std::string& key, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const Rewind rewind(booking_);
  const bool undo = direction == Direction::kUndo;
  booking_.Bind(key);
  const bool known = booking_.Step();
  const bool held = known && booking_.Text(0) == "held";
  if (!known || (undo && held)) {
    return {404, ErrorJson("not_found", "there is no such operation"), "not_found"};
  }
  if (!undo && !held) {
    return {409, ErrorJson("undone", "'" + key + "' was undone"), "undone"};
  }
  if (now_ms < booking_.Integer(undo ? 4 : 3)) {
    return {202, {{"status", "pending"}, {"poll", OperationLocation(direction, key)}}, "pending"};
  }
  return {200, Json::parse(booking_.Text(undo ? 2 : 1)), "done"};
}

}  // namespace travel
