// A company's stock in PostgreSQL - seats of flights, rooms of hotels - for two-phase commits.
//
// prepare {"item", "units"} takes units from the stock in a transaction that PostgreSQL holds in
// doubt, and votes; commit or rollback ends it. A prepare of no units only looks, and votes
// read-only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "examples/service/service.h"
#include "examples/service/two_phase.h"

namespace examples {

// Thread-safe. Blocks on the database.
class Inventory final : public Books {
 public:
  // `pool` and `two_phase` must outlive it. `unit_price` is in cents.
  Inventory(std::string name, int64_t unit_price, PgPool& pool, TwoPhase& two_phase);

  // Makes ready to carry out calls and to finish what a crash left prepared.
  [[nodiscard]] entente::Status Open();
  // Creates the tables and those of `stock` that are missing. To be called once calls come in:
  // a row may be held by what only a commit or a rollback frees.
  [[nodiscard]] entente::Status Seed(const std::vector<std::pair<std::string, int64_t>>& stock);

  [[nodiscard]] Result<Answer> Carry(const Call& call);

  [[nodiscard]] Result<Json> Ledger(int64_t after, int64_t limit) override;
  [[nodiscard]] Result<Json> Summary() override;

 private:
  const std::string name_;
  const int64_t unit_price_;
  PgPool& pool_;
  TwoPhase& two_phase_;
};

}  // namespace examples
