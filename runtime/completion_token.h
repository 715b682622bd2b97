// Completion tokens: the right to complete one pending operation, once, from anywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/branch.h"
#include "runtime/digest.h"

namespace entente::runtime {

// Makes and reads tokens with one secret key, kept in the store so that a token outlives restarts.
// A token names its command and proves it with a MAC: unguessable, bound to (gid, branch, role,
// alternative), and nothing has to be looked up to read it. Immutable; thread-safe.
class CompletionTokens {
 public:
  explicit CompletionTokens(std::string_view secret) : mac_(secret) {}

  // URL-safe text: what travels as `Entente-Completion-Token`.
  [[nodiscard]] std::string Make(const engine::CommandId& command) const;

  // The command a token stands for, or nothing if it is not one of ours.
  [[nodiscard]] std::optional<engine::CommandId> Read(std::string_view token) const;

 private:
  Hmac mac_;
};

// What whoever sends a token that is not one of ours is told.
[[nodiscard]] Status UnknownCompletionToken();

}  // namespace entente::runtime
