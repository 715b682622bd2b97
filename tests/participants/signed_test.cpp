// Calls as a participant receives them where they are signed.
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <catch2/catch.hpp>

#include "inventory.grpc.pb.h"
#include "net/signing/call_signature.h"
#include "tests/net/dns_server.h"
#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using net::testing::Peer;
using testing::At;
using testing::Bench;
using testing::Service;

using KeyPtr = std::shared_ptr<const net::SigningKey>;

KeyPtr NewKey() {
  return std::make_shared<const net::SigningKey>(net::SigningKey::Generate());
}

CallerOptions SignedBy(const KeyPtr& key) {
  CallerOptions options;
  options.signing_key = [key] { return key; };
  return options;
}

net::FindKey Only(const KeyPtr& key) {
  return [key](const std::string& id) -> Result<net::VerifyingKey> {
    return id == key->id() ? Result<net::VerifyingKey>(key->public_key())
                           : NotFound("signature.unknown_key", id);
  };
}

// What was received, taken apart.
struct SignedRequest {
  std::string method;
  std::string target;
  net::HttpHeaders headers;
  std::string body;

  explicit SignedRequest(const std::string& text) {
    const size_t end = text.find("\r\n\r\n");
    body = text.substr(end + 4);
    std::istringstream lines(text.substr(0, end));
    std::string line;
    std::getline(lines, line);
    method = line.substr(0, line.find(' '));
    target = line.substr(method.size() + 1, line.rfind(' ') - method.size() - 1);
    while (std::getline(lines, line)) {
      line.erase(line.find_last_not_of('\r') + 1);
      const size_t colon = line.find(": ");
      headers.Add(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  [[nodiscard]] Status Verify(const net::FindKey& find, Instant now) const {
    return net::VerifyCall({net::CallProtocol::kHttp, method, target, body}, headers, now,
                           net::kDefaultSignatureWindow, find);
  }
};

// Keeps what a signature over gRPC is about.
class MessageRecorder final : public inventory::v1::Inventory::Service {
 public:
  MessageRecorder() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~MessageRecorder() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::Status Reserve(grpc::ServerContext* context, const inventory::v1::ReserveRequest* request,
                       inventory::v1::ReserveReply*) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, value] : context->client_metadata()) {
      metadata_.Add({name.data(), name.size()}, {value.data(), value.size()});
    }
    message_ = request->SerializeAsString();
    return grpc::Status::OK;
  }

  [[nodiscard]] dsl::Participant Participant() const {
    std::ifstream file(INVENTORY_DESCRIPTOR_SET, std::ios::binary);
    std::ostringstream set;
    set << file.rdbuf();
    dsl::Participant participant;
    participant.address = dsl::GrpcAddress{
        "127.0.0.1:" + std::to_string(port_), "inventory.v1.Inventory", false, set.str(), {}};
    return participant;
  }
  [[nodiscard]] std::string audience() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] uint16_t port() const { return static_cast<uint16_t>(port_); }
  [[nodiscard]] net::HttpHeaders metadata() {
    const std::lock_guard lock(mutex_);
    return metadata_;
  }
  [[nodiscard]] std::string message() {
    const std::lock_guard lock(mutex_);
    return message_;
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  net::HttpHeaders metadata_;
  std::string message_;
};

}  // namespace

