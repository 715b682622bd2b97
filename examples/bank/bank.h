// A bank's accounts in PostgreSQL, and its half of a transfer in each of the three modes.
//
// Two handlers, "debit" and "credit", with the input {"account", "amount"}:
//
//   saga   action moves the money at once; compensate moves it back
//   tcc    try freezes (or announces) it; confirm moves it; cancel lets it go
//   2pc    prepare moves it in a transaction that PostgreSQL holds in doubt; commit or rollback
//   ends
//          that
//
// Money in accounts is `balance` plus `frozen`; `incoming` is only a promise. In the ledger the
// amount of an effect is what it changes in balance plus frozen, so that a transfer's rows add up
// to nothing over both banks, however it ended and in which mode.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "entente/postgres_barrier.h"
#include "examples/service/postgres.h"
#include "examples/service/service.h"
#include "examples/service/two_phase.h"

namespace examples {

enum class Direction { kDebit, kCredit };

// Thread-safe. Blocks on the database.
class Bank final : public Books {
 public:
  // `pool` and `two_phase` must outlive the bank.
  Bank(std::string name, PgPool& pool, TwoPhase& two_phase);

  // Makes ready to carry out calls and to finish what a crash left prepared.
  [[nodiscard]] entente::Status Open();
  // Creates the tables and those of `accounts` that are missing. To be called once calls come in:
  // a row may be held by what only a commit or a rollback frees.
  [[nodiscard]] entente::Status Seed(const std::vector<std::pair<std::string, int64_t>>& accounts);

  [[nodiscard]] Result<Answer> Carry(Direction direction, const Call& call);

  [[nodiscard]] Result<Json> Ledger(int64_t after, int64_t limit) override;
  [[nodiscard]] Result<Json> Summary() override;

 private:
  const std::string name_;
  PgPool& pool_;
  TwoPhase& two_phase_;
  const entente::sdk::PostgresBarrier barrier_;
};

}  // namespace examples
