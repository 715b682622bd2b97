#include "entente/participant_grpc.h"

#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/status.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include "entente/participant/v1/participant.grpc.pb.h"
#include "participant-sdk/src/grpc/proto_value.h"

namespace entente::sdk {
namespace {

namespace v1 = participant::v1;
using google::protobuf::Value;

// Shown to people; a status message is a header and should stay small.
constexpr size_t kMaxMessageBytes = limits::kMaxErrorTextBytes;

grpc::Status Failed(grpc::StatusCode code, const std::string& reason, const std::string& message) {
  return {code, (reason + ": " + message).substr(0, kMaxMessageBytes)};
}

std::string FindMetadata(const grpc::ServerContext& context, std::string_view name) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(grpc::string_ref(name.data(), name.size()));
  return found == metadata.end() ? std::string()
                                 : std::string(found->second.data(), found->second.size());
}

struct AnswerWriter {
  Outcome::Fault fault;
  grpc::ServerContext& context;
  Value& value;

  grpc::Status operator()(const DoneAnswer& done) const {
    if (done.expires) {
      context.AddInitialMetadata("entente-expires", FormatInstant(*done.expires));
    }
    const Status written = ToProtoValue(done.output, kMaxGrpcDepth, value);
    return written.ok() ? grpc::Status::OK
                        : Failed(grpc::StatusCode::UNKNOWN, written.reason(), written.message());
  }

  grpc::Status operator()(const RefusedAnswer& refused) const {
    const grpc::StatusCode code =
        fault == Outcome::Fault::kBadRequest ? grpc::StatusCode::INVALID_ARGUMENT
        : fault == Outcome::Fault::kNotFound ? grpc::StatusCode::NOT_FOUND
                                             : grpc::StatusCode::FAILED_PRECONDITION;
    return Failed(code, refused.code, refused.message);
  }

  // There is no address to poll over gRPC; only the token tells the outcome.
  grpc::Status operator()(const PendingAnswer&) const {
    value.set_null_value(google::protobuf::NULL_VALUE);
    const std::string token = FindMetadata(context, "entente-completion-token");
    if (token.empty()) {
      return Failed(grpc::StatusCode::UNKNOWN, "handler.bad_answer",
                    "a pending operation is completed by its token, and the call brought none");
    }
    context.AddInitialMetadata("entente-pending", token);
    return grpc::Status::OK;
  }

  // UNAVAILABLE would say that the service can not be reached, and count against it;
  // RESOURCE_EXHAUSTED holds up every call of the service.
  grpc::Status operator()(const RetryAnswer& retry) const {
    if (retry.after > Duration::zero()) {
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry.after).count();
      context.AddTrailingMetadata("retry-after", std::to_string(seconds));
    }
    const grpc::StatusCode code = fault == Outcome::Fault::kHandler ? grpc::StatusCode::INTERNAL
                                  : retry.scope == RetryScope::kService
                                      ? grpc::StatusCode::RESOURCE_EXHAUSTED
                                      : grpc::StatusCode::UNKNOWN;
    return Failed(code, retry.code, retry.message);
  }

  grpc::Status operator()(const ReadOnlyAnswer&) const {
    (*value.mutable_struct_value()->mutable_fields())["vote"].set_string_value("read-only");
    context.AddInitialMetadata("entente-vote", "read-only");
    return grpc::Status::OK;
  }

  grpc::Status operator()(const HeuristicAnswer& heuristic) const {
    const std::string name(HeuristicName(heuristic.outcome));
    context.AddTrailingMetadata("entente-heuristic", name);
    return Failed(grpc::StatusCode::ABORTED, "heuristic." + name, heuristic.message);
  }
};

struct Method {
  const char* name;
  Operation operation;
};
// The names are those of the schema.
constexpr std::array kMethods{
    Method{"/entente.participant.v1.Participant/Action", Operation::kAction},
    Method{"/entente.participant.v1.Participant/Compensate", Operation::kCompensate},
    Method{"/entente.participant.v1.Participant/Try", Operation::kTry},
    Method{"/entente.participant.v1.Participant/Confirm", Operation::kConfirm},
    Method{"/entente.participant.v1.Participant/Cancel", Operation::kCancel},
    Method{"/entente.participant.v1.Participant/Prepare", Operation::kPrepare},
    Method{"/entente.participant.v1.Participant/Commit", Operation::kCommit},
    Method{"/entente.participant.v1.Participant/Rollback", Operation::kRollback},
};

