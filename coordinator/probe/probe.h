// Probe: tries a running service on what docs/participants.md asks of a participant.
//
// Each step's calls are sent as a coordinator sends them, under keys that nobody else has: twice,
// the undo before the forward call, the undo twice, the forward call after its undo, two at once,
// one broken off in the middle; of what finishes (confirm, commit), too, twice. What can be seen is
// what is answered, and what the service says it holds if it is asked (`Line::Observe`).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/probe/line.h"
#include "coordinator/probe/promises.h"
#include "dsl/plan.h"

namespace entente::probe {

struct ProbeOptions {
  std::string participant;        // By its name in the definition.
  std::string run;                // What the gids begin with; a new one for each run.
  const Json* input = nullptr;    // Else made up.
  const Json* answers = nullptr;  // Of other participants' steps, as for a dry run; else made up.
};

struct Fault {
  std::string step;
  Broken broken;
  std::string what;  // What was sent, and what was answered.
};

struct ProbeReport {
  std::vector<Fault> faults;
  std::vector<std::string> passed;   // "flight: the call twice".
  std::vector<std::string> skipped;  // What could not be tried, and why.
};

// Blocks. `definition` is what `plan` was compiled from. Fails with kInvalidArgument
// probe.no_participant or explore.input_needed, with kUnavailable probe.unreachable if the service
// does not answer at all, and with kFailedPrecondition probe.not_possible if no step of the
// participant could be tried.
[[nodiscard]] Result<ProbeReport> Probe(const dsl::Plan& plan, const Json& definition,
                                        const ProbeOptions& options, Line& line);

}  // namespace entente::probe
