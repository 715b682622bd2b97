// Numbers that JSON does not have. Internal to api.
#pragma once

#include <optional>

#include <google/protobuf/message.h>

#include "coordinator/api/problem.h"

namespace entente::api {

// Refuses a request one of whose google.protobuf.Value fields holds NaN or Infinity, naming the
// field. They would have to become null otherwise, which is another value.
[[nodiscard]] std::optional<Error> CheckNumbers(const google::protobuf::Message& request);

}  // namespace entente::api