TEST_CASE("calls and polls over REST verify as they arrive") {
  Service service;
  Peer peer(service.Script());
  const KeyPtr key = NewKey();
  Bench bench(At(peer, {{"X-Tenant", "acme"}}), dsl::Mode::kTcc, SignedBy(key));
  bench.context.traceparent = "00-1-2-01";
  const std::string origin = "127.0.0.1:" + std::to_string(peer.port());
  bench.Call("t1",
             engine::RenderedHttp{"PUT", "/orders/1?dry=%20", {{"X-Step", "1"}}, "{\"a\":1}"});
  bench.Reply(0);
  bench.Call("t2", engine::RenderedHttp{"DELETE", "/orders/1", {}, std::nullopt}, dsl::Role::kUndo);
  bench.Reply(1);
  bench.Poll("t3", "http://" + origin + "/orders/1/state");
  bench.Reply(2);
  REQUIRE(service.Count() == 3);
  for (size_t place = 0; place < 3; ++place) {
    const SignedRequest received(service.Received(place));
    CAPTURE(received.method, received.target);
    CHECK(received.headers.Find("Entente-Audience") == origin);
    CHECK(received.Verify(Only(key), bench.Now()).ToString() == "ok");
    CHECK_FALSE(received.Verify(Only(NewKey()), bench.Now()).ok());
  }
}

TEST_CASE("calls over gRPC verify as they arrive, message included") {
  MessageRecorder recorder;
  const KeyPtr key = NewKey();
  Bench bench(recorder.Participant(), dsl::Mode::kSaga, SignedBy(key));
  bench.Call("t1", engine::RenderedGrpc{"Reserve", Json{{"itemName", "apple"}}});
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
  const net::HttpHeaders metadata = recorder.metadata();
  const std::string message = recorder.message();
  const auto verify = [&](const std::string& method, const std::string& bytes) {
    return net::VerifyCall({net::CallProtocol::kGrpc, "POST", method, bytes}, metadata, bench.Now(),
                           net::kDefaultSignatureWindow, Only(key))
        .ToString();
  };
  CHECK(metadata.Find("entente-audience") == recorder.audience());
  CHECK(verify("/inventory.v1.Inventory/Reserve", message) == "ok");
  CHECK(verify("/inventory.v1.Inventory/Release", message) != "ok");
  CHECK(verify("/inventory.v1.Inventory/Reserve", message + " ") != "ok");
}

TEST_CASE("calls over gRPC are for the service that is named, wherever its records lead") {
  MessageRecorder recorder;
  const net::testing::DnsServer server({{"localhost", recorder.port(), 0, 0}});
  dsl::Participant participant = recorder.Participant();
  std::get<dsl::GrpcAddress>(participant.address).target =
      "grpc+srv://_inventory._tcp.example.test";
  CallerOptions options = SignedBy(NewKey());
  options.dns.server = server.address();
  Bench bench(std::move(participant), dsl::Mode::kSaga, std::move(options));
  bench.Call("t1", engine::RenderedGrpc{"Reserve", Json{{"itemName", "apple"}}});
  CHECK(std::holds_alternative<engine::ReplyDone>(bench.Reply(0)));
  CHECK(recorder.metadata().Find("entente-audience") == "example.test");
}

TEST_CASE("a key that takes over is used from the next call on") {
  Service service;
  Peer peer(service.Script());
  KeyPtr current = NewKey();
  CallerOptions options;
  options.signing_key = [&current] { return current; };
  Bench bench(At(peer), dsl::Mode::kSaga, options);
  for (size_t call = 0; call < 3; ++call) {
    current = NewKey();
    bench.Call("t" + std::to_string(call));
    bench.Reply(call);
    CHECK(SignedRequest(service.Received(call)).Verify(Only(current), bench.Now()).ok());
  }
}

TEST_CASE("a participant that trusts no call is told about, and soon left alone by the others") {
  Service service;
  service.answer =
      "HTTP/1.1 425 Too Early\r\nEntente-Unverified: signature.missing\r\n"
      "Content-Length: 10\r\n\r\nnot signed";
  Peer peer(service.Script());
  Bench bench(At(peer));
  for (size_t call = 0; call < 5; ++call) {
    bench.Call("t" + std::to_string(call));
    const auto* turned_away = std::get_if<engine::ReplyNotSent>(&bench.Reply(call));
    REQUIRE(turned_away != nullptr);
    CHECK(turned_away->failure.code == "participant.unverified");
  }
  CHECK(bench.Stats().breaker == "open");
}

}  // namespace entente::participants
