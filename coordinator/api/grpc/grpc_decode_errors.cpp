#include "coordinator/api/grpc/grpc_decode_errors.h"

#include "coordinator/api/grpc/grpc_status.h"

namespace entente::api {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

const grpc::Status& NotProtobuf() {
  static const grpc::Status kStatus = ToGrpcStatus(
      {InvalidArgument("request.not_protobuf",
                       "the request's bytes are not a message of this method's type: is the client "
                       "made from another version of coordinator.proto?"),
       {},
       {}});
  return kStatus;
}

// Of one call that brings one message.
class Interceptor final : public grpc::experimental::Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      undecoded_ = methods->GetRecvMessage() == nullptr;
    }
    if (undecoded_ &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      methods->ModifySendStatus(NotProtobuf());
    }
    methods->Proceed();
  }

 private:
  bool undecoded_ = false;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    const bool one_message = info->type() == ServerRpcInfo::Type::UNARY ||
                             info->type() == ServerRpcInfo::Type::SERVER_STREAMING;
    return one_message ? new Interceptor : nullptr;
  }
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
DecodeErrorInterceptors() {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<Factory>());
  return factories;
}

}  // namespace entente::api
