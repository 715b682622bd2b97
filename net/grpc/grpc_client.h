// Calls any unary method of any gRPC service, with JSON in and out.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"
#include "base/unique_function.h"
#include "net/core/address_policy.h"
#include "net/core/call_error.h"
#include "net/core/http_headers.h"
#include "net/core/tls.h"

namespace boost::asio {
class io_context;
}

namespace entente::net {

class GrpcShapes;

// The message types of `descriptor_set` (a serialized google.protobuf.FileDescriptorSet, imports
// included: `protoc --include_imports --descriptor_set_out`). Fails with kInvalidArgument, reason
// descriptor_set.invalid, saying what is wrong with it.
[[nodiscard]] Result<std::shared_ptr<GrpcShapes>> ReadDescriptorSet(
    std::string_view descriptor_set);

// A descriptor set for the requests of a client, which makes types of it once for all that have the
// same digest.
struct GivenDescriptors {
  std::string digest;                        // Of a kind that no two sets share.
  std::shared_ptr<const std::string> bytes;  // Never null.
};

// The unary methods of the services that the set describes, each as "package.Service/Method". Fails
// as ReadDescriptorSet. Safe from any thread.
[[nodiscard]] Result<std::vector<std::string>> UnaryMethods(std::string_view descriptor_set);

// Keeps Protobuf from writing to the error output of the process, which data from outside can make
// it do as often as it likes; what it would say is in the failures. For main functions.
void SilenceProtobuf();

struct GrpcRequest {
  Origin target;         // ParseAuthority reads "host:port".
  std::string method;    // "/package.Service/Method".
  Json body;             // The request message in the proto3 JSON mapping.
  HttpHeaders metadata;  // Lower-case names; "-bin" names carry raw bytes.
  // What the target's messages look like; null: its reflection service tells.
  std::shared_ptr<const GivenDescriptors> descriptors = nullptr;
  std::string subject = {};  // What is named should its message be one that ends the process.
  // May add metadata that depend on the bytes that are sent: called with the serialized message,
  // when it is about to be sent. Nobody checks what it adds: lower-case names and printable ASCII.
  // Null: nothing depends on them.
  std::function<void(std::string_view message, HttpHeaders& metadata)> seal = nullptr;
  // Whose host and port are connected to, in place of those of `target`, which stay the authority
  // and what the certificate says; nothing: the same.
  std::optional<Origin> connect_to = std::nullopt;
};

// The codes of google.rpc.Code, which gRPC fixes for ever.
inline constexpr int kGrpcOk = 0;
inline constexpr int kGrpcDeadlineExceeded = 4;
inline constexpr int kGrpcResourceExhausted = 8;
inline constexpr int kGrpcUnimplemented = 12;
inline constexpr int kGrpcUnavailable = 14;

struct GrpcResponse {
  int code = kGrpcOk;
  std::string message;   // The status message; empty when ok.
  Json body;             // The response message; null unless ok.
  HttpHeaders metadata;  // Initial metadata, then trailing.
};

// Every status the call ended with is a GrpcResponse, also those gRPC makes up itself when a
// connection breaks (UNAVAILABLE) or time runs out (DEADLINE_EXCEEDED), which mean that the outcome
// is unknown. A CallError is a failure before that (kInvalidRequest: the body does not fit the
// message, or no such method; kNotSent: no connection, no descriptors) or an answer that can not be
// used (kBadResponse).
using GrpcOutcome = std::variant<GrpcResponse, CallError>;

struct GrpcClientOptions {
  // As bytes on the wire.
  size_t max_message_bytes = limits::kMaxPayloadBytes;  // Received.
  size_t max_request_bytes = limits::kMaxUndoBytes;
  // For one service's descriptors; calls that wait for them keep their own time as well.
  Duration reflection_timeout = std::chrono::seconds(5);
  // Of the message types made of descriptor sets and of what reflection tells. Those that no call
  // uses are made again when they are wanted again; a call for whose types there is no room fails,
  // not sent, as one that this machine lacks memory for.
  size_t max_type_bytes = limits::kMaxMessageTypeBytes;
  // What they take, added up over all clients that have the same counter. May be null.
  std::shared_ptr<std::atomic<size_t>> type_bytes = nullptr;
  TlsClientOptions tls;
  // Changes with those files: when it gives another context, what is called from then on goes over
  // connections that are made by the files as they are then. Empty: they are taken to stay.
  TlsSource tls_changes;
  AddressPolicy policy;
  // For tests: what a host name leads to, in place of the system's resolver. Null: that one.
  std::function<std::vector<std::string>(const std::string& host)> addresses_of;
};

// Purpose: one worker's gRPC caller. The messages' shapes come with the request, from a descriptor
// set that was given for its target, else from the server's own reflection service, asked once per
// service and again when a method is missing. The JSON is the proto3 mapping with lowerCamelCase
// names (original names are accepted); a field that the message does not have is an error, not
// ignored. In answers fields without presence are always there, also with their default value, so
// that expressions can read them.
//
// Ownership: `io` must outlive the client. Thread-safety: everything on the thread that runs `io`;
// gRPC's own work is done on one thread of the client's, which posts to `io`. Blocking: only the
// destructor, for that thread's end.
class GrpcClient {
 public:
  using Done = UniqueFunction<void(GrpcOutcome)>;

  GrpcClient(boost::asio::io_context& io, GrpcClientOptions options);
  // As CancelAll.
  ~GrpcClient();
  GrpcClient(const GrpcClient&) = delete;
  GrpcClient& operator=(const GrpcClient&) = delete;

  // Calls the method and `done` exactly once, on the io thread: from inside CancelAll or the
  // destructor, else never from inside this call. `timeout` bounds the whole call, reflection
  // included.
  void Call(GrpcRequest request, Duration timeout, Done done);

  // Ends every call with reason call.cancelled. The client stays usable.
  void CancelAll();

  [[nodiscard]] size_t calls_in_flight() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::net
