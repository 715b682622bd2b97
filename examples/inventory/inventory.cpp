#include "examples/inventory/inventory.h"

#include <optional>

#include "examples/service/pg_ledger.h"

namespace examples {
namespace {

using entente::Status;
using entente::sdk::Done;
using entente::sdk::Refused;

constexpr int64_t kMaxUnits = 1'000'000;

constexpr PgTable kStock = {"stock", "item",
                            "CREATE TABLE IF NOT EXISTS stock (item text PRIMARY KEY,"
                            " units_left bigint NOT NULL CHECK (units_left >= 0))"};

struct Wish {
  std::string item;
  int64_t units = 1;
};
std::optional<Wish> WishOf(const Json& input) {
  if (!input.is_object() || !input.contains("item") || !input["item"].is_string()) {
    return std::nullopt;
  }
  Wish wish{input["item"].get<std::string>(), 1};
  if (const auto units = input.find("units"); units != input.end()) {
    if (!units->is_number() || !(units->get<double>() >= 0 && units->get<double>() <= kMaxUnits)) {
      return std::nullopt;
    }
    wish.units = units->get<int64_t>();
  }
  return wish;
}

// Inside the transaction that is then prepared.
Result<Answer> Take(PGconn* tx, const Call& call, const Wish& wish) {
  const auto left = PgQuery(tx, "SELECT units_left FROM stock WHERE item = $1", {wish.item});
  if (!left.ok()) {
    return left.status();
  }
  if (left->empty()) {
    return Refused("inventory.no_item", "there is no '" + wish.item + "'");
  }
  if (wish.units == 0) {
    return Done();
  }
  const auto taken = PgChange(tx,
                              "UPDATE stock SET units_left = units_left - $2::bigint WHERE item = "
                              "$1 AND units_left >= $2::bigint",
                              {wish.item, std::to_string(wish.units)});
  if (!taken.ok()) {
    return taken.status();
  }
  if (*taken == 0) {
    return Refused("inventory.sold_out", "'" + wish.item + "' has " + left->at(0).at(0) +
                                             " left, " + std::to_string(wish.units) +
                                             " are asked for");
  }
  const Status recorded = PgRecord(tx, call, "sold", wish.units);
  return recorded.ok() ? Result<Answer>(Done()) : recorded;
}

}  // namespace

Inventory::Inventory(std::string name, int64_t unit_price, PgPool& pool, TwoPhase& two_phase)
    : name_(std::move(name)), unit_price_(unit_price), pool_(pool), two_phase_(two_phase) {}

Status Inventory::Open() {
  return two_phase_.Open();
}

Status Inventory::Seed(const std::vector<std::pair<std::string, int64_t>>& stock) {
  auto loan = pool_.Borrow();
  return loan.ok() ? PgCreate(loan->get(), kStock, stock) : loan.status();
}

Result<Answer> Inventory::Carry(const Call& call) {
  const auto wish = WishOf(call.input);
  const bool asks = call.operation == entente::sdk::Operation::kPrepare || call.one_phase;
  if (asks && !wish) {
    return Refused("inventory.bad_input", "a booking needs {\"item\": text, \"units\": number}");
  }
  const Json output =
      wish
          ? Json{{"item", wish->item}, {"units", wish->units}, {"price", wish->units * unit_price_}}
          : Json();
  return two_phase_.Carry(
      call, [&](PGconn* tx) { return Take(tx, call, *wish); }, output);
}

Result<Json> Inventory::Ledger(int64_t after, int64_t limit) {
  return PgLedger(pool_, after, limit);
}

Result<Json> Inventory::Summary() {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  const auto rows = PgQuery(loan->get(), "SELECT item, units_left FROM stock ORDER BY item");
  const auto sold = PgQuery(loan->get(), "SELECT coalesce(sum(amount), 0) FROM ledger");
  const auto prepared = two_phase_.Prepared();
  for (const Status& status :
       {rows.ok() ? Status() : rows.status(), sold.ok() ? Status() : sold.status(),
        prepared.ok() ? Status() : prepared.status()}) {
    if (!status.ok()) {
      return status;
    }
  }
  Json summary = {{"service", name_},
                  {"stock", Json::object()},
                  {"net", std::stoll(sold->at(0).at(0))},
                  {"prepared", *prepared}};
  for (const auto& row : *rows) {
    summary["stock"][row[0]] = std::stoll(row[1]);
  }
  return summary;
}

}  // namespace examples
