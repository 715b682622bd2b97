#include "net/grpc/grpc_descriptors.h"

#include <algorithm>
#include <unordered_set>

#include "base/limits.h"
#include "base/utf8.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

// Servers may leave these out of what they send, since every Protobuf library has them.
const FileDescriptor* OwnFile(const std::string& name) {
  return name.starts_with("google/protobuf/")
             ? DescriptorPool::generated_pool()->FindFileByName(name)
             : nullptr;
}

Status TooMany(const std::string& what, size_t limit) {
  return InvalidDescriptors("they have more than the limit of " + std::to_string(limit) + " " +
                            what + "; give a set with only what the service needs");
}

// ---- Size.

// Protobuf's work and memory for some of what a descriptor can hold grows faster than its bytes,
// and it makes a message's prototype by recursion into the types of its fields.
class Counter {
 public:
  Status Add(const FileDescriptorProto& file) {
    for (const DescriptorProto& message : file.message_type()) {
      ENTENTE_RETURN_IF_ERROR(Add(message));
    }
    for (const EnumDescriptorProto& type : file.enum_type()) {
      ENTENTE_RETURN_IF_ERROR(AddFields(type.value_size()));
    }
    return AddFields(file.extension_size());
  }

 private:
  Status Add(const DescriptorProto& message) {
    if (++messages_ > limits::kMaxDescriptorMessages) {
      return TooMany("messages", limits::kMaxDescriptorMessages);
    }
    if (static_cast<size_t>(message.field_size()) > limits::kMaxMessageFields) {
      return TooMany("fields in one message", limits::kMaxMessageFields);
    }
    if (static_cast<size_t>(message.extension_range_size()) > limits::kMaxMessageFields) {
      return TooMany("extension ranges in one message", limits::kMaxMessageFields);
    }
    ENTENTE_RETURN_IF_ERROR(AddFields(message.field_size() + message.extension_size()));
    for (const EnumDescriptorProto& type : message.enum_type()) {
      ENTENTE_RETURN_IF_ERROR(AddFields(type.value_size()));
    }
    for (const DescriptorProto& nested : message.nested_type()) {
      ENTENTE_RETURN_IF_ERROR(Add(nested));
    }
    return Status();
  }

  Status AddFields(int count) {
    fields_ += static_cast<size_t>(count);
    return fields_ > limits::kMaxDescriptorFields
               ? TooMany("fields and enum values", limits::kMaxDescriptorFields)
               : Status();
  }

  size_t messages_ = 0;
  size_t fields_ = 0;
};

// ---- What is left in.

void Strip(EnumDescriptorProto& type) {
  const bool allow_alias = type.options().allow_alias();
  type.clear_options();
  if (allow_alias) {
    type.mutable_options()->set_allow_alias(true);
  }
  type.clear_reserved_range();
  type.clear_reserved_name();
  for (auto& value : *type.mutable_value()) {
    value.clear_options();
  }
}

void Strip(FieldDescriptorProto& field) {
  const bool states_packed = field.options().has_packed();
  const bool packed = field.options().packed();
  field.clear_options();
  if (states_packed) {
    field.mutable_options()->set_packed(packed);
  }
  if (ValidUtf8Prefix(field.json_name()) != field.json_name().size()) {
    field.clear_json_name();
  }
}

void Strip(DescriptorProto& message) {
  const bool map_entry = message.options().map_entry();
  const bool message_set = message.options().message_set_wire_format();
  message.clear_options();
  if (map_entry || message_set) {
    message.mutable_options()->set_map_entry(map_entry);
    message.mutable_options()->set_message_set_wire_format(message_set);
  }
  message.clear_reserved_range();
  message.clear_reserved_name();
  for (auto& range : *message.mutable_extension_range()) {
    range.clear_options();
  }
  for (auto& oneof : *message.mutable_oneof_decl()) {
    oneof.clear_options();
  }
  std::for_each(message.mutable_field()->begin(), message.mutable_field()->end(),
                [](FieldDescriptorProto& field) { Strip(field); });
  std::for_each(message.mutable_extension()->begin(), message.mutable_extension()->end(),
                [](FieldDescriptorProto& field) { Strip(field); });
  std::for_each(message.mutable_enum_type()->begin(), message.mutable_enum_type()->end(),
                [](EnumDescriptorProto& type) { Strip(type); });
  std::for_each(message.mutable_nested_type()->begin(), message.mutable_nested_type()->end(),
                [](DescriptorProto& nested) { Strip(nested); });
}

void Strip(FileDescriptorProto& file) {
  file.DiscardUnknownFields();
  file.clear_options();
  file.clear_source_code_info();
  file.clear_weak_dependency();  // As any other: what is imported has to be there.
  for (auto& message : *file.mutable_message_type()) {
    Strip(message);
  }
  for (auto& type : *file.mutable_enum_type()) {
    Strip(type);
  }
  for (auto& extension : *file.mutable_extension()) {
    Strip(extension);
  }
  for (auto& service : *file.mutable_service()) {
    service.clear_options();
    for (auto& method : *service.mutable_method()) {
      method.clear_options();
    }
  }
}

