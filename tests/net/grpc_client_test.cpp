// The gRPC client against a real server that knows nothing of the coordinator.
#include "net/grpc/grpc_client.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include <grpcpp/grpcpp.h>
#include <catch2/catch.hpp>

#include "inventory.grpc.pb.h"
#include "net/core/local_exhaustion.h"
#include "net/core/tls_files.h"
#include "net/grpc/type_cache.h"
#include "tests/net/loopback.h"
#include "tests/net/test_certificates.h"

namespace entente::net {
namespace {

using testing::DeadPort;
using testing::Loop;

constexpr Duration kLong = std::chrono::minutes(5);

class Inventory final : public inventory::v1::Inventory::Service {
 public:
  grpc::Status Reserve(grpc::ServerContext* context, const inventory::v1::ReserveRequest* request,
                       inventory::v1::ReserveReply* reply) override {
    for (const auto& [name, value] : context->client_metadata()) {
      const std::lock_guard lock(mutex_);
      metadata_[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    for (const auto& name :
         context->auth_context()->FindPropertyValues("x509_subject_alternative_name")) {
      const std::lock_guard lock(mutex_);
      metadata_["shown-name"] = std::string(name.data(), name.size());
    }
    context->AddInitialMetadata("entente-pending", "token-1");
    context->AddTrailingMetadata("retry-after", "7");
    if (request->item_name() == "none") {
      return {grpc::StatusCode::FAILED_PRECONDITION, "no room"};
    }
    if (request->item_name() == "forwarded") {
      // What a server says that passes on the failure of a call it made itself.
      return {
          grpc::StatusCode::UNAVAILABLE,
          "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to "
          "connect to remote host: Connection refused"};
    }
    reply->set_reservation_id("r-" + request->item_name());
    reply->set_price_cents(9'007'199'254'740'993);
    return grpc::Status::OK;
  }
  grpc::Status Mirror(grpc::ServerContext*, const inventory::v1::Everything* request,
                      inventory::v1::Everything* reply) override {
    *reply = *request;
    return grpc::Status::OK;
  }
  grpc::Status Hang(grpc::ServerContext* context, const inventory::v1::ReserveRequest*,
                    inventory::v1::ReserveReply*) override {
    hanging_.fetch_add(1);
    hanging_.notify_all();
    while (!context->IsCancelled()) {
      std::this_thread::yield();
    }
    return grpc::Status::CANCELLED;
  }
  grpc::Status Flood(grpc::ServerContext*, const inventory::v1::FloodRequest* request,
                     inventory::v1::FloodReply* reply) override {
    reply->set_text(std::string(static_cast<size_t>(request->bytes()), 'x'));
    return grpc::Status::OK;
  }
  std::string metadata(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return metadata_[name];
  }
  void WaitUntilHanging() { hanging_.wait(0); }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> metadata_;
  std::atomic<int> hanging_ = 0;
};

class Server {
 public:
  explicit Server(
      bool reflection,
      std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials(),
      int port = 0, const std::string& address = "127.0.0.1") {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address + ":" + std::to_string(port), credentials, &port_);
    builder.RegisterService(&service);
    if (!reflection) {
      builder.SetOption(std::make_unique<WithoutPlugins>());
    }
    server_ = builder.BuildAndStart();
  }
  ~Server() { Stop(); }
  void Stop() {
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now());
      server_.reset();
    }
  }
  // Zero: it could not listen.
  [[nodiscard]] uint16_t port() const { return static_cast<uint16_t>(port_); }
  Inventory service;

