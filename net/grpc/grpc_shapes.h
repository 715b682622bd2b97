// The message types of gRPC services, made from descriptors at run time. Internal to net.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include "base/status.h"
#include "net/grpc/proto_fields.h"

namespace entente::net {

// One method's messages, built once. The scratch messages are used for each call in turn: their
// memory is warm, and a call uses them only within one function.
struct GrpcMethodShape {
  bool unary = false;
  std::unique_ptr<google::protobuf::Message> input;
  std::unique_ptr<google::protobuf::Message> output;
};

// The types of a set of files. Single-threaded. Held by shared pointer because calls in flight
// still need the types they began with when a service's descriptors are fetched again.
class GrpcShapes {
 public:
  // From files that include everything they import, in any order; the files of Protobuf itself may
  // be missing. They come from whoever writes definitions or answers as a participant, so nothing
  // is taken on trust. Fails with kInvalidArgument, reason descriptor_set.invalid, naming the file
  // and why.
  [[nodiscard]] static Result<std::shared_ptr<GrpcShapes>> Make(
      std::vector<google::protobuf::FileDescriptorProto> files);
  ~GrpcShapes();
  GrpcShapes(const GrpcShapes&) = delete;
  GrpcShapes& operator=(const GrpcShapes&) = delete;

  // The full names of the services defined.
  [[nodiscard]] const std::vector<std::string>& services() const { return services_; }

  // "package.Service/Method" of every unary method.
  [[nodiscard]] std::vector<std::string> UnaryMethods() const;

  // Null if there is no such method. Valid as long as this object.
  [[nodiscard]] GrpcMethodShape* FindMethod(const std::string& service, const std::string& method);

  // How JSON calls the fields of these types.
  [[nodiscard]] FieldIndex& fields() { return fields_; }

 private:
  class Errors;

  GrpcShapes();
  [[nodiscard]] Status Build(std::vector<google::protobuf::FileDescriptorProto> files);

  std::unique_ptr<google::protobuf::DescriptorPool> pool_;
  google::protobuf::DynamicMessageFactory factory_;
  FieldIndex fields_;
  std::unordered_map<std::string, GrpcMethodShape> methods_;  // By "service/method".
  std::vector<std::string> services_;
};

}  // namespace entente::net
