#include "examples/service/two_phase.h"

#include <cstdio>
#include <utility>
#include <variant>

#include "entente/client.h"

namespace examples {
namespace {

using entente::Status;
using entente::sdk::Operation;

entente::sdk::PostgresResourceOptions ResourceOptions(const TwoPhaseOptions& options) {
  entente::sdk::PostgresResourceOptions chosen;
  chosen.node = options.node;
  chosen.safety_interval = options.safety_interval;
  chosen.lock_timeout = std::chrono::seconds(1);
  return chosen;
}

}  // namespace

void AddTwoPhaseOptions(CLI::App& app, TwoPhaseOptions& options) {
  app.add_option("--coordinator", options.coordinator,
                 "http://HOST:PORT to ask about what a crash left prepared");
  app.add_option_function<int>(
         "--safety-interval-ms",
         [&options](int ms) { options.safety_interval = std::chrono::milliseconds(ms); },
         "how long an unwanted prepared transaction is left alone")
      ->check(CLI::PositiveNumber);
}

TwoPhase::TwoPhase(const TwoPhaseOptions& options, PgPool& pool)
    : options_(options), pool_(pool), resource_(ResourceOptions(options)) {}

TwoPhase::~TwoPhase() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (recovery_.joinable()) {
    recovery_.join();
  }
}

Status TwoPhase::Open() {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  if (Status created = resource_.CreateSchema(loan->get()); !created.ok()) {
    return created;
  }
  if (Status checked = resource_.Check(loan->get()); !checked.ok()) {
    return checked;
  }
  if (!options_.coordinator.empty()) {
    recovery_ = std::thread([this] { RecoverLoop(); });
  }
  return Status();
}

Result<Answer> TwoPhase::Carry(const Call& call, const entente::sdk::PostgresResource::Work& work,
                               const Json& output) {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  PGconn* const connection = loan->get();
  if (call.operation == Operation::kRollback) {
    return resource_.Rollback(connection, call);
  }
  if (call.operation == Operation::kCommit) {
    return call.one_phase ? resource_.Commit(connection, call, work)
                          : resource_.Commit(connection, call);
  }
  Result<Answer> answer = resource_.Prepare(connection, call, work);
  const bool yes = answer.ok() && std::holds_alternative<entente::sdk::DoneAnswer>(*answer);
  return yes ? Result<Answer>(entente::sdk::Done(output)) : answer;
}

Result<int64_t> TwoPhase::Prepared() {
  auto loan = pool_.Borrow();
  if (!loan.ok()) {
    return loan.status();
  }
  const auto rows = PgQuery(
      loan->get(), "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()");
  if (!rows.ok()) {
    return rows.status();
  }
  return std::stoll(rows->at(0).at(0));
}

void TwoPhase::RecoverLoop() {
  entente::sdk::ClientOptions asked;
  asked.server = options_.coordinator;
  asked.tls.ca_file = options_.coordinator_ca;
  asked.call_timeout = std::chrono::seconds(2);
  asked.retry_for = entente::Duration::zero();
  const entente::sdk::DecisionSource decide = entente::sdk::AskCoordinator(asked);
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, options_.recover_every, [this] { return stopping_; })) {
    lock.unlock();
    if (auto loan = pool_.Borrow(); loan.ok()) {
      const auto report = resource_.Recover(loan->get(), decide);
      if (report.ok() && report->committed + report->rolled_back > 0) {
        std::printf("%s: recovered: %zu committed, %zu rolled back\n", options_.node.c_str(),
                    report->committed, report->rolled_back);
        std::fflush(stdout);
      }
    }
    lock.lock();
  }
}

}  // namespace examples