 private:
  // Linking the reflection library switches it on for every server of the process.
  class WithoutPlugins final : public grpc::ServerBuilderOption {
   public:
    void UpdateArguments(grpc::ChannelArguments*) override {}
    void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
      plugins->clear();
    }
  };

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Its bytes stand for its digest.
std::shared_ptr<const GivenDescriptors> Given(const std::string& descriptor_set) {
  return std::make_shared<const GivenDescriptors>(
      GivenDescriptors{descriptor_set, std::make_shared<const std::string>(descriptor_set)});
}

class Caller {
 public:
  explicit Caller(GrpcClientOptions options = {}) {
    options.reflection_timeout = kLong;  // A slow machine is not what these tests are about.
    loop_.Run([&] { client_ = std::make_unique<GrpcClient>(loop_.io(), options); });
  }
  ~Caller() {
    loop_.Run([&] { client_.reset(); });
  }
  // For all requests from here on; nothing: reflection.
  void Use(const std::optional<std::string>& descriptor_set) {
    descriptors_ = descriptor_set ? Given(*descriptor_set) : nullptr;
  }
  std::future<GrpcOutcome> Start(GrpcRequest request, Duration timeout = kLong) {
    if (descriptors_ != nullptr) {
      request.descriptors = descriptors_;
    }
    auto promise = std::make_shared<std::promise<GrpcOutcome>>();
    auto future = promise->get_future();
    loop_.Run([&] {
      client_->Call(std::move(request), timeout,
                    [promise](GrpcOutcome outcome) { promise->set_value(std::move(outcome)); });
    });
    return future;
  }
  GrpcOutcome Call(uint16_t port, const std::string& method, Json body, Duration timeout = kLong) {
    return Start(Request(port, method, std::move(body)), timeout).get();
  }
  static GrpcRequest Request(uint16_t port, const std::string& method, Json body) {
    GrpcRequest request;
    request.target = Origin{false, "127.0.0.1", port};
    request.method = "/inventory.v1.Inventory/" + method;
    request.body = std::move(body);
    return request;
  }
  template <class Work>
  auto Run(Work work) {
    return loop_.Run([&] { return work(*client_); });
  }

 private:
  Loop loop_;
  std::unique_ptr<GrpcClient> client_;
  std::shared_ptr<const GivenDescriptors> descriptors_;
};

const GrpcResponse& Response(const GrpcOutcome& outcome) {
  if (const auto* error = std::get_if<CallError>(&outcome)) {
    FAIL(error->reason << ": " << error->message);
  }
  return std::get<GrpcResponse>(outcome);
}

const CallError& Error(const GrpcOutcome& outcome, CallFailure failure, const std::string& reason) {
  if (const auto* response = std::get_if<GrpcResponse>(&outcome)) {
    FAIL("answered " << response->code << ": " << response->message);
  }
  const auto& error = std::get<CallError>(outcome);
  CAPTURE(error.message);
  CHECK(CallFailureName(error.failure) == CallFailureName(failure));
  CHECK(error.reason == reason);
  return error;
}

// Calls until the outcome is of interest: the client spaces out what it asks anew.
template <class Interesting>
GrpcOutcome CallUntil(Caller& caller, const GrpcRequest& request, const Interesting& interesting) {
  while (true) {
    GrpcOutcome outcome = caller.Start(request).get();
    if (interesting(outcome)) {
      return outcome;
    }
    Error(outcome, CallFailure::kNotSent, "connect.failed");
  }
}

bool IsAnswered(const GrpcOutcome& outcome) {
  return std::holds_alternative<GrpcResponse>(outcome);
}

std::string DescriptorSet() {
  std::ifstream file(INVENTORY_DESCRIPTOR_SET, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

TEST_CASE("a method is called with JSON through the server's reflection") {
  Server server(true);
  Caller caller;
  GrpcRequest request =
      Caller::Request(server.port(), "Reserve", {{"itemName", "bed"}, {"count", 2}});
  request.metadata.Add("idempotency-key", "k-1");
  const GrpcOutcome outcome = caller.Start(std::move(request)).get();
  const GrpcResponse& response = Response(outcome);
  CHECK(response.code == kGrpcOk);
  CHECK(response.body ==
        Json{{"reservationId", "r-bed"}, {"priceCents", "9007199254740993"}, {"left", 0}});
  CHECK(response.metadata.Find("entente-pending") == "token-1");
  CHECK(response.metadata.Find("retry-after") == "7");
  CHECK(server.service.metadata("idempotency-key") == "k-1");
}

TEST_CASE("a descriptor set serves where there is no reflection") {
  Server server(false);
  Caller caller;
  const auto without = caller.Call(server.port(), "Reserve", {{"itemName", "bed"}});
  const CallError& error = Error(without, CallFailure::kNotSent, "reflection.failed");
  CHECK(error.message.find("no reflection service") != std::string::npos);
  caller.Use(DescriptorSet());
  CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}}))
            .body["reservationId"] == "r-bed");
}

