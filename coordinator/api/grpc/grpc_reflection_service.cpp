#include "coordinator/api/grpc/grpc_reflection_service.h"

#include <algorithm>
#include <set>
#include <vector>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/impl/codegen/status.h>

#include "entente/v1/coordinator.pb.h"

namespace entente::api {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Fields of ServerReflectionRequest...
constexpr int kFileByName = 3;
constexpr int kFileBySymbol = 4;
constexpr int kListServices = 7;
// ... and of ServerReflectionResponse, with what is within them.
constexpr int kOriginalRequest = 2;
constexpr int kFiles = 4;
constexpr int kServices = 6;
constexpr int kError = 7;

const FileDescriptor& CoordinatorFile() {
  return *entente::v1::Transaction::descriptor()->file();
}

std::string Serialized(const UnknownFieldSet& fields) {
  std::string bytes;
  fields.SerializeToString(&bytes);
  return bytes;
}

void AddError(int code, const std::string& message, UnknownFieldSet& answer) {
  UnknownFieldSet error;
  error.AddVarint(1, static_cast<uint64_t>(code));
  error.AddLengthDelimited(2, message);
  answer.AddLengthDelimited(kError, Serialized(error));
}

// Each after all that it imports.
void Collect(const FileDescriptor& file, std::set<const FileDescriptor*>& seen,
             std::vector<const FileDescriptor*>& files) {
  if (!seen.insert(&file).second) {
    return;
  }
  for (int i = 0; i < file.dependency_count(); ++i) {
    Collect(*file.dependency(i), seen, files);
  }
  files.push_back(&file);
}

std::vector<const FileDescriptor*> PublicFiles() {
  std::set<const FileDescriptor*> seen;
  std::vector<const FileDescriptor*> files;
  Collect(CoordinatorFile(), seen, files);
  return files;
}

// With all that it imports; null, or none of the API's: there is no such thing.
void AddFile(const FileDescriptor* file, const std::string& asked, UnknownFieldSet& answer) {
  const std::vector<const FileDescriptor*> known = PublicFiles();
  if (std::find(known.begin(), known.end(), file) == known.end()) {
    AddError(grpc::StatusCode::NOT_FOUND, "there is no '" + asked.substr(0, 256) + "'", answer);
    return;
  }
  std::set<const FileDescriptor*> seen;
  std::vector<const FileDescriptor*> files;
  Collect(*file, seen, files);
  UnknownFieldSet response;
  for (auto one = files.rbegin(); one != files.rend(); ++one) {
    google::protobuf::FileDescriptorProto proto;
    (*one)->CopyTo(&proto);
    response.AddLengthDelimited(1, proto.SerializeAsString());
  }
  answer.AddLengthDelimited(kFiles, Serialized(response));
}

void AddServices(UnknownFieldSet& answer) {
  UnknownFieldSet response;
  for (int i = 0; i < CoordinatorFile().service_count(); ++i) {
    UnknownFieldSet service;
    service.AddLengthDelimited(1, CoordinatorFile().service(i)->full_name());
    response.AddLengthDelimited(1, Serialized(service));
  }
  answer.AddLengthDelimited(kServices, Serialized(response));
}

// The one that counts is the last, as of any oneof.
const UnknownField* QuestionIn(const UnknownFieldSet& request) {
  const UnknownField* question = nullptr;
  for (int i = 0; i < request.field_count(); ++i) {
    const UnknownField& field = request.field(i);
    if (field.number() >= kFileByName && field.number() <= kListServices &&
        field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      question = &field;
    }
  }
  return question;
}

class Stream final : public grpc::ServerGenericBidiReactor {
 public:
  Stream() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    grpc::Slice request;
    if (!request_.DumpToSingleSlice(&request).ok()) {
      Finish({grpc::StatusCode::INVALID_ARGUMENT, "the message can not be read"});
      return;
    }
    const grpc::Slice answer(
        AnswerReflection({reinterpret_cast<const char*>(request.begin()), request.size()}));
    answer_ = grpc::ByteBuffer(&answer, 1);
    StartWrite(&answer_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&request_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
};

class Unknown final : public grpc::ServerGenericBidiReactor {
 public:
  Unknown() { Finish({grpc::StatusCode::UNIMPLEMENTED, "there is no such method"}); }
  void OnDone() override { delete this; }
};

}  // namespace

std::string AnswerReflection(std::string_view request) {
  UnknownFieldSet asked;
  UnknownFieldSet answer;
  const bool read = asked.ParseFromArray(request.data(), static_cast<int>(request.size()));
  answer.AddLengthDelimited(kOriginalRequest, std::string(request));
  const UnknownField* const question = read ? QuestionIn(asked) : nullptr;
  const auto& pool = *CoordinatorFile().pool();
  if (question == nullptr) {
    AddError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing", answer);
  } else if (question->number() == kFileByName) {
    const std::string& name = question->length_delimited();
    AddFile(pool.FindFileByName(name), name, answer);
  } else if (question->number() == kFileBySymbol) {
    const std::string& name = question->length_delimited();
    AddFile(pool.FindFileContainingSymbol(name), name, answer);
  } else if (question->number() == kListServices) {
    AddServices(answer);
  } else {
    AddError(grpc::StatusCode::NOT_FOUND, "there are no extensions", answer);
  }
  return Serialized(answer);
}

grpc::ServerGenericBidiReactor* ReflectionService::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  const bool asks =
      context->method() == "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" ||
      context->method() == "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  if (asks) {
    return new Stream;
  }
  return new Unknown;
}

}  // namespace entente::api
