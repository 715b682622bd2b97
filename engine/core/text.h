// Records and effects as one line of text: for golden scenarios, dry runs and histories.
#pragma once

#include <string>

#include "engine/effect.h"
#include "engine/record.h"

namespace entente::engine {

// "operation-succeeded flight {\"id\":7}". Instants are written relative to `origin` ("+1.5s").
[[nodiscard]] std::string Describe(const Record& record, const dsl::Plan& plan, Instant origin);

// "call flight action #1 PUT flights/bookings/t1:flight {...}".
[[nodiscard]] std::string Describe(const Effect& effect, const dsl::Plan& plan, Instant origin);

// "+1.5s"; "-2s" before the origin.
[[nodiscard]] std::string DescribeInstant(Instant at, Instant origin);

}  // namespace entente::engine