TEST_CASE("a descriptor set serves those requests only that carry it") {
  Server server(true);
  Caller caller;
  google::protobuf::FileDescriptorSet set;
  REQUIRE(set.ParseFromString(DescriptorSet()));
  for (auto& file : *set.mutable_file()) {
    for (auto& message : *file.mutable_message_type()) {
      if (message.name() == "ReserveRequest") {
        message.mutable_field(0)->set_name("renamed");
        message.mutable_field(0)->clear_json_name();
      }
    }
  }
  GrpcRequest other = Caller::Request(server.port(), "Reserve", {{"renamed", "bed"}});
  other.descriptors = Given(set.SerializeAsString());
  CHECK(Response(caller.Start(other).get()).code == kGrpcOk);
  // The same service on the same host, described by reflection.
  CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}})).code == kGrpcOk);
}

// The same service, described by other bytes.
std::string OtherDescriptorSet() {
  google::protobuf::FileDescriptorSet set;
  REQUIRE(set.ParseFromString(DescriptorSet()));
  // In one file: others share a package, in which a name stands once.
  set.mutable_file()->rbegin()->add_message_type()->set_name("Unused");
  return set.SerializeAsString();
}

// Room for the types of either, not of both.
GrpcClientOptions RoomForOne() {
  GrpcClientOptions options;
  options.max_type_bytes = TypeBytes(OtherDescriptorSet().size());
  options.type_bytes = std::make_shared<std::atomic<size_t>>(0);
  return options;
}

TEST_CASE("message types that no call uses are let go of, and made again") {
  Server server(true);
  const GrpcClientOptions options = RoomForOne();
  {
    Caller caller(options);
    for (int i = 0; i < 3; ++i) {
      for (const std::string& set : {DescriptorSet(), OtherDescriptorSet()}) {
        caller.Use(set);
        CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}})).code ==
              kGrpcOk);
        CHECK(*options.type_bytes == TypeBytes(set.size()));
      }
      // What reflection tells counts as well.
      caller.Use(std::nullopt);
      CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}})).code == kGrpcOk);
      CHECK(*options.type_bytes > 0);
      CHECK(*options.type_bytes <= options.max_type_bytes);
    }
  }
  CHECK(*options.type_bytes == 0);
}

TEST_CASE("a call for whose types there is no room is one that this machine can not make") {
  Server server(false);
  Caller caller(RoomForOne());
  caller.Use(DescriptorSet());
  auto hanging = caller.Start(Caller::Request(server.port(), "Hang", Json::object()));
  server.service.WaitUntilHanging();
  caller.Use(OtherDescriptorSet());
  const GrpcOutcome outcome = caller.Call(server.port(), "Reserve", {{"itemName", "bed"}});
  const auto* error = std::get_if<CallError>(&outcome);
  REQUIRE(error != nullptr);
  CHECK(error->failure == CallFailure::kNotSent);
  CHECK(error->fault == CallFault::kLocal);
  CHECK(error->reason == kLocalExhaustion);
  CHECK_THAT(error->message, Catch::Contains("message types"));
  // What is in use is shared by whoever has the same descriptors.
  caller.Use(DescriptorSet());
  CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}})).code == kGrpcOk);
  caller.Run([](GrpcClient& client) { client.CancelAll(); });
  hanging.get();
  caller.Use(OtherDescriptorSet());
  // There is room as soon as gRPC has let go of the call that was given up.
  while (!std::holds_alternative<GrpcResponse>(
      caller.Call(server.port(), "Reserve", {{"itemName", "bed"}}))) {
    std::this_thread::yield();
  }
}

TEST_CASE("types larger than the limit are let in where there are no others") {
  Server server(false);
  GrpcClientOptions options;
  options.max_type_bytes = 1;
  Caller caller(options);
  caller.Use(DescriptorSet());
  CHECK(Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}})).code == kGrpcOk);
}

TEST_CASE("a descriptor set names the methods that can be called") {
  CHECK(UnaryMethods(DescriptorSet()).value() ==
        std::vector<std::string>{"inventory.v1.Inventory/Reserve", "inventory.v1.Inventory/Mirror",
                                 "inventory.v1.Inventory/Hang", "inventory.v1.Inventory/Flood"});
  CHECK(UnaryMethods("\xff\xff").status().reason() == "descriptor_set.invalid");
}

