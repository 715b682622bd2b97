#include "examples/desk/desk.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>

namespace examples {
namespace {

using entente::sdk::Done;
using entente::sdk::Operation;
using entente::sdk::Purpose;
using entente::sdk::Refused;
using std::chrono::milliseconds;
using travel::Statement;

constexpr int64_t kMaxUnits = 1'000'000'000'000;

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS holds (gid TEXT NOT NULL, branch TEXT NOT NULL,"
    " alternative INTEGER NOT NULL, pool TEXT NOT NULL, units INTEGER NOT NULL,"
    " state TEXT NOT NULL, expires_ms INTEGER NOT NULL,"
    " PRIMARY KEY (gid, branch, alternative)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS holds_by_pool ON holds (pool, state);"
    "CREATE INDEX IF NOT EXISTS holds_by_expiry ON holds (expires_ms)"
    " WHERE state = 'held' AND expires_ms > 0;"
    "CREATE TABLE IF NOT EXISTS ledger (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at TEXT NOT NULL, gid TEXT NOT NULL, branch TEXT NOT NULL, operation TEXT NOT NULL,"
    " attempt INTEGER NOT NULL, epoch INTEGER NOT NULL, key TEXT NOT NULL, effect TEXT NOT NULL,"
    " amount INTEGER NOT NULL)";

int64_t NowMs() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string InstantText(int64_t ms) {
  return entente::FormatInstant(entente::InstantFromMicros(ms * 1000));
}

std::string ReservationOf(const Call& call) {
  const std::string name = call.gid.str() + "." + call.branch.str();
  return call.alternative == 0 ? name : name + "." + std::to_string(call.alternative);
}

// What is asked for; nothing when the input does not say.
struct Wish {
  std::string pool;
  int64_t units = 1;
};
std::optional<Wish> WishOf(const Json& input) {
  const auto pool = input.is_object() ? input.find("pool") : input.end();
  if (!input.is_object() || pool == input.end() || !pool->is_string()) {
    return std::nullopt;
  }
  Wish wish{pool->get<std::string>(), 1};
  if (const auto units = input.find("units"); units != input.end()) {
    if (!units->is_number() || !(units->get<double>() >= 0 && units->get<double>() <= kMaxUnits)) {
      return std::nullopt;
    }
    wish.units = units->get<int64_t>();
  }
  return wish;
}

Answer BadInput() {
  return Refused("desk.bad_input", "a reservation needs {\"pool\": text, \"units\": number}");
}

}  // namespace

Desk::Desk(const std::string& name, const DeskOptions& options, const Switches& switches)
    : name_(name),
      options_(options),
      switches_(switches),
      database_(options.db, travel::Database::Access::kReadWrite) {
  database_.Execute(kSchema);
  const entente::Status created = barrier_.CreateSchema(database_.handle());
  if (!created.ok()) {
    throw travel::SqliteError(created.message());
  }
  release_ = std::thread([this] { ReleaseLoop(); });
}

Desk::~Desk() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  release_.join();
}

Result<Answer> Desk::Carry(const Call& call) {
  const std::lock_guard lock(mutex_);
  Result<Answer> answer =
      barrier_.Run(database_.handle(), call, [&](sqlite3*) { return Work(call); });
  changed_.notify_all();
  return answer;
}

// Inside the barrier's transaction. What throws rolls it back.
Result<Answer> Desk::Work(const Call& call) {
  switch (PurposeOf(call.operation)) {
    case Purpose::kForward: return Hold(call);
    case Purpose::kFinish: return call.one_phase ? BookAtOnce(call) : Book(call);
    case Purpose::kUndo: return GiveBack(call);
  }
  return Refused("desk.bad_operation", "a desk knows no such operation");
}

Answer Desk::Hold(const Call& call) {
  const auto wish = WishOf(call.input);
  if (!wish) {
    return BadInput();
  }
  const SwitchValues values = switches_.values();
  const int64_t left = values.capacity - Used(wish->pool);
  if (left < wish->units) {
    return Refused("desk.full", "'" + wish->pool + "' has " + std::to_string(left) + " left of " +
                                    std::to_string(values.capacity) + ", " +
                                    std::to_string(wish->units) + " are asked for");
  }
  if (call.operation == Operation::kPrepare && wish->units == 0) {
    return entente::sdk::ReadOnly();
  }
  const bool expires = call.operation == Operation::kTry;
  const int64_t expires_ms = expires ? NowMs() + values.hold_for.count() : 0;
  Statement insert(database_, "INSERT INTO holds VALUES (?1, ?2, ?3, ?4, ?5, 'held', ?6)");
  insert
      .Bind(call.gid.str(), call.branch.str(), int64_t{call.alternative}, wish->pool, wish->units,
            expires_ms)
      .Run();
  Record(call, "held", wish->units);
  Json output = {{"reservation", ReservationOf(call)},
                 {"pool", wish->pool},
                 {"units", wish->units},
                 {"price", wish->units * options_.unit_price}};
  if (!expires) {
    return Done(std::move(output));
  }
  output["expires"] = InstantText(expires_ms);
  return entente::sdk::DoneUntil(entente::InstantFromMicros(expires_ms * 1000), std::move(output));
}

Answer Desk::Book(const Call& call) {
  const Held held = Find(call);
  const bool late = held.expires_ms > 0 && held.expires_ms <= NowMs();
  if (held.state != "held" || late) {
    return entente::sdk::Heuristic(
        entente::sdk::HeuristicOutcome::kRolledBack,
        "the reservation was held until " + InstantText(held.expires_ms) + " and was given back");
  }
  Change(call, "booked");
  Record(call, "booked", 0);
  return Done({{"reservation", ReservationOf(call)}});
}

// A commit without a prepare: the desk decides. A refusal leaves nothing.
Answer Desk::BookAtOnce(const Call& call) {
  Answer held = Hold(call);
  return std::holds_alternative<entente::sdk::DoneAnswer>(held) ? Book(call) : held;
}

Answer Desk::GiveBack(const Call& call) {
  const Held held = Find(call);
  if (held.state == "held") {
    Change(call, "released");
    Record(call, "released", -held.units);
  }
  return Done();
}

Desk::Held Desk::Find(const Call& call) {
  Statement select(database_,
                   "SELECT state, units, expires_ms FROM holds WHERE gid = ?1 AND branch = ?2 AND "
                   "alternative = ?3");
  select.Bind(call.gid.str(), call.branch.str(), int64_t{call.alternative});
  return select.Step() ? Held{select.Text(0), select.Integer(1), select.Integer(2)} : Held{};
}

void Desk::Change(const Call& call, std::string_view state) {
  Statement update(database_,
                   "UPDATE holds SET state = ?4 WHERE gid = ?1 AND branch = ?2 AND alternative = "
                   "?3");
  update.Bind(call.gid.str(), call.branch.str(), int64_t{call.alternative}, state).Run();
}

int64_t Desk::Used(const std::string& pool) {
  Statement sum(database_,
                "SELECT coalesce(sum(units), 0) FROM holds WHERE pool = ?1 AND state IN ('held', "
                "'booked')");
  sum.Bind(pool).Step();
  return sum.Integer(0);
}

void Desk::Record(const Call& call, std::string_view effect, int64_t amount) {
  Statement insert(database_,
                   "INSERT INTO ledger (at, gid, branch, operation, attempt, epoch, key, effect, "
                   "amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
  const int64_t epoch = call.epoch ? static_cast<int64_t>(call.epoch->value()) : 0;
  insert
      .Bind(InstantText(NowMs()), call.gid.str(), call.branch.str(), OperationName(call.operation),
            int64_t{call.attempt}, epoch, call.idempotency_key, effect, amount)
      .Run();
}

// Gives back what nobody confirmed in time. The milliseconds until the next is due; negative: none.
int64_t Desk::ReleaseExpired() {
  database_.Execute("BEGIN IMMEDIATE");
  try {
    const int64_t now = NowMs();
    Statement record(database_,
                     "INSERT INTO ledger (at, gid, branch, operation, attempt, epoch, key, effect, "
                     "amount) SELECT ?2, gid, branch, 'expire', 1, 0, '', 'expired', -units FROM "
                     "holds WHERE state = 'held' AND expires_ms > 0 AND expires_ms <= ?1");
    record.Bind(now, InstantText(now)).Run();
    Statement expire(database_,
                     "UPDATE holds SET state = 'expired' WHERE state = 'held' AND expires_ms > 0 "
                     "AND expires_ms <= ?1");
    expire.Bind(now).Run();
    database_.Execute("COMMIT");
    Statement next(database_,
                   "SELECT coalesce(min(expires_ms), 0) FROM holds WHERE state = 'held' AND "
                   "expires_ms > 0");
    next.Bind().Step();
    return next.Integer(0) == 0 ? -1 : std::max<int64_t>(next.Integer(0) - now, 0);
  } catch (...) {
    sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

void Desk::ReleaseLoop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    int64_t due_ms = 1'000;  // After an error.
    try {
      due_ms = ReleaseExpired();
    } catch (const travel::SqliteError& error) {
      std::fprintf(stderr, "%s: cannot give back what expired: %s\n", name_.c_str(), error.what());
    }
    if (due_ms < 0) {
      changed_.wait(lock);
    } else {
      changed_.wait_for(lock, milliseconds(due_ms));
    }
  }
}

Result<Json> Desk::Ledger(int64_t after, int64_t limit) {
  const std::lock_guard lock(mutex_);
  Statement select(database_,
                   "SELECT json_object('sequence', sequence, 'at', at, 'gid', gid, 'branch', "
                   "branch, 'operation', operation, 'attempt', attempt, 'epoch', epoch, 'key', "
                   "key, 'effect', effect, 'amount', amount) FROM ledger WHERE sequence > ?1 "
                   "ORDER BY sequence LIMIT ?2");
  select.Bind(after, limit);
  Json rows = Json::array();
  while (select.Step()) {
    rows.push_back(Json::parse(select.Text(0), nullptr, /*allow_exceptions=*/false));
  }
  return rows;
}

Result<Json> Desk::Summary() {
  const std::lock_guard lock(mutex_);
  Json summary = {{"service", name_}, {"held", 0},    {"booked", 0},
                  {"released", 0},    {"expired", 0}, {"capacity", switches_.values().capacity}};
  Statement states(database_, "SELECT state, sum(units) FROM holds GROUP BY state");
  states.Bind();
  while (states.Step()) {
    summary[states.Text(0)] = states.Integer(1);
  }
  Statement net(database_, "SELECT coalesce(sum(amount), 0) FROM ledger");
  net.Bind().Step();
  summary["net"] = net.Integer(0);
  return summary;
}

}  // namespace examples
