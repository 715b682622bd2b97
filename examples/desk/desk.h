// A desk that reserves units of pools: seats, rooms, cars, or cents of a credit limit.
//
// It takes part in TCC and in two-phase commits with the same three moves, since what is tried or
// prepared here is a row of its own:
//
//   try, prepare      holds {"pool", "units"} -> {"reservation", "pool", "units", "price",
//                     "expires"}; a full pool refuses. A prepare of no units votes read-only.
//   confirm, commit   what is held is booked
//   cancel, rollback  what is held is given back
//
// A try is held for a time only: then the desk gives it back by itself, and a confirm that comes
// too late is answered with Heuristic(rolled back). What is prepared is held until told.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "entente/sqlite_barrier.h"
#include "examples/service/service.h"
#include "examples/travel/common/sqlite.h"

namespace examples {

struct DeskOptions {
  std::string db = "desk.db";
  int64_t unit_price = 1;  // In cents.
};

// Thread-safe: one connection, used by one thread at a time. Blocks on the disk.
class Desk final : public Books {
 public:
  // Opens the file, made if missing. `switches` must outlive the desk: it says how much there is
  // and for how long a try is held. Throws travel::SqliteError.
  Desk(const std::string& name, const DeskOptions& options, const Switches& switches);
  ~Desk() override;

  [[nodiscard]] Result<Answer> Carry(const Call& call);

  [[nodiscard]] Result<Json> Ledger(int64_t after, int64_t limit) override;
  [[nodiscard]] Result<Json> Summary() override;

 private:
  struct Held {
    std::string state;  // held, booked, released, expired
    int64_t units = 0;
    int64_t expires_ms = 0;  // 0: never.
  };

  Result<Answer> Work(const Call& call);
  Answer Hold(const Call& call);
  Answer Book(const Call& call);
  Answer BookAtOnce(const Call& call);
  Answer GiveBack(const Call& call);
  Held Find(const Call& call);
  void Change(const Call& call, std::string_view state);
  int64_t Used(const std::string& pool);
  void Record(const Call& call, std::string_view effect, int64_t amount);
  int64_t ReleaseExpired();
  void ReleaseLoop();

  const std::string name_;
  const DeskOptions options_;
  const Switches& switches_;
  const entente::sdk::SqliteBarrier barrier_;
  std::mutex mutex_;  // Guards all below but the thread.
  std::condition_variable changed_;
  bool stopping_ = false;
  travel::Database database_;
  std::thread release_;
};

}  // namespace examples