TEST_CASE("a descriptor set that is no such thing, or lacks an import, is refused") {
  const auto registered = [](const std::string& bytes) {
    return ReadDescriptorSet(bytes).status();
  };
  CHECK(registered("\xff\xff not protobuf").reason() == "descriptor_set.invalid");
  google::protobuf::FileDescriptorSet set;
  auto* file = set.add_file();
  file->set_name("a.proto");
  file->add_dependency("b.proto");
  const Status missing = registered(set.SerializeAsString());
  CHECK(missing.reason() == "descriptor_set.invalid");
  CHECK(missing.message().find("b.proto") != std::string::npos);
  file->clear_dependency();
  file->add_message_type()->add_field()->set_name("no number, no type");
  CHECK(registered(set.SerializeAsString()).reason() == "descriptor_set.invalid");
}

TEST_CASE("every kind of field survives the way there and back") {
  Server server(true);
  Caller caller;
  const Json body = {
      {"int64Value", "-5"},
      {"bytesValue", "AAEC"},
      {"colour", "COLOUR_RED"},
      {"requests", {{{"itemName", "x"}, {"count", 1}}}},
      {"byNumber", {{"7", {{"itemName", "y"}, {"count", 0}}}}},
      {"at", "2026-01-02T03:04:05Z"},
      {"details", {{"a", {1.0, "b", nullptr}}}},
      {"any", {{"@type", "type.googleapis.com/inventory.v1.FloodRequest"}, {"bytes", 3}}},
  };
  const GrpcOutcome outcome = caller.Call(server.port(), "Mirror", body);
  for (const auto& [name, value] : body.items()) {
    CAPTURE(name);
    CHECK(Response(outcome).body.at(name) == value);
  }
}

TEST_CASE("a field the message does not have is an error and nothing is sent") {
  Server server(true);
  Caller caller;
  for (int i = 0; i < 2; ++i) {  // With fresh descriptors, and with remembered ones.
    const auto outcome = caller.Call(server.port(), "Reserve", {{"itemNam", "bed"}});
    const CallError& error = Error(outcome, CallFailure::kInvalidRequest, "proto.mismatch");
    CHECK(error.message.find("itemNam") != std::string::npos);
    CHECK(error.message.find("itemName") != std::string::npos);
  }
}

TEST_CASE("an unknown method or service, a streaming method and a malformed name are not sent") {
  Server server(true);
  Caller caller;
  Error(caller.Call(server.port(), "NoSuch", {}), CallFailure::kInvalidRequest, "request.method");
  Error(caller.Call(server.port(), "Watch", Json::object()), CallFailure::kInvalidRequest,
        "request.method");
  GrpcRequest request = Caller::Request(server.port(), "Reserve", Json::object());
  request.method = "/inventory.v1.NoSuch/Reserve";
  Error(caller.Start(request).get(), CallFailure::kNotSent, "reflection.failed");
  for (const char* method : {"", "/", "Reserve", "//x", "/a/", "/a b/c", "/a/b\r\n"}) {
    CAPTURE(method);
    request.method = method;
    Error(caller.Start(request).get(), CallFailure::kInvalidRequest, "request.method");
  }
}

TEST_CASE("metadata that gRPC would not survive is refused") {
  Server server(true);
  Caller caller;
  const std::pair<std::string, std::string> bad[] = {{"Upper", "x"},  {"a b", "x"},
                                                     {"", "x"},       {"grpc-timeout", "1S"},
                                                     {"a", "x\r\ny"}, {":path", "x"}};
  for (const auto& [name, value] : bad) {
    CAPTURE(name);
    GrpcRequest request = Caller::Request(server.port(), "Reserve", Json::object());
    request.metadata.Add(name, value);
    Error(caller.Start(std::move(request)).get(), CallFailure::kInvalidRequest, "request.metadata");
  }
}

