// What a call's outcome tells of the participant's health, rather than of the request. Pure.
#pragma once

#include "base/time.h"
#include "coordinator/participants/participant_gate.h"
#include "dsl/plan.h"
#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"

namespace entente::participants {

struct CallTerms {
  Duration allowed{};                       // The call's time-out.
  const dsl::AnswerRules* rules = nullptr;  // Null: none.
  Instant now;                              // To read a Retry-After date.
};

// 429, 502, 503 and 504 (RESOURCE_EXHAUSTED) say that the participant, or the proxy before it,
// takes no more for now; unless the definition reads them as something else, and then they are the
// service's ordinary words. One that can not tell who calls counts as away. A failure of this
// machine's tells nothing.
[[nodiscard]] CallEnd EndOf(const net::HttpOutcome& outcome, const CallTerms& terms);
[[nodiscard]] CallEnd EndOf(const net::GrpcOutcome& outcome, const CallTerms& terms);

}  // namespace entente::participants
