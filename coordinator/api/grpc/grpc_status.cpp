#include "coordinator/api/grpc/grpc_status.h"

#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/text.h"

namespace entente::api {
namespace {

// Clients refuse more than 8 KiB of metadata by default; the message is percent-encoded there.
constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kMaxDetailBytes = 4096;

std::string Shorten(const std::string& text, size_t limit) {
  return text.size() <= limit ? ToUtf8(text) : ToUtf8(text.substr(0, limit)) + "...";
}

// Under Google's name, for clients that know it.
void AddRetryInfo(pb::ErrorStatus& details) {
  pb::RetryInfo info;
  info.mutable_retry_delay()->set_seconds(1);  // As REST's Retry-After.
  google::protobuf::Any& detail = *details.add_details();
  detail.set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  detail.set_value(info.SerializeAsString());
}

}  // namespace

grpc::Status ToGrpcStatus(const Error& error) {
  pb::Problem problem;
  ToProto(error, &problem);
  problem.set_detail(Shorten(problem.detail(), kMaxMessageBytes));
  while (problem.ByteSizeLong() > kMaxDetailBytes && problem.problems_size() > 0) {
    problem.mutable_problems()->RemoveLast();
  }
  while (problem.ByteSizeLong() > kMaxDetailBytes && problem.violations_size() > 0) {
    problem.mutable_violations()->RemoveLast();
  }
  const int code = GrpcCodeOf(error.status);
  const std::string message =
      error.status.reason() + ": " + Shorten(PublicDetail(error.status), kMaxMessageBytes);
  pb::ErrorStatus details;
  details.set_code(code);
  details.set_message(message);
  details.add_details()->PackFrom(problem);
  if (IsRetryable(error.status)) {
    AddRetryInfo(details);
  }
  return {static_cast<grpc::StatusCode>(code), message, details.SerializeAsString()};
}

}  // namespace entente::api