TEST_CASE("a status the service chose comes back as it is") {
  Server server(true);
  Caller caller;
  const GrpcOutcome outcome = caller.Call(server.port(), "Reserve", {{"itemName", "none"}});
  CHECK(Response(outcome).code == 9);
  CHECK(Response(outcome).message == "no room");
  CHECK(Response(outcome).body.is_null());
  CHECK(Response(outcome).metadata.Find("retry-after") == "7");
}

TEST_CASE("a server that passes on its own failure to connect was sent to") {
  Server server(true);
  Caller caller;
  const GrpcOutcome outcome = caller.Call(server.port(), "Reserve", {{"itemName", "forwarded"}});
  CHECK(Response(outcome).code == kGrpcUnavailable);
}

TEST_CASE("a method the server does not implement is UNIMPLEMENTED") {
  Server server(false);
  Caller caller;
  // Its descriptors name a method that no server behind them has.
  google::protobuf::FileDescriptorSet set;
  REQUIRE(set.ParseFromString(DescriptorSet()));
  for (auto& file : *set.mutable_file()) {
    for (auto& service : *file.mutable_service()) {
      service.mutable_method(0)->set_name("Invented");
    }
  }
  caller.Use(set.SerializeAsString());
  const GrpcOutcome outcome = caller.Call(server.port(), "Invented", Json::object());
  CHECK(Response(outcome).code == kGrpcUnimplemented);
}

TEST_CASE("a call that is not answered ends with DEADLINE_EXCEEDED") {
  Server server(true);
  Caller caller;
  Response(caller.Call(server.port(), "Reserve", Json::object()));
  const GrpcOutcome outcome =
      caller.Call(server.port(), "Hang", Json::object(), std::chrono::milliseconds(50));
  CHECK(Response(outcome).code == kGrpcDeadlineExceeded);
}

TEST_CASE("a server that is not there is certainly not sent to") {
  const DeadPort dead;
  Caller caller;
  caller.Use(DescriptorSet());
  Error(caller.Call(dead.port(), "Reserve", Json::object()), CallFailure::kNotSent,
        "connect.failed");
  Caller reflecting;
  const GrpcOutcome unasked = reflecting.Call(dead.port(), "Reserve", Json::object());
  const CallError& error = Error(unasked, CallFailure::kNotSent, "connect.failed");
  CHECK(error.message.find("nobody answers there") != std::string::npos);
  CHECK(error.message.find("reflection") == std::string::npos);
}

TEST_CASE("a server lost during the call is an unknown outcome") {
  Server server(true);
  Caller caller;
  auto outcome = caller.Start(Caller::Request(server.port(), "Hang", Json::object()));
  server.service.WaitUntilHanging();
  server.Stop();
  const GrpcOutcome lost = outcome.get();
  CHECK((Response(lost).code == kGrpcUnavailable || Response(lost).code == 1));
}

TEST_CASE("a server that comes back is reached again") {
  auto server = std::make_unique<Server>(true);
  const uint16_t port = server->port();
  Caller caller;
  Response(caller.Call(port, "Reserve", Json::object()));
  server.reset();
  server = std::make_unique<Server>(true, grpc::InsecureServerCredentials(), port);
  REQUIRE(server->port() == port);
  // Calls may fail until gRPC has connected again; each says so and the next one may be tried.
  bool reached = false;
  while (!reached) {
    const GrpcOutcome outcome = caller.Call(port, "Reserve", {{"itemName", "bed"}});
    const auto* response = std::get_if<GrpcResponse>(&outcome);
    reached = response != nullptr && response->code == kGrpcOk;
  }
  CHECK(reached);
}

TEST_CASE("a call that what is known does not fit is not refused while the server is away") {
  Server server(true);
  Caller caller;
  Response(caller.Call(server.port(), "Reserve", {{"itemName", "bed"}}));
  server.Stop();
  // The server that comes back may know the field; its descriptors are asked for once more, though
  // not in the first second.
  GrpcOutcome outcome;
  do {
    outcome = caller.Call(server.port(), "Reserve", {{"itemName", "bed"}, {"floor", 3}});
  } while (std::get<CallError>(outcome).failure == CallFailure::kInvalidRequest);
  const CallError& error = Error(outcome, CallFailure::kNotSent, "connect.failed");
  CHECK(error.message.find("nobody answers there") != std::string::npos);
}

