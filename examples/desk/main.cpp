// travel-desk: one company's reservations, in a SQLite file of its own.
#include <cstdio>
#include <stdexcept>
#include <string>

#include "examples/desk/desk.h"
#include "examples/travel/common/host.h"
#include "examples/travel/common/switches.h"

namespace {

using examples::Desk;
using examples::Switched;

void Check(const entente::Status& status) {
  if (!status.ok()) {
    throw std::runtime_error(status.message());
  }
}

void Register(entente::sdk::Participant& participant, examples::Switches& switches, Desk& desk) {
  const auto handler = [&] {
    return Switched(switches, [&desk](const examples::Call& call) { return desk.Carry(call); });
  };
  Check(participant.Register(
      "hold",
      entente::sdk::TccHandlers{.try_ = handler(), .confirm = handler(), .cancel = handler()}));
  Check(participant.Register(
      "hold", entente::sdk::TwoPhaseHandlers{
                  .prepare = handler(), .commit = handler(), .rollback = handler()}));
}

int Run(int argc, char** argv) {
  examples::ServiceOptions service;
  service.name = "desk";
  examples::DeskOptions options;
  examples::SwitchValues values;
  std::string hold_for = "5m";
  CLI::App app{"A desk that reserves units of pools, for TCC and two-phase commits."};
  app.footer(
      "Operations: POST /hold/{try,confirm,cancel,prepare,commit,rollback}, and the same as\n"
      "entente.participant.v1.Participant over gRPC with the handler 'hold'.");
  examples::AddServiceOptions(app, service);
  app.add_option("--db", options.db, "SQLite file, made if missing")->capture_default_str();
  app.add_option("--unit-price", options.unit_price, "cents for one unit")->capture_default_str();
  app.add_option("--capacity", values.capacity, "units of each pool")->capture_default_str();
  app.add_option("--hold-for", hold_for, "how long a try is held")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto parsed = travel::ParseDuration(hold_for);
  if (!parsed) {
    return app.exit(CLI::ValidationError("--hold-for", "must be a duration such as 30s or 5m"));
  }
  values.hold_for = *parsed;

  travel::BlockStopSignals();
  examples::Switches switches(values);
  Desk desk(service.name, options, switches);
  entente::sdk::Participant participant;
  Register(participant, switches, desk);
  return examples::Serve(service, participant, desk, switches);
}

}  // namespace

int main(int argc, char** argv) {
  return travel::Guarded("travel-desk", [&] { return Run(argc, argv); });
}
