// grpc.health.v1, by the bytes of its messages.
#include <string>
#include <thread>

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>
#include <catch2/catch.hpp>

#include "tests/api/grpc_fixture.h"

namespace entente::api::test {
namespace {

// The status of a HealthCheckResponse: 1 is SERVING, 2 is NOT_SERVING.
uint64_t HealthOf(const Grpc& grpc, const std::string& service) {
  google::protobuf::UnknownFieldSet request;
  request.AddLengthDelimited(1, service);
  std::string bytes;
  request.SerializeToString(&bytes);
  grpc::GenericStub stub(grpc::CreateChannel("127.0.0.1:" + std::to_string(grpc.server->port()),
                                             grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer message(&slice, 1);
  const auto call =
      stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", message, &queue);
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->StartCall();
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  INFO(status.error_message());
  REQUIRE(status.ok());
  grpc::Slice whole;
  REQUIRE(answer.DumpToSingleSlice(&whole).ok());
  google::protobuf::UnknownFieldSet response;
  REQUIRE(response.ParseFromArray(whole.begin(), static_cast<int>(whole.size())));
  return response.field_count() == 0 ? 0 : response.field(0).varint();
}

TEST_CASE("the health service says what the coordinator's health is") {
  GrpcOptions options;
  options.health_interval = std::chrono::milliseconds(1);
  Grpc grpc(std::move(options));
  const auto becomes = [&](const runtime::Health& health, uint64_t status) {
    grpc.coordinator.SetHealth(health);
    while (HealthOf(grpc, "") != status) {
      std::this_thread::yield();
    }
    while (HealthOf(grpc, "entente.v1.Coordinator") != status) {
      std::this_thread::yield();
    }
  };
  runtime::Health health;
  health.ready = true;
  becomes(health, 1);
  health.ready = false;
  becomes(health, 2);
  health.ready = true;
  becomes(health, 1);
  health.oldest_overdue = std::chrono::hours(1);
  becomes(health, 2);
}

}  // namespace
}  // namespace entente::api::test
