#include "net/grpc/proto_fields.h"

namespace entente::net {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

namespace {

const FieldDescriptor* FindExtension(const Descriptor& type, const std::string& name) {
  if (name.size() < 3 || name.front() != '[' || name.back() != ']') {
    return nullptr;
  }
  const FieldDescriptor* extension =
      type.file()->pool()->FindExtensionByName(name.substr(1, name.size() - 2));
  return extension != nullptr && extension->containing_type() == &type ? extension : nullptr;
}

}  // namespace

const FieldDescriptor* FieldIndex::Find(const Descriptor& type, const std::string& name) {
  auto known = types_.find(&type);
  if (known == types_.end()) {
    known = types_.emplace(&type, Collect(type)).first;
  }
  const auto found = known->second.find(name);
  return found != known->second.end() ? found->second : FindExtension(type, name);
}

FieldIndex::Names FieldIndex::Collect(const Descriptor& type) const {
  Names names;
  for (int i = 0; i < type.field_count(); ++i) {
    const auto [place, is_first] = names.emplace(type.field(i)->json_name(), type.field(i));
    if (!is_first) {
      place->second = nullptr;  // proto2 allows it; whichever were taken could be the wrong one.
    }
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const auto renamed = original_names_.find(type.field(i));
    names.emplace(renamed == original_names_.end() ? type.field(i)->name() : renamed->second,
                  type.field(i));
  }
  return names;
}

}  // namespace entente::net
