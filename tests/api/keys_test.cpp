// The keys that sign calls, and calls of the coordinator's own that lead back to it.
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/api/access_fixture.h"

namespace entente::api::test {
namespace {

// Keys of which each rotation adds one.
struct SomeKeys {
  KeyList keys{{"id-0", "x-0", InstantFromMicros(0), true}};
  std::vector<std::pair<std::optional<Duration>, bool>> asked;
  Status failure;
  KeyStore store{
      [this] { return keys; },
      [this](std::optional<Duration> notice, bool revoke) {
        asked.emplace_back(notice, revoke);
        if (failure.ok()) {
          const std::string number = std::to_string(asked.size());
          keys.push_back({"id-" + number, "x-" + number, InstantFromMicros(1'000'000), false});
        }
        return failure;
      }};
};

}  // namespace

TEST_CASE("the keys are a JSON Web Key Set over REST, and the same over gRPC") {
  SomeKeys keys;
  RestOptions options;
  options.service.keys = &keys.store;
  RestServer server(std::move(options));
  const Answer answer = server.Get("/v1/keys");
  CHECK(answer.status == 200);
  CHECK(answer.Document() == Json{{"keys",
                                   {{{"kty", "OKP"},
                                     {"crv", "Ed25519"},
                                     {"x", "x-0"},
                                     {"kid", "id-0"},
                                     {"alg", "EdDSA"},
                                     {"use", "sig"},
                                     {"signsFrom", "1970-01-01T00:00:00Z"},
                                     {"signing", true}}}}});
  GrpcOptions grpc_options;
  grpc_options.service.keys = &keys.store;
  Grpc grpc(std::move(grpc_options));
  grpc::ClientContext context;
  pb::KeySet set;
  REQUIRE(grpc.stub->ListKeys(&context, {}, &set).ok());
  REQUIRE(set.keys_size() == 1);
  CHECK(set.keys(0).kid() == "id-0");
  CHECK(set.keys(0).x() == "x-0");
  CHECK(set.keys(0).kty() == "OKP");
  CHECK(set.keys(0).signing());
}

TEST_CASE("keys are rotated over REST and gRPC, with a notice or the usual one") {
  SomeKeys keys;
  RestOptions options;
  options.service.keys = &keys.store;
  RestServer server(std::move(options));
  CHECK(server.Post("/v1/keys:rotate", "{}").status == 200);
  const Answer answer = server.Post("/v1/keys:rotate", R"({"notice":"90s","revoke":true})");
  CHECK(answer.status == 200);
  CHECK(answer.Document()["keys"].size() == 3);
  GrpcOptions grpc_options;
  grpc_options.service.keys = &keys.store;
  Grpc grpc(std::move(grpc_options));
  grpc::ClientContext context;
  pb::RotateKeysRequest request;
  request.set_notice("0s");
  pb::KeySet set;
  REQUIRE(grpc.stub->RotateKeys(&context, request, &set).ok());
  CHECK(set.keys_size() == 4);
  REQUIRE(keys.asked.size() == 3);
  CHECK(keys.asked[0] == std::pair(std::optional<Duration>(), false));
  CHECK(keys.asked[1] == std::pair(std::optional<Duration>(std::chrono::seconds(90)), true));
  CHECK(keys.asked[2] == std::pair(std::optional<Duration>(Duration(0)), false));
  CHECK(server.Post("/v1/keys:rotate", R"({"notice":"soon"})").status == 400);
  CHECK(server.Post("/v1/keys:rotate", R"({"notce":"1s"})").status == 400);
  keys.failure = FailedPrecondition("keys.in_files", "they are in files");
  const Answer refused = server.Post("/v1/keys:rotate", "{}");
  CHECK(refused.status == 409);
  CHECK(refused.Document()["code"] == "keys.in_files");
}

TEST_CASE("where calls are not signed there is no key, and none is made") {
  RestServer server;
  CHECK(server.Get("/v1/keys").Document() == Json{{"keys", Json::array()}});
  CHECK(server.Post("/v1/keys:rotate", "{}").Document()["code"] == "keys.off");
  Grpc grpc;
  grpc::ClientContext list;
  pb::KeySet set;
  CHECK(grpc.stub->ListKeys(&list, {}, &set).ok());
  CHECK(set.keys().empty());
  grpc::ClientContext rotate;
  CHECK(ProblemOf(grpc.stub->RotateKeys(&rotate, {}, &set)).code() == "keys.off");
}

TEST_CASE("over gRPC a coordinator's own call that leads back to it is refused, and does nothing") {
  Grpc grpc;
  grpc.coordinator.AnswerWithView(StuckStory().View());
  const size_t before = grpc.coordinator.mutations();
  const auto submit = [&grpc](const std::string& coordinator) {
    grpc::ClientContext context;
    context.AddMetadata("entente-coordinator", coordinator);
    pb::SubmitTransactionRequest request;
    request.set_definition("trip");
    pb::Transaction transaction;
    return grpc.stub->SubmitTransaction(&context, request, &transaction);
  };
  const grpc::Status own = submit(grpc.coordinator.id());
  CHECK(own.error_code() == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(ProblemOf(own).code() == "address.own");
  CHECK(grpc.coordinator.mutations() == before);
  CHECK(submit("fedcba9876543210").ok());
}

}  // namespace entente::api::test