TEST_CASE("a name that led to nobody before anything was known is looked up again") {
  const Server server(true);
  int lookups = 0;
  GrpcClientOptions options;
  options.addresses_of = [&lookups](const std::string&) {
    return std::vector<std::string>{++lookups == 1 ? "127.0.0.2" : "127.0.0.1"};
  };
  Caller caller(options);
  GrpcRequest request = Caller::Request(server.port(), "Reserve", {{"itemName", "bed"}});
  request.target.host = "inventory";
  const GrpcOutcome outcome = CallUntil(caller, request, IsAnswered);
  CHECK(Response(outcome).body["reservationId"] == "r-bed");
  CHECK(lookups == 2);
}

TEST_CASE("a server that listens over IPv6 only is found by reflection too") {
  const DeadPort dead;  // Nobody listens there over IPv4.
  const Server server(true, grpc::InsecureServerCredentials(), dead.port(), "[::1]");
  if (server.port() == 0) {
    WARN("nothing can listen on ::1 here");
    return;
  }
  GrpcClientOptions options;
  options.addresses_of = [](const std::string&) {
    return std::vector<std::string>{"127.0.0.1", "::1"};
  };
  Caller caller(options);
  GrpcRequest request = Caller::Request(dead.port(), "Reserve", {{"itemName", "bed"}});
  request.target.host = "inventory";
  CHECK(Response(CallUntil(caller, request, IsAnswered)).code == kGrpcOk);
}

