// The box office: seats that are sold at once (a saga's step) or held first (a TCC's).
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include <sqlite3.h>

#include <entente/participant.h>
#include <entente/sqlite_barrier.h>

// One connection, used by one handler at a time. Thread-safe.
class Seats {
 public:
  // Opens or creates the database. Fails with what SQLite says.
  static entente::Result<std::unique_ptr<Seats>> Open(const std::string& path);

  // Registers the handlers under "seats". This object must outlive the participant's servers.
  entente::Status Join(entente::sdk::Participant& participant);

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
  };
  explicit Seats(std::unique_ptr<sqlite3, Close> db) : db_(std::move(db)) {}

  // Runs one statement, for the call's own key, inside the barrier. `refusal` is why it may change
  // no row; null: that is all right too.
  entente::Result<entente::sdk::Answer> Change(const entente::sdk::Call& call, const char* sql,
                                               const char* refusal);

  std::mutex mutex_;
  std::unique_ptr<sqlite3, Close> db_;
  const entente::sdk::SqliteBarrier barrier_;
};
