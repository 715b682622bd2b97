// The hotels as their callers meet them: a real gRPC server on port zero.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <catch2/catch.hpp>

#include "examples/travel/hotels/server.h"
#include "examples/travel/services.h"
#include "hotels.grpc.pb.h"
#include "tests/examples/http_client.h"
#include "tests/examples/scratch.h"

namespace travel {
namespace {

class HotelsFixture {
 public:
  explicit HotelsFixture(const std::string& switches = "{}") : business_(MakeHotels()) {
    Options options;
    options.db = scratch_.File("hotels.db");
    options.control = "127.0.0.1:0";
    options.switches = ParseJson(switches).value();
    server_ = std::make_unique<HotelsServer>(*business_, options);
    stub_ = v1::Hotels::NewStub(
        grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials()));
  }

  grpc::Status Reserve(const std::string& key, int stars, v1::Room* room,
                       grpc::ClientContext* context) {
    v1::ReserveRequest request;
    request.set_reservation(key);
    request.set_city("Lisbon");
    request.set_stars(stars);
    return stub_->Reserve(context, request, room);
  }
  grpc::StatusCode Reserve(const std::string& key, int stars) {
    grpc::ClientContext context;
    v1::Room room;
    return Reserve(key, stars, &room, &context).error_code();
  }
  v1::Released Release(const std::string& key) {
    grpc::ClientContext context;
    v1::ReleaseRequest request;
    request.set_reservation(key);
    v1::Released released;
    CHECK(stub_->Release(&context, request, &released).ok());
    return released;
  }

  Json Get(const std::string& target) {
    return test::HttpClient(server_->control_address()).Call("GET", target).json();
  }
  int Control(const std::string& changes) {
    return test::HttpClient(server_->control_address()).Call("POST", "/control", changes).status;
  }
  v1::Hotels::Stub& stub() { return *stub_; }
  HotelsServer& server() { return *server_; }

 private:
  test::Scratch scratch_;
  std::unique_ptr<Business> business_;
  std::unique_ptr<HotelsServer> server_;
  std::unique_ptr<v1::Hotels::Stub> stub_;
};

TEST_CASE("a room is reserved, seen and released over gRPC") {
  HotelsFixture hotels;
  grpc::ClientContext context;
  context.AddMetadata("entente-gid", "g1");
  context.AddMetadata("entente-attempt", "3");
  v1::Room room;
  REQUIRE(hotels.Reserve("k1", 4, &room, &context).ok());
  CHECK(room.reservation() == "k1");
  CHECK(room.stars() == 4);
  CHECK(room.price() > 0);
  grpc::ClientContext again;
  v1::Room repeat;
  REQUIRE(hotels.Reserve("k1", 4, &repeat, &again).ok());
  CHECK(repeat.SerializeAsString() == room.SerializeAsString());
  CHECK(hotels.Reserve("k1", 3) == grpc::StatusCode::INVALID_ARGUMENT);

  grpc::ClientContext look;
  v1::GetRequest get;
  get.set_reservation("k1");
  v1::Reservation reservation;
  REQUIRE(hotels.stub().Get(&look, get, &reservation).ok());
  CHECK(reservation.state() == "held");
  CHECK(reservation.room().room() == room.room());

  CHECK(hotels.Release("k1").released());
  CHECK(hotels.Release("k1").released());
  const Json rows = hotels.Get("/ledger").at("rows");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("gid") == "g1");
  CHECK(rows[0].at("attempt") == "3");
  CHECK(hotels.Get("/summary").at("net") == 0);
}

TEST_CASE("a class of rooms that is full refuses while another still has some") {
  HotelsFixture hotels(R"({"capacity-of": {"Lisbon/4": 0}})");
  CHECK(hotels.Reserve("k1", 4) == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(hotels.Reserve("k1", 3) == grpc::StatusCode::OK);
  CHECK(hotels.Reserve("k2", 9) == grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_CASE("a reservation released before it was made can no longer be made") {
  HotelsFixture hotels;
  CHECK_FALSE(hotels.Release("k1").released());
  CHECK(hotels.Reserve("k1", 4) == grpc::StatusCode::FAILED_PRECONDITION);
  CHECK(hotels.Get("/summary").at("undone_before_done") == 1);

  grpc::ClientContext look;
  v1::GetRequest get;
  get.set_reservation("k1");
  v1::Reservation reservation;
  CHECK(hotels.stub().Get(&look, get, &reservation).error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("the hotels fail, refuse and hang when told") {
  HotelsFixture hotels;
  REQUIRE(hotels.Control(R"({"fail-next": 1, "refuse-next": 1, "hang-for": "1h"})") == 200);
  CHECK(hotels.Reserve("k1", 4) == grpc::StatusCode::UNAVAILABLE);
  CHECK(hotels.Reserve("k1", 4) == grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(hotels.Get("/summary").at("net") == 0);

  REQUIRE(hotels.Control(R"({"hang-next": 1})") == 200);
  grpc::ClientContext context;
  grpc::Status status;
  std::thread caller([&] {
    v1::Room room;
    status = hotels.Reserve("k1", 4, &room, &context);
  });
  while (hotels.Get("/summary").at("net") == 0) {
    std::this_thread::yield();
  }
  context.TryCancel();
  caller.join();
  CHECK(status.error_code() == grpc::StatusCode::CANCELLED);
  CHECK(hotels.Reserve("k1", 4) == grpc::StatusCode::OK);
  CHECK(hotels.Get("/summary").at("net") == 1);
  CHECK(hotels.Control(R"({"garbage-next": 1})") == 400);
}

TEST_CASE("a held-back answer is given when the hotels stop") {
  HotelsFixture hotels(R"({"hang-next": 1, "hang-for": "1h"})");
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::thread caller([&] { code = hotels.Reserve("k1", 4); });
  while (hotels.Get("/summary").at("net") == 0) {
    std::this_thread::yield();
  }
  hotels.server().Stop();
  caller.join();
  CHECK(code == grpc::StatusCode::OK);
}

// Asks the reflection service for the list of services, in the bytes of its protocol.
std::string ReflectedServices(const std::string& address) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto step = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto stream = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  stream->StartCall(nullptr);
  REQUIRE(step());
  const grpc::Slice list_services(std::string("\x3a\x00", 2));  // Field 7, an empty string.
  stream->Write(grpc::ByteBuffer(&list_services, 1), nullptr);
  REQUIRE(step());
  grpc::ByteBuffer answer;
  stream->Read(&answer, nullptr);
  REQUIRE(step());
  context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  step();
  grpc::Slice bytes;
  REQUIRE(answer.DumpToSingleSlice(&bytes).ok());
  return {reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
}

TEST_CASE("the hotels describe themselves through server reflection") {
  HotelsFixture hotels;
  CHECK(ReflectedServices(hotels.server().grpc_address()).find("travel.v1.Hotels") !=
        std::string::npos);
}

TEST_CASE("a gRPC port that is taken is an error, not a shared port") {
  HotelsFixture hotels;
  test::Scratch scratch;
  const auto business = MakeHotels();
  Options options;
  options.db = scratch.File("other.db");
  options.control = "127.0.0.1:0";
  options.listen = hotels.server().grpc_address();
  CHECK_THROWS_AS(HotelsServer(*business, options), std::runtime_error);
}

}  // namespace
}  // namespace travel
