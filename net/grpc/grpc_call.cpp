#include "net/grpc/grpc_call.h"

#include <algorithm>

#include <google/protobuf/message.h>
#include <grpc/support/time.h>

#include "marks/crash_marks.h"
#include "net/core/local_exhaustion.h"
#include "net/grpc/proto_guard.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::Message;

gpr_timespec ToGrpcDeadline(Deadline::Clock::time_point at) {
  const auto left =
      std::chrono::duration_cast<std::chrono::microseconds>(at - Deadline::Clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_micros(std::max<int64_t>(0, left.count()), GPR_TIMESPAN));
}

void AddMetadata(HttpHeaders& to, const std::multimap<grpc::string_ref, grpc::string_ref>& from) {
  for (const auto& [name, value] : from) {
    to.Add({name.data(), name.size()}, {value.data(), value.size()});
  }
}

// Whether gRPC refused the answer for its size, before this program saw it.
bool RefusedForSize(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
         status.error_message().find("Received message larger than max") != std::string::npos;
}

// Readies a scratch message for the next use. Its objects stay in it, for speed, unless they took
// much memory this time.
void Recycle(std::unique_ptr<Message>& scratch, size_t memory_left) {
  constexpr size_t kMemoryToKeep = size_t{1} << 20;
  if (limits::kMaxMessageMemoryBytes - memory_left > kMemoryToKeep) {
    scratch.reset(scratch->New());
  } else {
    scratch->Clear();
  }
}

// The request's bytes.
Result<grpc::Slice> Encode(const Json& body, GrpcShapes& shapes, GrpcMethodShape& shape,
                           size_t max_bytes) {
  JsonReading reading{shapes.fields()};
  const Status filled = MessageFromJson(body, *shape.input, reading);
  const size_t size = filled.ok() ? shape.input->ByteSizeLong() : 0;
  if (size > max_bytes || !filled.ok()) {
    Recycle(shape.input, reading.memory);
    return filled.ok() ? ResourceExhausted("request.too_large",
                                           "the request message has " + std::to_string(size) +
                                               " bytes; the limit is " + std::to_string(max_bytes))
                       : filled;
  }
  grpc::Slice slice(size);
  // The slice is this function's own until it is handed over.
  shape.input->SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  Recycle(shape.input, reading.memory);
  return slice;
}

Result<Json> Decode(std::string_view bytes, GrpcMethodShape& shape, size_t max_bytes) {
  size_t memory = limits::kMaxMessageMemoryBytes;
  const Status parsed = ParseMessage(bytes, *shape.output, memory);
  Result<Json> body =
      parsed.ok() ? MessageToJson(*shape.output, JsonBudget{max_bytes, limits::kMaxJsonDepth})
                  : Result<Json>(parsed);
  Recycle(shape.output, memory);
  return body;
}

}  // namespace

// A participant that passes on the status of a call it made itself sends this very code and text,
// so neither proves anything. gRPC's own account of the error can not be sent: it opens with the
// text where gRPC gave up, and with "Error received from peer" where a server answered.
bool NeverConnected(const grpc::ClientContext& context, const grpc::Status& status) {
  if (status.error_code() != grpc::StatusCode::UNAVAILABLE) {
    return false;
  }
  const std::string account = context.debug_error_string();
  return account.starts_with("UNKNOWN:failed to connect to all addresses") &&
         account.find("Error received from peer") == std::string::npos;
}

bool FailedLocally(const grpc::ClientContext& context) {
  return SaysLocalExhaustion(context.debug_error_string()) || NoDescriptorLeft();
}

bool GrpcCall::NeverConnected() const {
  return net::NeverConnected(context_, status_);
}