TEST_CASE("an answer past the cap is a bad response") {
  Server server(true);
  GrpcClientOptions options;
  options.max_message_bytes = 10'000;
  options.max_request_bytes = 10'000;
  Caller caller(options);
  CHECK(Response(caller.Call(server.port(), "Flood", {{"bytes", 9'000}})).code == kGrpcOk);
  Error(caller.Call(server.port(), "Flood", {{"bytes", 10'001}}), CallFailure::kBadResponse,
        "response.too_large");
  Error(caller.Call(server.port(), "Flood", {{"bytes", 20 << 20}}), CallFailure::kBadResponse,
        "response.too_large");
  Error(caller.Call(server.port(), "Reserve", {{"itemName", std::string(20'000, 'x')}}),
        CallFailure::kInvalidRequest, "request.too_large");
}

TEST_CASE("a blocked address is not called over gRPC either") {
  GrpcClientOptions options;
  options.policy = AddressPolicy::Parse({"http://127.0.0.1:*"}).value();
  Caller caller(options);
  Error(caller.Call(1, "Reserve", Json::object()), CallFailure::kInvalidRequest, "address.blocked");
  Caller open;
  for (const char* host : {"169.254.169.254", "2852039166"}) {
    GrpcRequest request = Caller::Request(80, "Reserve", Json::object());
    request.target.host = host;
    Error(open.Start(request).get(), CallFailure::kInvalidRequest, "address.blocked");
  }
}

TEST_CASE("a name that does not resolve is not sent to over gRPC") {
  Caller caller;
  GrpcRequest request = Caller::Request(80, "Reserve", Json::object());
  request.target.host = "no-such-host.invalid";
  Error(caller.Start(request).get(), CallFailure::kNotSent, "connect.resolve");
}

TEST_CASE("cancelling ends waiting and running gRPC calls") {
  Server server(true);
  Caller caller;
  auto running = caller.Start(Caller::Request(server.port(), "Hang", Json::object()));
  server.service.WaitUntilHanging();
  const DeadPort other;
  GrpcRequest waiting_request = Caller::Request(other.port(), "Reserve", Json::object());
  std::future<GrpcOutcome> waiting;
  std::promise<GrpcOutcome> promise;
  waiting = promise.get_future();
  caller.Run([&](GrpcClient& client) {
    client.Call(waiting_request, kLong,
                [&](GrpcOutcome outcome) { promise.set_value(std::move(outcome)); });
    client.CancelAll();
    CHECK(client.calls_in_flight() == 0);
  });
  Error(running.get(), CallFailure::kUnknown, "call.cancelled");
  Error(waiting.get(), CallFailure::kNotSent, "call.cancelled");
}

TEST_CASE("ending the client while calls run is orderly") {
  Server server(true);
  std::future<GrpcOutcome> running;
  {
    Caller caller;
    running = caller.Start(Caller::Request(server.port(), "Hang", Json::object()));
    server.service.WaitUntilHanging();
  }
  Error(running.get(), CallFailure::kUnknown, "call.cancelled");
}

TEST_CASE("gRPC over TLS verifies the server's name and authority") {
  const testing::Certificates right("localhost");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({right.ReadKey(), right.ReadCertificate()});
  Server server(true, grpc::SslServerCredentials(options));
  const auto call = [&](const std::string& ca_file, const std::string& host) {
    GrpcClientOptions client_options;
    client_options.tls.ca_file = ca_file;
    Caller caller(client_options);
    GrpcRequest request = Caller::Request(server.port(), "Reserve", {{"itemName", "bed"}});
    request.target.tls = true;
    request.target.host = host;
    return caller.Start(std::move(request)).get();
  };
  CHECK(Response(call(right.ca_file(), "localhost")).body["reservationId"] == "r-bed");
  Error(call(right.ca_file(), "127.0.0.1"), CallFailure::kNotSent, "connect.failed");
  const testing::Certificates wrong("localhost");
  Error(call(wrong.ca_file(), "localhost"), CallFailure::kNotSent, "connect.failed");
  Error(call("/nonexistent.pem", "localhost"), CallFailure::kNotSent, "tls.invalid");
}

TEST_CASE("gRPC over TLS holds a certificate to whom the call is of, not to where it is sent") {
  const testing::Certificates service("example.test");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({service.ReadKey(), service.ReadCertificate()});
  Server server(true, grpc::SslServerCredentials(options));
  GrpcClientOptions client_options;
  client_options.tls.ca_file = service.ca_file();
  Caller caller(client_options);
  const auto call = [&](const std::string& host) {
    GrpcRequest request = Caller::Request(server.port(), "Reserve", {{"itemName", "bed"}});
    request.connect_to = request.target;
    request.target = {true, host, 443};
    return caller.Start(std::move(request)).get();
  };
  CHECK(Response(call("example.test")).body["reservationId"] == "r-bed");
  Error(call("other.test"), CallFailure::kNotSent, "connect.failed");
  CHECK(Response(call("example.test")).body["reservationId"] == "r-bed");
}

TEST_CASE("gRPC shows a replaced certificate from the next call on, and goes on with what runs") {
  namespace fs = std::filesystem;
  const testing::Certificates server_side("localhost");
  const testing::Certificates first("first");
  const testing::Certificates second("second");
  const testing::Certificates shown("shown");  // Whose files the client has.
  const auto put = [&shown](const testing::Certificates& from) {
    const auto copy = fs::copy_options::overwrite_existing;
    fs::copy_file(from.certificate_file(), shown.certificate_file(), copy);
    fs::copy_file(from.key_file(), shown.key_file(), copy);
  };
  // Which one is shown is what matters here.
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.pem_key_cert_pairs.push_back({server_side.ReadKey(), server_side.ReadCertificate()});
  Server server(true, grpc::SslServerCredentials(options));

  put(first);
  GrpcClientOptions client_options;
  client_options.tls = {server_side.ca_file(), shown.certificate_file(), shown.key_file()};
  const auto files = TlsFiles::ForClients(client_options.tls).value();
  client_options.tls_changes = [files] { return files->current(); };
  Caller caller(client_options);
  const auto start = [&](const std::string& method) {
    GrpcRequest request = Caller::Request(server.port(), method, {{"itemName", "bed"}});
    request.target.tls = true;
    request.target.host = "localhost";
    return caller.Start(std::move(request));
  };
  Response(start("Reserve").get());
  CHECK(server.service.metadata("shown-name") == "first");
  auto running = start("Hang");
  server.service.WaitUntilHanging();

  put(second);
  Response(start("Reserve").get());
  CHECK(server.service.metadata("shown-name") == "first");
  CHECK(files->Refresh().value());
  Response(start("Reserve").get());
  CHECK(server.service.metadata("shown-name") == "second");
  caller.Run([](GrpcClient& client) { client.CancelAll(); });
  Error(running.get(), CallFailure::kUnknown, "call.cancelled");
}

}  // namespace entente::net
