#include "coordinator/transport/grpc_shapes.h"

#include <unordered_set>

namespace entente::transport {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::Message;

// Servers may leave these out of what they send, since every Protobuf library has them.
const FileDescriptor* OwnFile(const std::string& name) {
  return name.starts_with("google/protobuf/")
             ? DescriptorPool::generated_pool()->FindFileByName(name)
             : nullptr;
}

bool IsUnary(const google::protobuf::MethodDescriptor& method) {
  return !method.client_streaming() && !method.server_streaming();
}

Status Invalid(const std::string& why) {
  return InvalidArgument("descriptor_set.invalid",
                         "the service's descriptors can not be used: " + why);
}

}  // namespace

class GrpcShapes::Errors final : public DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const Message* /*descriptor*/,
                ErrorLocation /*location*/, const std::string& text) override {
    if (first.empty()) {
      first = file + ": " + element + ": " + text;
    }
  }
  std::string first;
};

GrpcShapes::GrpcShapes()
    : errors_(std::make_unique<Errors>()),
      pool_(std::make_unique<DescriptorPool>(&database_, errors_.get())),
      factory_(pool_.get()) {}

GrpcShapes::~GrpcShapes() {
  methods_.clear();  // Messages go before the factory that made them.
}

Result<std::shared_ptr<GrpcShapes>> GrpcShapes::Make(
    const std::vector<FileDescriptorProto>& files) {
  std::shared_ptr<GrpcShapes> shapes(new GrpcShapes());
  ENTENTE_RETURN_IF_ERROR(shapes->Build(files));
  return shapes;
}

Status GrpcShapes::Build(const std::vector<FileDescriptorProto>& files) {
  std::unordered_set<std::string> names;
  std::vector<const FileDescriptor*> own;
  for (const FileDescriptorProto& file : files) {
    if (names.insert(file.name()).second) {
      database_.Add(file);
    }
    for (const std::string& import : file.dependency()) {
      if (const FileDescriptor* known = OwnFile(import)) {
        own.push_back(known);
      }
    }
  }
  while (!own.empty()) {
    const FileDescriptor* file = own.back();
    own.pop_back();
    if (names.insert(file->name()).second) {
      FileDescriptorProto copy;
      file->CopyTo(&copy);
      database_.Add(copy);
      for (int i = 0; i < file->dependency_count(); ++i) {
        own.push_back(file->dependency(i));
      }
    }
  }
  for (const FileDescriptorProto& file : files) {
    const FileDescriptor* built = pool_->FindFileByName(file.name());
    if (built == nullptr) {
      return Invalid(errors_->first.empty() ? file.name() + " is not valid" : errors_->first);
    }
    for (int i = 0; i < built->service_count(); ++i) {
      services_.push_back(built->service(i)->full_name());
    }
  }
  return Status();
}

GrpcMethodShape* GrpcShapes::FindMethod(const std::string& service, const std::string& method) {
  const std::string name = service + "/" + method;
  const auto found = methods_.find(name);
  if (found != methods_.end()) {
    return &found->second;
  }
  const auto* service_type = pool_->FindServiceByName(service);
  const auto* type = service_type == nullptr ? nullptr : service_type->FindMethodByName(method);
  if (type == nullptr) {
    return nullptr;
  }
  GrpcMethodShape shape;
  shape.unary = IsUnary(*type);
  shape.input.reset(factory_.GetPrototype(type->input_type())->New());
  shape.output.reset(factory_.GetPrototype(type->output_type())->New());
  return &methods_.emplace(name, std::move(shape)).first->second;
}

std::vector<std::string> GrpcShapes::UnaryMethods() const {
  std::vector<std::string> methods;
  for (const std::string& service : services_) {
    const auto* type = pool_->FindServiceByName(service);
    for (int i = 0; i < type->method_count(); ++i) {
      if (IsUnary(*type->method(i))) {
        methods.push_back(service + "/" + type->method(i)->name());
      }
    }
  }
  return methods;
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

}  // namespace entente::transport
