// What a service tells about itself: its ledger, its calls, its sums.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "examples/travel/common/business.h"
#include "examples/travel/common/sqlite.h"
#include "examples/travel/common/switches.h"

namespace travel {

// Reads the file over a connection of its own, so that it never waits for the writer nor the writer
// for it. Thread-safe; blocks on the disk. Throws SqliteError.
class Reports {
 public:
  // The file must exist with its tables. `business` and `switches` must outlive the reports.
  Reports(const std::string& path, const Business& business, const Switches& switches);

  // The rows after sequence number `after`, oldest first, at most `limit` of them.
  Json Ledger(int64_t after, int64_t limit);
  Json Calls(int64_t after, int64_t limit);

  // Sums over the ledger and what is held at this moment, all of one snapshot; the keys only if
  // asked for.
  Json Summary(bool with_keys);

  // The booking of `key`: {"state", "booking"}; nothing when the key was never held.
  std::optional<Json> Look(const std::string& key);

  // How the operation on `key` stands, as an HTTP answer: 202 pending, 200 with its answer, 404, or
  // 409 for a forward operation that was undone.
  Answer Operation(Direction direction, const std::string& key, int64_t now_ms);

 private:
  Json Rows(Statement& statement, int64_t after, int64_t limit);

  std::mutex mutex_;  // Guards the connection and its statements.
  const Business& business_;
  const Switches& switches_;
  Database database_;
  Statement ledger_;
  Statement calls_;
  Statement effects_;
  Statement keys_;
  Statement voided_;
  Statement pools_;
  Statement booking_;
};

}  // namespace travel
