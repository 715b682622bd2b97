// Descriptors as definitions and participants give them, made fit to be built. Internal to net.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "base/status.h"

namespace entente::net {

struct PreparedDescriptors {
  // Each after all that it imports, Protobuf's own among them where they were left out.
  std::vector<google::protobuf::FileDescriptorProto> files;
  // Fields that had to be renamed, "package.Message.field", with the names that they were given.
  std::unordered_map<std::string, std::string> original_names;
};

// Orders the files, and leaves in them only what a caller uses: types, services and the options
// that change the wire format. What is left out (other options, comments, reserved names) can then
// neither cost nor break anything. Fails with kInvalidArgument, reason descriptor_set.invalid, for
// files of an edition, more than the limits, two different files of one name, imports that are
// missing or go round in a circle.
[[nodiscard]] Result<PreparedDescriptors> PrepareDescriptors(
    std::vector<google::protobuf::FileDescriptorProto> files);

// Refuses a file that was built if it defines one of the types with a JSON form of its own
// (google.protobuf.Timestamp and its like) in any other way than Protobuf does: the code that reads
// and writes them goes by what their fields are. Fails as PrepareDescriptors.
[[nodiscard]] Status CheckWellKnownTypes(const google::protobuf::FileDescriptor& file);

// The imports of `files` that are neither among them nor among Protobuf's own.
[[nodiscard]] std::vector<std::string> MissingImports(
    const std::vector<google::protobuf::FileDescriptorProto>& files);

// Reason descriptor_set.invalid. `why` may quote what was given: it is cut, and made UTF-8.
[[nodiscard]] Status InvalidDescriptors(const std::string& why);

}  // namespace entente::net
