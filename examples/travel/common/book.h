// The bookings of one service and the ledger of their effects.
//
// Every operation is idempotent by its key:
//   - a forward operation repeated with the same body gets the same answer; with another body, 422;
//   - an undo repeated gets the same answer;
//   - an undo of a key nobody has seen is remembered and answered as done, and the forward
//   operation
//     that arrives after it is refused with 409: it was overtaken and must not take effect;
//   - a refusal leaves nothing behind, so the same request may succeed once there is room.
//
// Tables:
//   bookings  one row per key: its state, what was asked, both answers
//   pools     units in use, per pool
//   ledger    append-only: one row per effect, written in the same transaction as the effect
//   calls     append-only: one row per call, also the repeats, the refusals and the failures
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "examples/travel/common/business.h"
#include "examples/travel/common/sqlite.h"

namespace travel {

// Who calls, as told by the request's Entente-* headers; each is empty if it was absent.
struct Caller {
  std::string gid;
  std::string branch;
  std::string operation;
  std::string attempt;
  std::string epoch;
};

struct Call {
  Direction direction = Direction::kForward;
  std::string key;
  Json body;
  std::string request;  // For the log: "PUT /bookings/k1".
  Caller caller;
  std::optional<Refusal> malformed;  // Set when the request could not even be read.
};

struct Answer {
  int status = 200;
  Json body;
  std::string outcome = "done";  // done, never_done, repeat, pending, or a refusal's word.
};

// What one call may use and when it happens; the book itself reads no clock and no switch.
struct Terms {
  int64_t now_ms = 0;                                        // Since the Unix epoch.
  std::function<int64_t(const std::string& pool)> capacity;  // In units.
  // When set, an effect of this call is answered 202 until that much later.
  std::optional<int64_t> pending_ms;
};

// Not thread-safe; blocks on the disk. Throws SqliteError, after which the caller rolls back.
class Book {
 public:
  // Creates the tables. `database` and `business` must outlive the book.
  Book(Database& database, const Business& business);

  // Carries out `call` inside the transaction that the caller has opened.
  Answer Apply(const Call& call, const Terms& terms);

  // Writes the call's row. `fault` names the switch that spoiled it, or is empty.
  void Log(const Call& call, const Answer& answer, std::string_view fault, int64_t now_ms);

 private:
  struct Row {
    std::string state;  // held, released, or void (undone before it was done).
    std::string request;
    std::string pool;
    int64_t units = 0;
    std::string answer;
    std::string receipt;
    int64_t answer_ready_ms = 0;
    int64_t receipt_ready_ms = 0;
  };

  Answer Forward(const Call& call, const Terms& terms);
  Answer Undo(const Call& call, const Terms& terms);
  std::optional<Row> Find(const std::string& key);
  int64_t Used(const std::string& pool);
  int64_t NextNumber();
  void Record(const Call& call, const std::string& effect, int64_t amount, int64_t now_ms);

  const Business& business_;
  Statement find_;
  Statement insert_;
  Statement release_;
  Statement used_;
  Statement use_;
  Statement next_number_;
  Statement record_;
  Statement log_;
};

// Where the outcome of a pending operation is asked for: "/operations/k1" or
// "/operations/k1?of=undo".
std::string OperationLocation(Direction direction, const std::string& key);

// 1753970706123 as "2025-07-31T14:05:06.123Z".
std::string FormatInstant(int64_t ms);

}  // namespace travel
