#include "examples/bank/bank.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "examples/service/pg_ledger.h"

namespace examples {
namespace {

using entente::Status;
using entente::sdk::Operation;
using entente::sdk::Refused;

constexpr double kMaxAmount = 1e12;

constexpr PgTable kAccounts = {"accounts", "name",
                               "CREATE TABLE IF NOT EXISTS accounts (name text PRIMARY KEY,"
                               " balance bigint NOT NULL CHECK (balance >= 0),"
                               " frozen bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),"
                               " incoming bigint NOT NULL DEFAULT 0 CHECK (incoming >= 0))"};

// What an operation does to an account. $1 is its name, $2 the amount.
struct Move {
  Direction direction;
  Operation operation;
  const char* set;
  const char* only_if;
  const char* effect;
  int sign;  // Of the change in balance plus frozen.
};
constexpr std::array kMoves = {
    Move{Direction::kDebit, Operation::kAction, "balance = balance - $2", "balance >= $2",
         "debited", -1},
    Move{Direction::kDebit, Operation::kCompensate, "balance = balance + $2", "true",
         "debit undone", 1},
    Move{Direction::kDebit, Operation::kTry, "balance = balance - $2, frozen = frozen + $2",
         "balance >= $2", "frozen", 0},
    Move{Direction::kDebit, Operation::kConfirm, "frozen = frozen - $2", "true", "debited", -1},
    Move{Direction::kDebit, Operation::kCancel, "balance = balance + $2, frozen = frozen - $2",
         "true", "unfrozen", 0},
    Move{Direction::kDebit, Operation::kPrepare, "balance = balance - $2", "balance >= $2",
         "debited", -1},
    Move{Direction::kCredit, Operation::kAction, "balance = balance + $2", "true", "credited", 1},
    Move{Direction::kCredit, Operation::kCompensate, "balance = balance - $2", "balance >= $2",
         "credit undone", -1},
    Move{Direction::kCredit, Operation::kTry, "incoming = incoming + $2", "true", "announced", 0},
    Move{Direction::kCredit, Operation::kConfirm,
         "balance = balance + $2, incoming = incoming - $2", "true", "credited", 1},
    Move{Direction::kCredit, Operation::kCancel, "incoming = incoming - $2", "true", "withdrawn",
         0},
    Move{Direction::kCredit, Operation::kPrepare, "balance = balance + $2", "true", "credited", 1},
};

const Move* FindMove(Direction direction, Operation operation) {
  // A commit without a prepare carries out what the prepare would have.
  const Operation wanted = operation == Operation::kCommit ? Operation::kPrepare : operation;
  const auto* const found = std::find_if(kMoves.begin(), kMoves.end(), [&](const Move& each) {
    return each.direction == direction && each.operation == wanted;
  });
  return found == kMoves.end() ? nullptr : found;
}

struct Order {
  std::string account;
  int64_t amount = 0;
};
std::optional<Order> OrderOf(const Json& input) {
  if (!input.is_object() || !input.contains("account") || !input["account"].is_string() ||
      !input.contains("amount") || !input["amount"].is_number()) {
    return std::nullopt;
  }
  const double amount = input["amount"].get<double>();
  if (!(amount > 0 && amount <= kMaxAmount) || amount != std::floor(amount)) {
    return std::nullopt;
  }
  return Order{input["account"].get<std::string>(), static_cast<int64_t>(amount)};
}

// Inside a transaction that the barrier or the resource ends.
Result<Answer> Carried(PGconn* tx, Direction direction, const Call& call) {
  const Move* const move = FindMove(direction, call.operation);
  const auto order = OrderOf(call.input);
  if (move == nullptr || !order) {
    return Refused("bank.bad_order",
                   "an order needs {\"account\": text, \"amount\": a whole number above 0}");
  }
  const auto touched = PgChange(tx,
                                std::string("UPDATE accounts SET ") + move->set +
                                    " WHERE name = $1 AND $2::bigint "
                                    "> 0 AND " +
                                    move->only_if,
                                {order->account, std::to_string(order->amount)});
  if (!touched.ok()) {
    return touched.status();
  }
  if (*touched == 0) {
    return Refused("bank.not_covered", "there is no account '" + order->account +
                                           "', or it does not cover " +
                                           std::to_string(order->amount));
  }
  const Status recorded = PgRecord(tx, call, move->effect, move->sign * order->amount);
  return recorded.ok() ? Result<Answer>(entente::sdk::Done()) : recorded;
}

}  // namespace

Bank::Bank(std::string name, PgPool& pool, TwoPhase& two_phase)
    : name_(std::move(name)), pool_(pool), two_phase_(two_phase) {}

Status Bank::Open() {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  if (Status created = barrier_.CreateSchema(loan->get()); !created.ok()) {
    return created;
  }
  return two_phase_.Open();
}

Status Bank::Seed(const std::vector<std::pair<std::string, int64_t>>& accounts) {
  auto loan = pool_.Borrow();
  return loan.ok() ? PgCreate(loan->get(), kAccounts, accounts) : loan.status();
}

Result<Answer> Bank::Carry(Direction direction, const Call& call) {
  const auto work = [&](PGconn* tx) { return Carried(tx, direction, call); };
  if (FamilyName(call.operation) == "2pc") {
    return two_phase_.Carry(call, work, /*output=*/call.input);
  }
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  return barrier_.Run(loan->get(), call, work);
}

Result<Json> Bank::Ledger(int64_t after, int64_t limit) {
  return PgLedger(pool_, after, limit);
}

Result<Json> Bank::Summary() {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  const auto rows =
      PgQuery(loan->get(), "SELECT name, balance, frozen, incoming FROM accounts ORDER BY name");
  if (!rows.ok()) {
    return rows.status();
  }
  Json summary = {{"service", name_}, {"accounts", Json::object()}};
  int64_t total = 0;
  for (const auto& row : *rows) {
    const int64_t balance = std::stoll(row[1]);
    const int64_t frozen = std::stoll(row[2]);
    summary["accounts"][row[0]] = {
        {"balance", balance}, {"frozen", frozen}, {"incoming", std::stoll(row[3])}};
    total += balance + frozen;
  }
  summary["total"] = total;
  const auto prepared = two_phase_.Prepared();
  if (!prepared.ok()) {
    return prepared.status();
  }
  summary["prepared"] = *prepared;
  return summary;
}

}  // namespace examples
