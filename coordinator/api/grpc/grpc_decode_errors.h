// What a client is told whose bytes are not the message that its method takes. Internal to api.
#pragma once

#include <memory>
#include <vector>

#include <grpcpp/support/server_interceptor.h>

namespace entente::api {

// gRPC answers such a call with UNIMPLEMENTED and no text, as if there were no such method; these
// make INVALID_ARGUMENT of it, reason request.not_protobuf.
[[nodiscard]] std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
DecodeErrorInterceptors();

}  // namespace entente::api
