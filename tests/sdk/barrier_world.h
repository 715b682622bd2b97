// What the barrier's tests need of a database, so that they are the same on each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "entente/barrier.h"
#include "entente/call.h"

namespace entente::sdk::test {

// The business write's view of its transaction.
class Business {
 public:
  virtual ~Business() = default;
  virtual void Write(const std::string& effect) = 0;  // One row in the ledger.
  virtual void Fail() = 0;                            // A statement that fails.
  virtual void Commit() = 0;                          // What no business write may do.
  virtual void Begin() = 0;                           // Nor this.
  virtual void Execute(const std::string& sql) = 0;
};
using Work = std::function<Result<Answer>(Business&)>;

// A connection; one thread at a time.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual Result<Answer> Run(const Call& call, const Work& work) = 0;
  virtual Result<PurgeReport> Purge(const PurgeOptions& options) = 0;
  virtual Status CreateSchema() = 0;
  virtual std::vector<std::string> Ledger() = 0;
  virtual void Execute(const std::string& sql) = 0;
  // The first value that `sql` yields, as text.
  virtual std::string Ask(const std::string& sql) = 0;
  virtual bool InTransaction() = 0;
};

// A fresh ledger and barrier, with a clock of its own.
class World {
 public:
  virtual ~World() = default;
  virtual std::unique_ptr<Connection> Connect() = 0;

  Instant now = InstantFromMicros(1'700'000'000'000'000);
};

std::unique_ptr<World> MakeWorld();

}  // namespace entente::sdk::test
