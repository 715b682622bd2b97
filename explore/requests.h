// What a call says, and what it asks a participant to do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "dsl/plan.h"
#include "engine/effect.h"

namespace entente::explore {

struct RequestFacts {
  std::optional<size_t> participant;  // Absent: a child transaction.
  std::string method;                 // "PUT", "Reserve", or "transaction".
  std::string target;                 // Path and query; of others what they are given.
  bool rest = false;                  // HTTP.
  bool acts = true;        // It changes something: it is no GET, and no rpc named as one.
  bool names_key = false;  // The key of the call it belongs to stands in it.
};

// Of a CallBranch or StartChild; nothing of other effects.
[[nodiscard]] std::optional<RequestFacts> ReadRequest(const engine::Effect& effect);

// Whether the undo of the step's n-th way reads the key, the transaction's name, or what the call
// answered.
[[nodiscard]] bool UndoReadsIdentity(const dsl::Step& step, uint32_t alternative);

// Statuses that are read as a refusal although the call may have happened, and as a success
// although it may not. The first of them in words ("500", "UNKNOWN"), or nothing.
[[nodiscard]] std::optional<std::string> UnprovenRefusal(const dsl::Participant& participant,
                                                         const dsl::AnswerRules& rules);
[[nodiscard]] std::optional<std::string> UnprovenSuccess(const dsl::Participant& participant,
                                                         const dsl::AnswerRules& rules);
// Whether "there is no such thing" counts as done.
[[nodiscard]] bool TakesNotFound(const dsl::Participant& participant,
                                 const dsl::AnswerRules& rules);

}  // namespace entente::explore
