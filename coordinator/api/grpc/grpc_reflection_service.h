// ReflectionService: tells gRPC clients what entente.v1.Coordinator looks like. Internal to api.
#pragma once

#include <string>
#include <string_view>

#include <grpcpp/generic/async_generic_service.h>

namespace entente::api {

// The answer to one message of grpc.reflection.v1alpha.ServerReflection, whose v1 has the same
// messages. They are read and written field by field, as in net/grpc/grpc_reflection.h.
[[nodiscard]] std::string AnswerReflection(std::string_view request);

// Takes every method that no other service has: UNIMPLEMENTED but for those of reflection.
class ReflectionService final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;
};

}  // namespace entente::api
