// Asks a server for its descriptors (grpc.reflection). Internal to net.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "net/grpc/grpc_events.h"
#include "net/grpc/grpc_shapes.h"

namespace entente::net {

struct ReflectionResult {
  std::vector<google::protobuf::FileDescriptorProto> files;
  // Set on failure; then `definite` says whether the server itself answered that it can not tell,
  // as opposed to not having been reached, or not to the end.
  std::string error;
  bool definite = false;
  bool unreachable = false;     // No connection could be made...
  bool failed_locally = false;  // ... for want of something on this machine.
};

// One conversation with a server's reflection service: the file that defines `service`, then
// imports that did not come along. Its messages are read and written field by field: their
// generated classes would clash with those of grpc++_reflection where a program links both.
//
// Makes itself; ends itself after calling `done`, which happens once, on the io thread, unless it
// is abandoned before.
class ReflectionQuery final : public GrpcEvent {
 public:
  using Done = UniqueFunction<void(ReflectionResult)>;

  // Asks grpc.reflection.v1alpha, which nearly all servers have, or v1 if `use_v1`.
  static ReflectionQuery* Start(grpc::GenericStub& stub, GrpcEvents& events, std::string service,
                                Duration timeout, bool use_v1, Done done);

  // `done` will not be called. The object ends itself when gRPC lets go of it.
  void Abandon();

 private:
  enum class Step { kStarting, kWriting, kReading, kFinishing };

  ReflectionQuery(std::string service, Done done)
      : service_(std::move(service)), done_(std::move(done)) {}

  void OnEvent(bool ok) override;
  void Ask(uint32_t field, const std::string& text);
  void TakeAnswer();
  // Adds the files of one answer to the result.
  [[nodiscard]] Status ReadAnswer(const std::string& bytes);
  void AskNext();
  void Finish();
  void End(std::string error, bool definite);

  std::string service_;
  Done done_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  Step step_ = Step::kStarting;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  ReflectionResult result_;
  std::vector<std::string> to_ask_;
  std::unordered_set<std::string> asked_;  // Files received or asked for.
  size_t received_bytes_ = 0;
  size_t memory_ = limits::kMaxMessageMemoryBytes;  // What the files may still take.
};

}  // namespace entente::net
