// travel-inventory: one company's stock in a PostgreSQL database, for two-phase commits.
#include <charconv>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "examples/inventory/inventory.h"
#include "examples/travel/common/host.h"

namespace {

void Check(const entente::Status& status) {
  if (!status.ok()) {
    throw std::runtime_error(status.message());
  }
}

// "Lisbon=20"
std::pair<std::string, int64_t> ParseItem(const std::string& text) {
  const size_t equals = text.rfind('=');
  int64_t units = -1;
  if (equals != std::string::npos) {
    std::from_chars(text.data() + equals + 1, text.data() + text.size(), units);
  }
  if (units < 0 || equals == 0) {
    throw std::invalid_argument("--item must be NAME=UNITS, for example Lisbon=20, not '" + text +
                                "'");
  }
  return {text.substr(0, equals), units};
}

int Run(int argc, char** argv) {
  examples::ServiceOptions service;
  service.name = "inventory";
  examples::TwoPhaseOptions two_phase_options;
  std::string database;
  int64_t unit_price = 1;
  std::vector<std::string> item_texts;
  CLI::App app{"A company's stock, for two-phase commits."};
  app.footer(
      "Operations: POST /stock/{prepare,commit,rollback} with {\"item\", \"units\"}; the\n"
      "same over gRPC.");
  examples::AddServiceOptions(app, service);
  examples::AddTwoPhaseOptions(app, two_phase_options);
  app.add_option("--database", database, "a PostgreSQL conninfo string")->required();
  app.add_option("--item", item_texts, "NAME=UNITS, made if missing; repeatable");
  app.add_option("--unit-price", unit_price, "cents for one unit")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  two_phase_options.node = service.name;
  two_phase_options.coordinator_ca = service.coordinator_ca;
  std::vector<std::pair<std::string, int64_t>> stock;
  for (const std::string& text : item_texts) {
    stock.push_back(ParseItem(text));
  }

  travel::BlockStopSignals();
  examples::Switches switches({});
  // Enough for all handlers of both servers: what frees a lock must not wait for a connection.
  examples::PgPool pool(
      {.conninfo = database, .lock_timeout = std::chrono::seconds(1), .max_connections = 64});
  examples::TwoPhase two_phase(two_phase_options, pool);
  examples::Inventory inventory(service.name, unit_price, pool, two_phase);
  Check(inventory.Open());
  const auto handler = [&] {
    return examples::Switched(
        switches, [&inventory](const examples::Call& call) { return inventory.Carry(call); });
  };
  entente::sdk::Participant participant;
  Check(participant.Register(
      "stock", entente::sdk::TwoPhaseHandlers{
                   .prepare = handler(), .commit = handler(), .rollback = handler()}));
  return examples::Serve(service, participant, inventory, switches,
                         [&] { return inventory.Seed(stock); });
}

}  // namespace

int main(int argc, char** argv) {
  return travel::Guarded("travel-inventory", [&] { return Run(argc, argv); });
}
