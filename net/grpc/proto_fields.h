// The names by which JSON calls the fields of a message. Internal to net.
#pragma once

#include <string>
#include <unordered_map>

#include <google/protobuf/descriptor.h>

namespace entente::net {

// By JSON name, by original name, or as "[package.extension]". Built per type when it is first
// asked for: types of thousands of fields are legal, and one body can ask for a field of them a
// hundred thousand times. Single-threaded; must not outlive the descriptors.
class FieldIndex {
 public:
  using OriginalNames = std::unordered_map<const google::protobuf::FieldDescriptor*, std::string>;

  // `original_names`: of fields that had to be built under another name than they were given.
  explicit FieldIndex(OriginalNames original_names = {})
      : original_names_(std::move(original_names)) {}

  // Null if there is no such field, or if two have this JSON name.
  [[nodiscard]] const google::protobuf::FieldDescriptor* Find(
      const google::protobuf::Descriptor& type, const std::string& name);

 private:
  using Names = std::unordered_map<std::string, const google::protobuf::FieldDescriptor*>;

  [[nodiscard]] Names Collect(const google::protobuf::Descriptor& type) const;

  OriginalNames original_names_;
  std::unordered_map<const google::protobuf::Descriptor*, Names> types_;
};

}  // namespace entente::net
