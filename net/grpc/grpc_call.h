// One call in the gRPC client. Internal to net.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <boost/intrusive/list.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include "net/core/deadlines.h"
#include "net/grpc/grpc_client.h"
#include "net/grpc/grpc_events.h"
#include "net/grpc/grpc_shapes.h"

namespace entente::net {

using WaitingHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct WaitingTag>>;
using CallHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>,
                                     boost::intrusive::tag<struct CallTag>>;

struct GrpcChannel;

// Waits for its channel and its descriptors, then runs. Counted, not atomically: the list of calls,
// the operation under way and a posted failure each hold it, and any of them may be the last.
class GrpcCall final : public GrpcEvent,
                       public Deadline,
                       public WaitingHook,
                       public CallHook,
                       public boost::intrusive_ref_counter<GrpcCall, boost::thread_unsafe_counter> {
 public:
  GrpcCall(GrpcRequest its_request, Clock::time_point its_time_limit,
           const GrpcClientOptions& options, GrpcClient::Done done)
      : request(std::move(its_request)),
        time_limit(its_time_limit),
        max_message_bytes_(options.max_message_bytes),
        max_request_bytes_(options.max_request_bytes),
        done_(std::move(done)) {}

  // Converts the body and starts the call. Fails with what MessageFromJson says, or
  // resource_exhausted if the message is too large; nothing was sent then.
  [[nodiscard]] Status Run(grpc::GenericStub& stub, grpc::CompletionQueue& queue,
                           std::shared_ptr<GrpcShapes> shapes, GrpcMethodShape& shape);

  // Ends the call, once; later ends are ignored. If it runs, it is cancelled.
  void Finish(GrpcOutcome outcome);
  [[nodiscard]] bool finished() const { return !done_; }
  [[nodiscard]] bool running() const { return running_; }

  // How an error names what was called.
  [[nodiscard]] std::string Name() const {
    return "grpc://" + request.connect_to.value_or(request.target).HostField() + request.method;
  }
  [[nodiscard]] CallError Error(CallFailure failure, std::string reason, const std::string& why,
                                CallFault fault = CallFault::kPeer) const {
    return CallError{failure, std::move(reason), Name() + ": " + why, fault};
  }

  GrpcRequest request;
  std::string service;  // Of request.method.
  std::string method;
  Clock::time_point time_limit;
  std::shared_ptr<GrpcChannel> channel;  // Shared with the client, which may replace it meanwhile.

  // As the function below, of a call that has its status.
  [[nodiscard]] bool NeverConnected() const;

  // Told of each status a call that ran ended with. Null once the client has ended.
  void (*on_status)(void* client, GrpcCall& call, const grpc::Status& status) = nullptr;
  void* client = nullptr;

 private:
  void OnEvent(bool ok) override;
  void OnDeadline() override;
  [[nodiscard]] GrpcOutcome TakeOutcome();
  [[nodiscard]] GrpcOutcome TakeAnswer();
  [[nodiscard]] HttpHeaders TakeMetadata() const;

  size_t max_message_bytes_;
  size_t max_request_bytes_;
  GrpcClient::Done done_;
  bool running_ = false;
  std::shared_ptr<GrpcShapes> shapes_;
  GrpcMethodShape* shape_ = nullptr;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
};

// Of a call that ended: whether gRPC itself gave up for want of a connection, so that nothing was
// sent. False when in doubt.
[[nodiscard]] bool NeverConnected(const grpc::ClientContext& context, const grpc::Status& status);

// Of a call that never connected: whether that was for want of something on this machine. gRPC says
// so only in its text.
[[nodiscard]] bool FailedLocally(const grpc::ClientContext& context);

}  // namespace entente::net
