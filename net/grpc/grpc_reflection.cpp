#include "net/grpc/grpc_reflection.h"

#include <google/protobuf/unknown_field_set.h>
#include <grpc/support/time.h>

#include "base/limits.h"
#include "base/time.h"
#include "base/utf8.h"
#include "net/grpc/grpc_call.h"
#include "net/grpc/grpc_descriptors.h"
#include "net/grpc/proto_guard.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Field numbers of grpc.reflection.v1alpha, the same in v1.
constexpr uint32_t kAskFileByName = 3;
constexpr uint32_t kAskFileBySymbol = 4;
constexpr int kAnswerFiles = 4;
constexpr int kAnswerError = 7;
constexpr int kFilesFile = 1;
constexpr int kErrorMessage = 2;

constexpr size_t kMaxDescriptorBytes = size_t{16} << 20;
constexpr size_t kMaxQuotedAnswerBytes = 200;

grpc::ByteBuffer Request(uint32_t field, const std::string& text) {
  UnknownFieldSet request;
  request.AddLengthDelimited(static_cast<int>(field), text);
  std::string bytes;
  request.SerializeToString(&bytes);
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

const UnknownField* Find(const UnknownFieldSet& fields, int number) {
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    if (field.number() == number && field.type() == UnknownField::TYPE_LENGTH_DELIMITED) {
      return &field;
    }
  }
  return nullptr;
}

std::string Text(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) {
    return {};
  }
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

}  // namespace

ReflectionQuery* ReflectionQuery::Start(grpc::GenericStub& stub, GrpcEvents& events,
                                        std::string service, Duration timeout, bool use_v1,
                                        Done done) {
  auto* query = new ReflectionQuery(std::move(service), std::move(done));
  query->context_.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                            gpr_time_from_micros(timeout.count(), GPR_TIMESPAN)));
  const char* method = use_v1 ? "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
                              : "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  query->stream_ = stub.PrepareCall(&query->context_, method, &events.queue());
  query->stream_->StartCall(query);
  return query;
}

void ReflectionQuery::Abandon() {
  done_ = nullptr;
  context_.TryCancel();
}

void ReflectionQuery::OnEvent(bool ok) {
  if (!done_) {
    delete this;
    return;
  }
  if (step_ == Step::kFinishing) {
    if (NeverConnected(context_, status_)) {
      result_.unreachable = true;
      result_.failed_locally = FailedLocally(context_);
      End("nobody answers there (" + status_.error_message() + ")", false);
      return;
    }
    const bool definite = status_.error_code() == grpc::StatusCode::UNIMPLEMENTED;
    End(definite ? "it has no reflection service"
                 : "its reflection service failed: " + status_.error_message(),
        definite);
    return;
  }
  if (!ok) {
    Finish();
    return;
  }
  switch (step_) {
    case Step::kStarting: Ask(kAskFileBySymbol, service_); break;
    case Step::kWriting:
      step_ = Step::kReading;
      stream_->Read(&answer_, this);
      break;
    case Step::kReading: TakeAnswer(); break;
    case Step::kFinishing: break;
  }
}

void ReflectionQuery::Ask(uint32_t field, const std::string& text) {
  step_ = Step::kWriting;
  stream_->Write(Request(field, text), this);
}

void ReflectionQuery::TakeAnswer() {
  const Status taken = GuardProtobuf([this] { return ReadAnswer(Text(answer_)); });
  if (!taken.ok()) {
    End(taken.message(), true);
    return;
  }
  AskNext();
}

Status ReflectionQuery::ReadAnswer(const std::string& bytes) {
  const auto unusable = [](const std::string& why) {
    return InvalidArgument("reflection.failed", why);
  };
  received_bytes_ += bytes.size();
  UnknownFieldSet answer;
  UnknownFieldSet content;
  if (!answer.ParseFromString(bytes)) {
    return unusable("its reflection service answered with garbage");
  }
  if (const UnknownField* error = Find(answer, kAnswerError)) {
    content.ParseFromString(error->length_delimited());
    const UnknownField* message = Find(content, kErrorMessage);
    const std::string why =
        message == nullptr
            ? ""
            : " (" + ToUtf8(message->length_delimited(), kMaxQuotedAnswerBytes) + ")";
    return unusable("it does not know the service '" + service_ + "'" + why);
  }
  const UnknownField* files = Find(answer, kAnswerFiles);
  if (files == nullptr || !content.ParseFromString(files->length_delimited())) {
    return unusable("its reflection service answered without files");
  }
  for (int i = 0; i < content.field_count(); ++i) {
    const UnknownField& field = content.field(i);
    if (field.number() != kFilesFile || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) {
      continue;
    }
    if (received_bytes_ > kMaxDescriptorBytes ||
        result_.files.size() == limits::kMaxDescriptorFiles) {
      return unusable("its descriptors are more than " + std::to_string(kMaxDescriptorBytes) +
                      " bytes or " + std::to_string(limits::kMaxDescriptorFiles) + " files");
    }
    ENTENTE_RETURN_IF_ERROR(
        ParseMessage(field.length_delimited(), result_.files.emplace_back(), memory_));
  }
  return Status();
}

void ReflectionQuery::AskNext() {
  if (to_ask_.empty()) {
    for (const auto& file : result_.files) {
      asked_.insert(file.name());
    }
    for (std::string& name : MissingImports(result_.files)) {
      if (asked_.insert(name).second) {
        to_ask_.push_back(std::move(name));
      }
    }
  }
  if (to_ask_.empty()) {
    End({}, false);
    return;
  }
  const std::string name = std::move(to_ask_.back());
  to_ask_.pop_back();
  Ask(kAskFileByName, name);
}

void ReflectionQuery::Finish() {
  step_ = Step::kFinishing;
  stream_->Finish(&status_, this);
}

// No operation is under way here, so nothing refers to this object any more.
void ReflectionQuery::End(std::string error, bool definite) {
  result_.error = std::move(error);
  result_.definite = definite;
  context_.TryCancel();
  Done done = std::move(done_);
  ReflectionResult result = std::move(result_);
  delete this;
  done(std::move(result));
}

}  // namespace entente::net
