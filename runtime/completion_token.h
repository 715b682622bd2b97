// Completion tokens: the right to complete one pending operation, once, from anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/core/branch.h"
#include "runtime/digest.h"

namespace entente::runtime {

// What a token stands for.
struct CompletionRight : engine::CommandId {
  uint32_t run = 0;  // As engine::CallBranch has it, of the call that it came with.
};

// Makes and reads tokens with one secret key, kept in the store so that a token outlives restarts.
// A token names its command, and the run that it goes with, and proves it with a MAC:
// unguessable, bound to (gid, branch, role, alternative), and nothing has to be looked up to read
// it. Immutable; thread-safe.
class CompletionTokens {
 public:
  explicit CompletionTokens(std::string_view secret) : mac_(secret) {}

  // URL-safe text: what travels as `Entente-Completion-Token`. `run` as CompletionRight has it.
  [[nodiscard]] std::string Make(const engine::CommandId& command, uint32_t run) const;

  // Nothing if it is not one of ours.
  [[nodiscard]] std::optional<CompletionRight> Read(std::string_view token) const;

 private:
  Hmac mac_;
};

// What whoever sends a token that is not one of ours is told.
[[nodiscard]] Status UnknownCompletionToken();

}  // namespace entente::runtime
