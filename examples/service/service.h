// A whole service: its participant over REST and gRPC, and a control endpoint beside.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "entente/participant.h"
#include "examples/service/switches.h"

namespace examples {

// What a checker reads. Called from the control endpoint's thread, beside the handlers.
class Books {
 public:
  virtual ~Books() = default;

  // Effects after sequence number `after`, oldest first, at most `limit`: an array of {sequence,
  // at, gid, branch, operation, attempt, epoch, key, effect, amount}, each written in the same
  // local transaction as the effect.
  [[nodiscard]] virtual Result<Json> Ledger(int64_t after, int64_t limit) = 0;

  // Sums over the ledger and what is held at this moment.
  [[nodiscard]] virtual Result<Json> Summary() = 0;
};

struct ServiceOptions {
  std::string name;
  std::string listen = "127.0.0.1:0";
  std::string grpc = "127.0.0.1:0";
  std::string control = "127.0.0.1:0";
  std::string port_file;
  // "https://host:port" of the coordinator, without whose signature nothing is carried out; empty:
  // whoever reaches the service is believed.
  std::string only_signed_by;
  std::string coordinator_ca;  // PEM file of the authorities to trust in it; empty: the system's.
  std::vector<std::string> trusted_keys;  // PEM files of others whose signature will do.
};

// The options that every service has. `options` must outlive the parsing.
void AddServiceOptions(CLI::App& app, ServiceOptions& options);

// A handler that passes through the switches.
[[nodiscard]] entente::sdk::Handler Switched(Switches& switches,
                                             std::function<Result<Answer>(const Call&)> handler);

// Requires signatures of `participant` if the options say so, and serves until SIGTERM or SIGINT,
// then answers what is under way. `once_serving` makes what is left to make ready, such as rows: it
// may wait for what only a commit or a rollback frees, which comes in while it does. The port file
// is written after it. Over HTTP at `control`: GET /healthz, /control, /ledger?after=N&limit=N and
// /summary, POST /control. Call BlockStopSignals of travel/common/host.h before any thread is
// started. Throws std::exception with a message for people when it can not listen; returns the exit
// code.
int Serve(const ServiceOptions& options, entente::sdk::Participant& participant, Books& books,
          Switches& switches, const std::function<entente::Status()>& once_serving = {});

}  // namespace examples
