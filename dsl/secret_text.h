// SecretText: a header's value of which parts are known only where it is sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace entente::dsl {

// "Bearer ${secret.PAYMENTS}": literal text and names of secrets, never their values. A value type.
struct SecretText {
  struct Part {
    std::string text;  // Literal, or the secret's name.
    bool secret = false;
  };
  std::vector<Part> parts;
};

// Whether `text` refers to a secret anywhere.
[[nodiscard]] bool NamesSecret(std::string_view text);

// kInvalidArgument, reason secret.syntax, whose message says what is wrong: an expression that is
// not "secret.NAME" alone, or a name that is no identifier of at most limits::kMaxNameBytes.
[[nodiscard]] Result<SecretText> ParseSecretText(std::string_view text);

}  // namespace entente::dsl