CallVerifier::Metadata MetadataOf(const grpc::ServerContext& context) {
  CallVerifier::Metadata metadata;
  for (const auto& [name, value] : context.client_metadata()) {
    metadata.emplace_back(std::string(name.data(), name.size()),
                          std::string(value.data(), value.size()));
  }
  return metadata;
}

// Takes the messages as bytes, which is what a signature covers: a message that was parsed and
// written again may be other bytes.
class Service final : public grpc::Service {
 public:
  Service(const Participant& participant, size_t max_forward)
      : participant_(participant), max_forward_(max_forward) {
    using Handler = grpc::internal::RpcMethodHandler<Service, grpc::ByteBuffer, grpc::ByteBuffer>;
    for (const Method& method : kMethods) {
      AddMethod(new grpc::internal::RpcServiceMethod(
          method.name, grpc::internal::RpcMethod::NORMAL_RPC,
          new Handler(
              [&method](Service* service, grpc::ServerContext* context,
                        const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
                return service->Serve(method, *context, *request, *response);
              },
              this)));
    }
  }

 private:
  grpc::Status Serve(const Method& method, grpc::ServerContext& context,
                     const grpc::ByteBuffer& message, grpc::ByteBuffer& answer) {
    grpc::Slice slice;
    if (!message.DumpToSingleSlice(&slice).ok()) {
      return Failed(grpc::StatusCode::INTERNAL, "call.unreadable", "the message can not be read");
    }
    const std::string_view bytes(reinterpret_cast<const char*>(slice.begin()), slice.size());
    if (const CallVerifier* verifier = participant_.verifier()) {
      const Status verified = verifier->VerifyGrpc(method.name, MetadataOf(context), bytes);
      if (!verified.ok()) {
        context.AddTrailingMetadata("entente-unverified", verified.reason());
        return Failed(grpc::StatusCode::UNKNOWN, verified.reason(), verified.message());
      }
    }
    v1::Request request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return Failed(grpc::StatusCode::INTERNAL, "call.unreadable",
                    "the message is no entente.participant.v1.Request");
    }
    Value value;
    const grpc::Status status = Serve(method.operation, context, request, value);
    bool own = false;
    return status.ok() ? grpc::SerializationTraits<Value>::Serialize(value, &answer, &own) : status;
  }

  grpc::Status Serve(Operation operation, grpc::ServerContext& context, const v1::Request& request,
                     Value& response) {
    Result<Json> input =
        FromProtoValue(request.input(), static_cast<int>(limits::kUndoJson.max_depth));
    if (!input.ok()) {
      return Failed(grpc::StatusCode::INVALID_ARGUMENT, input.status().reason(),
                    input.status().message());
    }
    // What waited for a thread until its caller gave up: another call, or an undo, follows.
    if (context.IsCancelled() || context.deadline() < std::chrono::system_clock::now()) {
      return {grpc::StatusCode::CANCELLED, "call.too_late: nobody waits for the answer any more"};
    }
    const Turn turn(PurposeOf(operation) == Purpose::kForward ? &running_forward_ : nullptr);
    if (max_forward_ > 0 && turn.number > max_forward_) {
      return AnswerWriter{Outcome::Fault::kNone, context,
                          response}(RetryAnswer{"server.busy", "as many calls as may are under way",
                                                std::chrono::seconds(1), RetryScope::kCall});
    }
    const Outcome outcome = participant_.Dispatch(
        request.handler(), operation,
        [&context](std::string_view name) { return FindMetadata(context, name); },
        std::move(input).value());
    return std::visit(AnswerWriter{outcome.fault, context, response}, outcome.answer);
  }

  // Counts a call as long as it lives, if `count` is there.
  struct Turn {
    explicit Turn(std::atomic<size_t>* counted)
        : count(counted), number(counted == nullptr ? 0 : counted->fetch_add(1) + 1) {}
    ~Turn() {
      if (count != nullptr) {
        count->fetch_sub(1);
      }
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    std::atomic<size_t>* const count;
    const size_t number;
  };

  const Participant& participant_;
  const size_t max_forward_;
  std::atomic<size_t> running_forward_{0};
};

}  // namespace

std::shared_ptr<grpc::Service> MakeGrpcService(const Participant& participant, size_t max_forward) {
  return std::make_shared<Service>(participant, max_forward);
}

}  // namespace entente::sdk
