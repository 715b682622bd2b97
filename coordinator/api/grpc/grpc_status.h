// A failure as gRPC says it. Internal to api.
#pragma once

#include <grpcpp/support/status.h>

#include "coordinator/api/problem.h"

namespace entente::api {

// With a serialized entente.v1.ErrorStatus as its details, cut to what clients accept as metadata.
[[nodiscard]] grpc::Status ToGrpcStatus(const Error& error);

}  // namespace entente::api
