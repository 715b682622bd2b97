#include "net/grpc/grpc_shapes.h"

#include "net/grpc/grpc_descriptors.h"
#include "net/grpc/proto_guard.h"

namespace entente::net {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::Message;

bool IsUnary(const google::protobuf::MethodDescriptor& method) {
  return !method.client_streaming() && !method.server_streaming();
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

GrpcShapes::GrpcShapes() : pool_(std::make_unique<DescriptorPool>()), factory_(pool_.get()) {}

GrpcShapes::~GrpcShapes() {
  methods_.clear();  // Messages go before the factory that made them.
}

Result<std::shared_ptr<GrpcShapes>> GrpcShapes::Make(std::vector<FileDescriptorProto> files) {
  return GuardProtobuf([&files]() -> Result<std::shared_ptr<GrpcShapes>> {
    std::shared_ptr<GrpcShapes> shapes(new GrpcShapes());
    ENTENTE_RETURN_IF_ERROR(shapes->Build(std::move(files)));
    return shapes;
  });
}

Status GrpcShapes::Build(std::vector<FileDescriptorProto> files) {
  ENTENTE_ASSIGN_OR_RETURN(PreparedDescriptors prepared, PrepareDescriptors(std::move(files)));
  Errors errors;
  for (const FileDescriptorProto& file : prepared.files) {
    const FileDescriptor* built = pool_->BuildFileCollectingErrors(file, &errors);
    if (built == nullptr) {
      return InvalidDescriptors(errors.first.empty() ? file.name() + " is not valid"
                                                     : errors.first);
    }
    ENTENTE_RETURN_IF_ERROR(CheckWellKnownTypes(*built));
    for (int i = 0; i < built->service_count(); ++i) {
      services_.push_back(built->service(i)->full_name());
    }
  }
  FieldIndex::OriginalNames original_names;
  for (auto& [name, original] : prepared.original_names) {
    original_names.emplace(pool_->FindFieldByName(name), std::move(original));
  }
  fields_ = FieldIndex(std::move(original_names));
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
  // An entry of a map is a type for Protobuf only.
  if (type == nullptr || type->input_type()->options().map_entry() ||
      type->output_type()->options().map_entry()) {
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

}  // namespace entente::net