Status GrpcCall::Run(grpc::GenericStub& stub, grpc::CompletionQueue& queue,
                     std::shared_ptr<GrpcShapes> shapes, GrpcMethodShape& shape) {
  const marks::WorkScope scope(request.subject);
  // Left half-filled by an exception, perhaps.
  shape.input->Clear();
  ENTENTE_ASSIGN_OR_RETURN(const grpc::Slice slice, GuardProtobuf([&] {
                             return Encode(request.body, *shapes, shape, max_request_bytes_);
                           }));
  const grpc::ByteBuffer message(&slice, 1);
  if (request.seal) {
    request.seal({reinterpret_cast<const char*>(slice.begin()), slice.size()}, request.metadata);
  }
  for (size_t i = 0; i < request.metadata.size(); ++i) {
    context_.AddMetadata(std::string(request.metadata.name(i)),
                         std::string(request.metadata.value(i)));
  }
  context_.set_deadline(ToGrpcDeadline(time_limit));
  shapes_ = std::move(shapes);
  shape_ = &shape;
  running_ = true;
  CancelDeadline();  // gRPC watches it from here on.
  request.body = nullptr;
  reader_ = stub.PrepareUnaryCall(&context_, request.method, message, &queue);
  intrusive_ptr_add_ref(this);  // Given back in OnEvent.
  reader_->StartCall();
  reader_->Finish(&answer_, &status_, static_cast<GrpcEvent*>(this));
  return Status();
}

void GrpcCall::OnEvent(bool /*ok*/) {
  const boost::intrusive_ptr<GrpcCall> self(this, false);
  running_ = false;
  if (finished()) {
    return;
  }
  if (on_status != nullptr) {
    on_status(client, *this, status_);
  }
  Finish(TakeOutcome());
}

void GrpcCall::OnDeadline() {
  Finish(Error(CallFailure::kNotSent, "call.timeout",
               "neither connection nor descriptors were there in time; it was not sent",
               CallFault::kTimeLimit));
}

void GrpcCall::Finish(GrpcOutcome outcome) {
  if (finished()) {
    return;
  }
  const boost::intrusive_ptr<GrpcCall> self(this);
  GrpcClient::Done done = std::move(done_);
  CancelDeadline();
  WaitingHook::unlink();
  if (CallHook::is_linked()) {
    CallHook::unlink();
    intrusive_ptr_release(this);
  }
  if (running_) {
    context_.TryCancel();
  }
  done(std::move(outcome));
}

GrpcOutcome GrpcCall::TakeOutcome() {
  if (status_.ok()) {
    return TakeAnswer();
  }
  if (NeverConnected()) {
    if (FailedLocally(context_)) {
      return Error(CallFailure::kNotSent, std::string(kLocalExhaustion),
                   LocalExhaustionText(status_.error_message()), CallFault::kLocal);
    }
    return Error(CallFailure::kNotSent, "connect.failed", status_.error_message());
  }
  if (RefusedForSize(status_)) {
    return Error(CallFailure::kBadResponse, "response.too_large", status_.error_message());
  }
  GrpcResponse response;
  response.code = static_cast<int>(status_.error_code());
  response.message = status_.error_message();
  response.metadata = TakeMetadata();
  return response;
}

GrpcOutcome GrpcCall::TakeAnswer() {
  if (answer_.Length() > max_message_bytes_) {
    return Error(CallFailure::kBadResponse, "response.too_large",
                 "its answer has " + std::to_string(answer_.Length()) + " bytes; the limit is " +
                     std::to_string(max_message_bytes_));
  }
  const marks::WorkScope scope(request.subject);
  grpc::Slice slice;
  if (!answer_.DumpToSingleSlice(&slice).ok()) {
    return Error(CallFailure::kBadResponse, "response.malformed", "its answer can not be read");
  }
  const std::string_view bytes(reinterpret_cast<const char*>(slice.begin()), slice.size());
  shape_->output->Clear();  // As for the request.
  auto body = GuardProtobuf([&] { return Decode(bytes, *shape_, max_message_bytes_); });
  if (!body.ok()) {
    const bool too_large = body.status().reason() == "proto.too_large";
    return Error(CallFailure::kBadResponse, too_large ? "response.too_large" : "response.malformed",
                 body.status().message());
  }
  GrpcResponse response;
  response.body = std::move(body).value();
  response.metadata = TakeMetadata();
  return response;
}

HttpHeaders GrpcCall::TakeMetadata() const {
  HttpHeaders metadata;
  AddMetadata(metadata, context_.GetServerInitialMetadata());
  AddMetadata(metadata, context_.GetServerTrailingMetadata());
  return metadata;
}

}  // namespace entente::net
