// bank: accounts in PostgreSQL, for transfers as a saga, a TCC or a two-phase commit.
#include <charconv>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "examples/bank/bank.h"
#include "examples/travel/common/host.h"

namespace {

using examples::Bank;
using examples::Direction;

void Check(const entente::Status& status) {
  if (!status.ok()) {
    throw std::runtime_error(status.message());
  }
}

// "alice=10000"
std::pair<std::string, int64_t> ParseAccount(const std::string& text) {
  const size_t equals = text.rfind('=');
  int64_t balance = -1;
  if (equals != std::string::npos) {
    std::from_chars(text.data() + equals + 1, text.data() + text.size(), balance);
  }
  if (balance < 0 || equals == 0) {
    throw std::invalid_argument("--account must be NAME=CENTS, for example alice=10000, not '" +
                                text + "'");
  }
  return {text.substr(0, equals), balance};
}

void Register(entente::sdk::Participant& participant, examples::Switches& switches, Bank& bank) {
  for (const auto& [name, direction] :
       {std::pair("debit", Direction::kDebit), std::pair("credit", Direction::kCredit)}) {
    const auto handler = [&switches, &bank, direction = direction] {
      return examples::Switched(switches, [&bank, direction](const examples::Call& call) {
        return bank.Carry(direction, call);
      });
    };
    Check(participant.Register(
        name, entente::sdk::SagaHandlers{.action = handler(), .compensate = handler()}));
    Check(participant.Register(
        name,
        entente::sdk::TccHandlers{.try_ = handler(), .confirm = handler(), .cancel = handler()}));
    Check(participant.Register(
        name, entente::sdk::TwoPhaseHandlers{
                  .prepare = handler(), .commit = handler(), .rollback = handler()}));
  }
}

int Run(int argc, char** argv) {
  examples::ServiceOptions service;
  service.name = "bank";
  examples::TwoPhaseOptions two_phase_options;
  std::string database;
  std::vector<std::string> account_texts;
  CLI::App app{"A bank that takes part in transfers, in each of the three modes."};
  app.footer(
      "Operations: POST /{debit,credit}/{action,compensate,try,confirm,cancel,prepare,"
      "commit,rollback}\nwith {\"account\", \"amount\"}; the same over gRPC.");
  examples::AddServiceOptions(app, service);
  examples::AddTwoPhaseOptions(app, two_phase_options);
  app.add_option("--database", database, "a PostgreSQL conninfo string")->required();
  app.add_option("--account", account_texts, "NAME=CENTS, made if missing; repeatable");
  CLI11_PARSE(app, argc, argv);
  two_phase_options.node = service.name;
  two_phase_options.coordinator_ca = service.coordinator_ca;
  std::vector<std::pair<std::string, int64_t>> accounts;
  for (const std::string& text : account_texts) {
    accounts.push_back(ParseAccount(text));
  }

  travel::BlockStopSignals();
  examples::Switches switches({});
  // Enough for all handlers of both servers: what frees a lock must not wait for a connection.
  examples::PgPool pool(
      {.conninfo = database, .lock_timeout = std::chrono::seconds(1), .max_connections = 64});
  examples::TwoPhase two_phase(two_phase_options, pool);
  Bank bank(service.name, pool, two_phase);
  Check(bank.Open());
  entente::sdk::Participant participant;
  Register(participant, switches, bank);
  return examples::Serve(service, participant, bank, switches, [&] { return bank.Seed(accounts); });
}

}  // namespace

int main(int argc, char** argv) {
  return travel::Guarded("bank", [&] { return Run(argc, argv); });
}
