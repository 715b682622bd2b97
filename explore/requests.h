// What a call says, and what it asks a participant to do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
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
// answered; also by a value with a name.
[[nodiscard]] bool UndoReadsIdentity(const dsl::Plan& plan, const dsl::Step& step,
                                     uint32_t alternative);

// What the answer to a call says beside its body, as far as some expression reads it: made up. An
// object, empty if none does.
[[nodiscard]] Json AnswerOf(const dsl::AnswerRules& rules);
[[nodiscard]] Json AnswerOf(const dsl::Step& step);

// The codes that the step's n-th way may be refused with, so that each alternative after it that is
// there for some follows one of them, and one that leads to none of these.
struct Refusals {
  std::string other;
  std::vector<std::string> codes;
};
[[nodiscard]] Refusals RefusalsOf(const dsl::Plan& plan, const dsl::CallWork& work,
                                  uint32_t alternative);

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
