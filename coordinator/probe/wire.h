// Wire: the line over HTTP and gRPC, by the coordinator's own caller.
#pragma once

#include <memory>
#include <string>

#include "coordinator/probe/line.h"
#include "dsl/plan.h"

namespace entente::probe {

// `observe` is a URL whose answer tells what the service holds, or empty. `coordinator` names this
// probe as a coordinator that nobody has heard of: 16 lower-case hexadecimal digits. Each call has
// a connection of its own. Fails with kInvalidArgument if `observe` is no http(s) URL, or TLS can
// not be set up.
[[nodiscard]] Result<std::unique_ptr<Line>> ConnectLine(std::shared_ptr<const dsl::Plan> plan,
                                                        const std::string& coordinator,
                                                        const std::string& observe);

}  // namespace entente::probe
