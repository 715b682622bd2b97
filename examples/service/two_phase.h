// A service's PostgreSQL database in two-phase commits, and what finishes them after a crash.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "entente/postgres_resource.h"
#include "examples/service/postgres.h"
#include "examples/service/switches.h"

namespace examples {

struct TwoPhaseOptions {
  std::string node;            // Names this service among those of the server.
  std::string coordinator;     // "http://host:port", asked about what is in doubt; empty: nobody.
  std::string coordinator_ca;  // As ServiceOptions.
  std::chrono::milliseconds recover_every{1'000};
  std::chrono::milliseconds safety_interval{20'000};
};

void AddTwoPhaseOptions(CLI::App& app, TwoPhaseOptions& options);

// Thread-safe. Blocks on the database.
class TwoPhase {
 public:
  // `pool` must outlive it.
  TwoPhase(const TwoPhaseOptions& options, PgPool& pool);
  ~TwoPhase();
  TwoPhase(const TwoPhase&) = delete;
  TwoPhase& operator=(const TwoPhase&) = delete;

  // Creates the barrier's table, checks the server, and begins to ask for the decision on what is
  // prepared here, if there is a coordinator to ask.
  [[nodiscard]] entente::Status Open();

  // prepare, commit or rollback. `work` makes the business write of a prepare, or of a commit
  // without one; `output` is what the vote tells later steps.
  [[nodiscard]] Result<Answer> Carry(const Call& call,
                                     const entente::sdk::PostgresResource::Work& work,
                                     const Json& output);

  // How many transactions are prepared in this database, by whomever.
  [[nodiscard]] Result<int64_t> Prepared();

 private:
  void RecoverLoop();

  const TwoPhaseOptions options_;
  PgPool& pool_;
  entente::sdk::PostgresResource resource_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // Guarded by mutex_.
  std::thread recovery_;
};

}  // namespace examples
