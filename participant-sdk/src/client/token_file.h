// The bearer token that a client shows, kept in a file.
#pragma once

#include <string>

#include "base/status.h"

namespace entente::sdk {

// The file that `chosen` names, or else ENTENTE_TOKEN_FILE; empty: there is none.
[[nodiscard]] std::string TokenFile(const std::string& chosen);

// The token in `file`, which holds nothing else but white space around it. Fails with
// kInvalidArgument (client.bad_token_file); its message never holds what was read.
[[nodiscard]] Result<std::string> ReadToken(const std::string& file);

}  // namespace entente::sdk