bool HasMessageSet(const DescriptorProto& message) {
  return message.options().message_set_wire_format() ||
         std::any_of(message.nested_type().begin(), message.nested_type().end(), HasMessageSet);
}

// ---- Names.

// Two fields with one of these are refused by the library, in proto3 and for no better reason than
// that their JSON names differ in case only; the compilers of today let them pass.
std::string FoldName(const std::string& name) {
  std::string folded;
  for (const char c : name) {
    if (c != '_') {
      folded += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
  }
  return folded;
}

// As protoc makes it.
std::string DefaultJsonName(const std::string& name) {
  std::string json_name;
  bool capitalize = false;
  for (const char c : name) {
    if (c == '_') {
      capitalize = true;
    } else {
      json_name += static_cast<char>(capitalize && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      capitalize = false;
    }
  }
  return json_name;
}

// Renames what the library would refuse. The JSON name stays, and `original_names` has the other.
void Unfold(DescriptorProto& message, const std::string& scope,
            std::unordered_map<std::string, std::string>& original_names) {
  const std::string full_name = scope.empty() ? message.name() : scope + "." + message.name();
  std::unordered_set<std::string> seen;
  for (FieldDescriptorProto& field : *message.mutable_field()) {
    if (seen.insert(FoldName(field.name())).second) {
      continue;
    }
    std::string original = field.name();
    if (!field.has_json_name()) {
      field.set_json_name(DefaultJsonName(original));
    }
    field.set_name(original + "_number" + std::to_string(field.number()));
    seen.insert(FoldName(field.name()));
    original_names.emplace(full_name + "." + field.name(), std::move(original));
  }
  for (DescriptorProto& nested : *message.mutable_nested_type()) {
    Unfold(nested, full_name, original_names);
  }
}

// ---- Order.

Status CheckSyntax(const FileDescriptorProto& file) {
  if (file.syntax() == "editions") {
    return InvalidDescriptors(
        "the file '" + file.name() +
        "' is written in an edition (edition = \"2023\" or later), whose descriptors this build of "
        "Protobuf can not read; describe the service with syntax = \"proto3\" or \"proto2\", and "
        "give the participant a descriptorSet made from that");
  }
  if (std::any_of(file.message_type().begin(), file.message_type().end(), HasMessageSet)) {
    return InvalidDescriptors("the file '" + file.name() +
                              "' uses message_set_wire_format, which has no JSON form");
  }
  return Status();
}

class Orderer {
 public:
  explicit Orderer(std::vector<FileDescriptorProto> files) : given_(std::move(files)) {}

  Result<std::vector<FileDescriptorProto>> Run() {
    ENTENTE_RETURN_IF_ERROR(TakeNames());
    for (size_t i = 0; i < given_.size(); ++i) {  // Own files join at the end meanwhile.
      ENTENTE_RETURN_IF_ERROR(AddImports(i));
    }
    std::vector<State> states(given_.size(), State::kNew);
    for (size_t i = 0; i < given_.size(); ++i) {
      ENTENTE_RETURN_IF_ERROR(Visit(i, states));
    }
    return std::move(ordered_);
  }

 private:
  enum class State : uint8_t { kNew, kOpen, kDone };

  // One file may come several times: reflection answers overlap.
  Status TakeNames() {
    std::vector<FileDescriptorProto> distinct;
    for (FileDescriptorProto& file : given_) {
      const auto [known, is_new] = index_.emplace(file.name(), distinct.size());
      if (is_new) {
        distinct.push_back(std::move(file));
      } else if (file.SerializeAsString() != distinct[known->second].SerializeAsString()) {
        return InvalidDescriptors("two different files are called '" + file.name() + "'");
      }
    }
    given_ = std::move(distinct);
    return given_.size() > limits::kMaxDescriptorFiles
               ? TooMany("files", limits::kMaxDescriptorFiles)
               : Status();
  }

  Status AddImports(size_t place) {
    const auto imports = given_[place].dependency();  // A copy: given_ grows.
    for (const std::string& import : imports) {
      if (index_.contains(import)) {
        continue;
      }
      const FileDescriptor* own = OwnFile(import);
      if (own == nullptr) {
        return InvalidDescriptors("the file '" + import +
                                  "' is imported but not included; make the set with "
                                  "protoc --include_imports");
      }
      index_.emplace(import, given_.size());
      own->CopyTo(&given_.emplace_back());
    }
    return Status();
  }

  // Depth first, without recursion: files may import one another in a chain of thousands.
  Status Visit(size_t first, std::vector<State>& states) {
    std::vector<std::pair<size_t, int>> path = {{first, 0}};  // With the next import to follow.
    while (!path.empty()) {
      auto& [place, next] = path.back();
      FileDescriptorProto& file = given_[place];
      if (states[place] == State::kDone) {
        path.pop_back();
      } else if (next == file.dependency_size()) {
        states[place] = State::kDone;
        ordered_.push_back(std::move(file));
        path.pop_back();
      } else {
        states[place] = State::kOpen;
        const size_t import = index_.at(file.dependency(next++));
        if (states[import] == State::kOpen) {
          return InvalidDescriptors("the file '" + given_[import].name() +
                                    "' imports itself, directly or by others");
        }
        path.emplace_back(import, 0);
      }
    }
    return Status();
  }

  std::vector<FileDescriptorProto> given_;
  std::unordered_map<std::string, size_t> index_;  // Into given_, by name.
  std::vector<FileDescriptorProto> ordered_;
};

// ---- Well-known types.

bool HasOwnJsonForm(const Descriptor& type) {
  return IsWellKnown(type) || type.full_name() == "google.protobuf.Empty";
}

// What matters of a definition: not its options, nor whether it states its JSON names.
template <class Proto, class Type>
std::string Essence(const Type& type) {
  Proto proto;
  type.CopyTo(&proto);
  Strip(proto);
  if constexpr (std::is_same_v<Proto, DescriptorProto>) {
    for (auto& field : *proto.mutable_field()) {
      field.clear_json_name();
    }
    for (auto& nested : *proto.mutable_nested_type()) {
      for (auto& field : *nested.mutable_field()) {
        field.clear_json_name();
      }
    }
  }
  return proto.SerializeAsString();
}

template <class Proto, class Type>
Status CheckSame(const Type& type, const Type* own) {
  if (own != nullptr && own->file()->syntax() == type.file()->syntax() &&
      Essence<Proto>(*own) == Essence<Proto>(type)) {
    return Status();
  }
  return InvalidDescriptors("the file '" + type.file()->name() + "' defines " + type.full_name() +
                            " in another way than Protobuf does; leave it out or use Protobuf's");
}

Status CheckEnum(const EnumDescriptor& type) {
  return type.full_name() != "google.protobuf.NullValue"
             ? Status()
             : CheckSame<EnumDescriptorProto>(
                   type, DescriptorPool::generated_pool()->FindEnumTypeByName(type.full_name()));
}

Status CheckMessage(const Descriptor& type) {
  if (HasOwnJsonForm(type)) {
    ENTENTE_RETURN_IF_ERROR(CheckSame<DescriptorProto>(
        type, DescriptorPool::generated_pool()->FindMessageTypeByName(type.full_name())));
  }
  for (int i = 0; i < type.enum_type_count(); ++i) {
    ENTENTE_RETURN_IF_ERROR(CheckEnum(*type.enum_type(i)));
  }
  for (int i = 0; i < type.nested_type_count(); ++i) {
    ENTENTE_RETURN_IF_ERROR(CheckMessage(*type.nested_type(i)));
  }
  return Status();
}

}  // namespace

Status InvalidDescriptors(const std::string& why) {
  constexpr size_t kMaxWhyBytes = 600;
  return InvalidArgument("descriptor_set.invalid",
                         "the service's descriptors can not be used: " + ToUtf8(why, kMaxWhyBytes));
}

Result<PreparedDescriptors> PrepareDescriptors(std::vector<FileDescriptorProto> files) {
  Counter counter;
  for (FileDescriptorProto& file : files) {
    ENTENTE_RETURN_IF_ERROR(CheckSyntax(file));
    ENTENTE_RETURN_IF_ERROR(counter.Add(file));
    Strip(file);
  }
  PreparedDescriptors prepared;
  ENTENTE_ASSIGN_OR_RETURN(prepared.files, Orderer(std::move(files)).Run());
  for (FileDescriptorProto& file : prepared.files) {
    Strip(file);  // Of Protobuf's own, which joined.
    if (file.syntax() == "proto3") {
      for (DescriptorProto& message : *file.mutable_message_type()) {
        Unfold(message, file.package(), prepared.original_names);
      }
    }
  }
  return prepared;
}

Status CheckWellKnownTypes(const FileDescriptor& file) {
  for (int i = 0; i < file.enum_type_count(); ++i) {
    ENTENTE_RETURN_IF_ERROR(CheckEnum(*file.enum_type(i)));
  }
  for (int i = 0; i < file.message_type_count(); ++i) {
    ENTENTE_RETURN_IF_ERROR(CheckMessage(*file.message_type(i)));
  }
  return Status();
}

std::vector<std::string> MissingImports(const std::vector<FileDescriptorProto>& files) {
  std::unordered_set<std::string> known;
  for (const FileDescriptorProto& file : files) {
    known.insert(file.name());
  }
  std::vector<std::string> missing;
  for (const FileDescriptorProto& file : files) {
    for (const std::string& import : file.dependency()) {
      if (OwnFile(import) == nullptr && known.insert(import).second) {
        missing.push_back(import);
      }
    }
  }
  return missing;
}

}  // namespace entente::net
