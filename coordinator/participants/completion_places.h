// What a call hands on so that somebody can complete it: its token, and the address to send to.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "dsl/plan.h"
#include "engine/effect.h"

namespace entente::participants {

// How a call is completed. Both are safe in JSON and in headers as they are.
struct CompletionPlace {
  std::string token;
  std::string url;  // Empty: this coordinator was not told where it is reached.
};

// "<public_url>/v1/callbacks/<token>"; empty if the former is.
[[nodiscard]] std::string CompletionUrl(std::string_view public_url, std::string_view token);

// Whether the request names the address. Of one that does not, an empty one does no harm.
[[nodiscard]] bool NamesUrl(const engine::CallBranch& call);

// Puts both where the engine left their places: in a path and in the body of a form
// percent-encoded, as any value is there.
void PutPlaces(const CompletionPlace& place, const dsl::Participant& participant,
               engine::RenderedHttp& request);
// In every text of a message.
void PutPlaces(const CompletionPlace& place, Json& message);

}  // namespace entente::participants
