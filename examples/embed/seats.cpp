#include "seats.h"

namespace sdk = entente::sdk;

namespace {

// A seat belongs to the branch that took it; `?1` is that branch's name.
constexpr const char* kSchema =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS seat (number INTEGER PRIMARY KEY, state TEXT NOT NULL, owner TEXT);"
    "INSERT OR IGNORE INTO seat VALUES (1, 'free', NULL), (2, 'free', NULL), (3, 'free', NULL)";
constexpr const char* kSell =
    "UPDATE seat SET state = 'sold', owner = ?1 WHERE number = "
    "(SELECT min(number) FROM seat WHERE state = 'free') RETURNING number";
constexpr const char* kHold =
    "UPDATE seat SET state = 'held', owner = ?1 WHERE number = "
    "(SELECT min(number) FROM seat WHERE state = 'free') RETURNING number";
constexpr const char* kSellHeld =
    "UPDATE seat SET state = 'sold' WHERE owner = ?1 AND state = 'held' RETURNING number";
constexpr const char* kGiveBack =
    "UPDATE seat SET state = 'free', owner = NULL WHERE owner = ?1 RETURNING number";

entente::Status Failure(sqlite3* db) {
  return entente::Internal("seats.sqlite", sqlite3_errmsg(db));
}

}  // namespace

entente::Result<std::unique_ptr<Seats>> Seats::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int opened = sqlite3_open(path.c_str(), &handle);
  std::unique_ptr<sqlite3, Close> db(handle);
  if (opened != SQLITE_OK) {
    return Failure(handle);
  }
  sqlite3_busy_timeout(handle, 5000);
  if (sqlite3_exec(handle, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Failure(handle);
  }
  std::unique_ptr<Seats> seats(new Seats(std::move(db)));
  ENTENTE_RETURN_IF_ERROR(seats->barrier_.CreateSchema(handle));
  return seats;
}

entente::Result<sdk::Answer> Seats::Change(const sdk::Call& call, const char* sql,
                                           const char* refusal) {
  const std::lock_guard lock(mutex_);
  return barrier_.Run(db_.get(), call, [&](sqlite3* tx) -> entente::Result<sdk::Answer> {
    const std::string owner = call.gid.str() + "/" + call.branch.str();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(tx, sql, -1, &statement, nullptr) != SQLITE_OK) {
      return Failure(tx);
    }
    sqlite3_bind_text(statement, 1, owner.c_str(), -1, SQLITE_TRANSIENT);
    const int stepped = sqlite3_step(statement);
    const int number = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (stepped == SQLITE_ROW) {
      return sdk::Done({{"seat", number}});
    }
    if (stepped != SQLITE_DONE) {
      return Failure(tx);
    }
    return refusal == nullptr ? sdk::Done() : sdk::Refused("sold_out", refusal);
  });
}

entente::Status Seats::Join(sdk::Participant& participant) {
  const auto change = [this](const char* sql, const char* refusal) {
    return [this, sql, refusal](const sdk::Call& call) { return Change(call, sql, refusal); };
  };
  ENTENTE_RETURN_IF_ERROR(
      participant.Register("seats", sdk::SagaHandlers{.action = change(kSell, "no seat is left"),
                                                      .compensate = change(kGiveBack, nullptr)}));
  return participant.Register(
      "seats", sdk::TccHandlers{.try_ = change(kHold, "no seat is left"),
                                .confirm = change(kSellHeld, "the seat is not held any more"),
                                .cancel = change(kGiveBack, nullptr)});
}
