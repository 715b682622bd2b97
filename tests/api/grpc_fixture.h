// A GrpcServer on a free loopback port, and a stub of it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "coordinator/api/grpc/grpc_server.h"
#include "entente/v1/coordinator.grpc.pb.h"
#include "tests/api/fake_coordinator.h"

namespace entente::api::test {

namespace pb = ::entente::v1;

class Grpc {
 public:
  explicit Grpc(GrpcOptions options = {}) {
    Result<std::unique_ptr<GrpcServer>> started =
        GrpcServer::Start(coordinator, "127.0.0.1:0", std::move(options));
    REQUIRE(started.ok());
    server = std::move(started).value();
    stub = pb::Coordinator::NewStub(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(server->port()), grpc::InsecureChannelCredentials()));
  }

  FakeCoordinator coordinator;
  std::unique_ptr<GrpcServer> server;
  std::unique_ptr<pb::Coordinator::Stub> stub;
};

inline pb::Problem ProblemOf(const grpc::Status& status) {
  pb::ErrorStatus details;
  REQUIRE(details.ParseFromString(status.error_details()));
  CHECK(details.code() == status.error_code());
  REQUIRE(details.details_size() >= 1);
  pb::Problem problem;
  REQUIRE(details.details(0).UnpackTo(&problem));
  return problem;
}

// The trailer "entente-created", or nothing.
inline std::string CreatedTrailer(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto created = trailers.find("entente-created");
  return created == trailers.end() ? ""
                                   : std::string(created->second.data(), created->second.size());
}

}  // namespace entente::api::test
