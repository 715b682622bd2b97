// What the gRPC server does with too many connections, with bytes that are no message, and with
// those who ask what it looks like.
#include <array>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "coordinator/api/grpc/grpc_header_guard.h"
#include "coordinator/api/grpc/grpc_reflection_service.h"
#include "net/grpc/grpc_client.h"
#include "tests/api/grpc_fixture.h"

namespace entente::api::test {
namespace {

// With a connection of its own.
std::shared_ptr<grpc::Channel> ChannelTo(const Grpc& grpc, int number = 0) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("entente.number", number);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(grpc.server->port()),
                                   grpc::InsecureChannelCredentials(), arguments);
}

grpc::Status AskHealth(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  pb::Health health;
  return pb::Coordinator::NewStub(channel)->GetHealth(&context, {}, &health);
}

TEST_CASE("as many gRPC connections as may be are served, and another one when one has gone") {
  GrpcOptions options;
  options.max_connections = 3;
  Grpc grpc(options);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 3; ++i) {
    channels.push_back(ChannelTo(grpc, i));
    CHECK(AskHealth(channels.back()).ok());
  }
  CHECK(grpc.server->stats().connections == 3);
  const auto late = ChannelTo(grpc, 3);
  CHECK(AskHealth(late).error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(grpc.server->stats().connections_refused >= 1);
  for (const auto& channel : channels) {
    CHECK(AskHealth(channel).ok());  // Whoever was served still is.
  }
  channels.pop_back();
  while (!AskHealth(late).ok()) {
    std::this_thread::yield();
  }
  channels.clear();
  while (grpc.server->stats().connections > 1) {
    std::this_thread::yield();
  }
}

TEST_CASE("connections that come and go do not use up the limit") {
  GrpcOptions options;
  options.max_connections = 2;
  Grpc grpc(options);
  for (int i = 0; i < 50; ++i) {
    const auto channel = ChannelTo(grpc, i);
    while (!AskHealth(channel).ok()) {  // The one before may not be quite gone.
      std::this_thread::yield();
    }
  }
  CHECK(grpc.server->stats().connections <= 2);
}

TEST_CASE("an address where somebody listens is refused") {
  Grpc first;
  FakeCoordinator coordinator;
  const auto second = GrpcServer::Start(
      coordinator, "127.0.0.1:" + std::to_string(first.server->port()), GrpcOptions{});
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().reason() == "listen.failed");
}

// HTTP/2 as bytes, over a connection of its own.
class RawClient {
 public:
  explicit RawClient(const Grpc& grpc) : socket_(io_) {
    socket_.connect(
        {boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(grpc.server->port())});
  }

  // False once the server has closed the connection.
  bool Send(std::string_view bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes), error);
    return !error;
  }
  void ReadToEnd() {
    boost::system::error_code error;
    while (!error) {
      std::array<char, 4'096> read{};
      socket_.read_some(boost::asio::buffer(read), error);
    }
  }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
};

constexpr char kSettings = 4;
constexpr char kHeaders = 1;
constexpr char kContinuation = 9;
constexpr char kEndHeaders = 4;

std::string Frame(char type, char flags, const std::string& payload, char stream = 1) {
  const size_t length = payload.size();
  return std::string{static_cast<char>(length >> 16),
                     static_cast<char>(length >> 8),
                     static_cast<char>(length),
                     type,
                     flags,
                     0,
                     0,
                     0,
                     stream} +
         payload;
}

std::string Begin() {
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, "", 0);
}

// A field that is not kept, as a literal.
std::string Literal(const std::string& name, const std::string& value) {
  return std::string{0, static_cast<char>(name.size())} + name + static_cast<char>(value.size()) +
         value;
}

TEST_CASE("headers without end cost their connection, and nobody else's") {
  Grpc grpc;
  RawClient endless(grpc);
  REQUIRE(endless.Send(Begin()));
  REQUIRE(endless.Send(Frame(kHeaders, 0, Literal(":method", "POST"))));
  const std::string more = GENERATE(Literal("x", std::string(100, 'a')), std::string());
  size_t sent = 0;
  while (endless.Send(Frame(kContinuation, 0, more))) {
    ++sent;
    REQUIRE(sent < 10'000'000);
  }
  CHECK(grpc.server->stats().connections_cut_off == 1);
  CHECK(AskHealth(ChannelTo(grpc)).ok());
}

TEST_CASE("a header block may come in frames, and in pieces of frames") {
  HeaderGuard guard(1'000);
  const std::string block = Frame(kHeaders, 0, std::string(400, 'h')) +
                            Frame(kContinuation, kEndHeaders, std::string(400, 'c')) +
                            Frame(0, 0, std::string(5'000, 'd'));
  std::string all = Begin();
  for (int i = 0; i < 20; ++i) {
    all += block;
  }
  for (const char byte : all) {
    REQUIRE(guard.Take({&byte, 1}));
  }
  HeaderGuard at_once(1'000);
  CHECK(at_once.Take(all));
  CHECK_FALSE(at_once.Take(Frame(kHeaders, 0, std::string(400, 'h')) +
                           Frame(kContinuation, 0, std::string(601, 'c'))));
  HeaderGuard many(1'000);
  std::string small = Begin() + Frame(kHeaders, 0, "h");
  for (int i = 0; i < 8; ++i) {
    small += Frame(kContinuation, 0, "");
  }
  CHECK_FALSE(many.Take(small));
}

TEST_CASE("connections that say nothing make room for those who call") {
  GrpcOptions options;
  options.max_connections = 3;
  Grpc grpc(options);
  const auto caller = ChannelTo(grpc);
  CHECK(AskHealth(caller).ok());
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 10; ++i) {
    silent.push_back(std::make_unique<RawClient>(grpc));
  }
  CHECK(AskHealth(ChannelTo(grpc, 1)).ok());
  CHECK(AskHealth(caller).ok());
  silent.front()->ReadToEnd();
}

TEST_CASE("requests of a megabyte come through beside each other") {
  Grpc grpc;
  const auto channel = ChannelTo(grpc);
  std::vector<std::future<bool>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(std::async(std::launch::async, [&] {
      grpc::ClientContext context;
      pb::PutDefinitionRequest request;
      request.set_name("large");
      request.set_source(std::string(900'000, 'x'));
      pb::Definition stored;
      return pb::Coordinator::NewStub(channel)->PutDefinition(&context, request, &stored).ok();
    }));
  }
  for (auto& answer : answers) {
    CHECK(answer.get());
  }
}

grpc::Status SendBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                       const std::string& bytes) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, {}, &request, &response,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

TEST_CASE("bytes that are not a method's message are an invalid argument, for every method") {
  Grpc grpc;
  const auto channel = ChannelTo(grpc);
  const auto* service = pb::Transaction::descriptor()->file()->FindServiceByName("Coordinator");
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string method = "/entente.v1.Coordinator/" + service->method(i)->name();
    CAPTURE(method);
    // A tag without a value, a length beyond the end, no tag at all, text that is not UTF-8.
    for (const std::string bytes : {"\x08", "\x0a\x7fz", "\xff\xff\xff", "\x03"}) {
      const grpc::Status status = SendBytes(channel, method, bytes);
      CHECK(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
      CHECK(ProblemOf(status).code() == "request.not_protobuf");
    }
  }
  CHECK(grpc.coordinator.mutations() == 0);
  CHECK(SendBytes(channel, "/entente.v1.Coordinator/GetHealth", "").ok());
  CHECK(SendBytes(channel, "/entente.v1.Coordinator/Nothing", "").error_code() ==
        grpc::StatusCode::UNIMPLEMENTED);
}

net::GrpcOutcome CallByReflection(const Grpc& grpc) {
  boost::asio::io_context io;
  net::GrpcClient client(io, {});
  net::GrpcRequest request;
  request.target = net::Origin{false, "127.0.0.1", static_cast<uint16_t>(grpc.server->port())};
  request.method = "/entente.v1.Coordinator/GetHealth";
  request.body = Json::object();
  std::optional<net::GrpcOutcome> outcome;
  client.Call(std::move(request), std::chrono::minutes(1),
              [&outcome](net::GrpcOutcome ended) { outcome = std::move(ended); });
  while (!outcome) {
    io.run_one();
    io.restart();
  }
  return std::move(*outcome);
}

TEST_CASE("reflection tells what the API looks like, if it is switched on") {
  GrpcOptions options;
  options.reflection = true;
  Grpc open(options);
  const net::GrpcOutcome called = CallByReflection(open);
  REQUIRE(std::holds_alternative<net::GrpcResponse>(called));
  CHECK(std::get<net::GrpcResponse>(called).code == 0);
  CHECK(std::get<net::GrpcResponse>(called).body.contains("ready"));
  CHECK(SendBytes(ChannelTo(open), "/entente.v1.Coordinator/Nothing", "").error_code() ==
        grpc::StatusCode::UNIMPLEMENTED);

  Grpc closed;
  const net::GrpcOutcome refused = CallByReflection(closed);
  REQUIRE(std::holds_alternative<net::CallError>(refused));
  CHECK(std::get<net::CallError>(refused).reason == "reflection.failed");
}

// What a field of the answer holds; nothing if it is not there.
std::optional<std::string> FieldOf(const std::string& bytes, int number) {
  google::protobuf::UnknownFieldSet fields;
  REQUIRE(fields.ParseFromString(bytes));
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == number) {
      return fields.field(i).type() == google::protobuf::UnknownField::TYPE_VARINT
                 ? std::to_string(fields.field(i).varint())
                 : fields.field(i).length_delimited();
    }
  }
  return std::nullopt;
}

std::string Asking(int number, const std::string& text) {
  google::protobuf::UnknownFieldSet fields;
  fields.AddLengthDelimited(number, text);
  std::string bytes;
  fields.SerializeToString(&bytes);
  return bytes;
}

TEST_CASE("reflection describes the API, and nothing else of the program") {
  CHECK(FieldOf(AnswerReflection(Asking(7, "")), 6)->find("entente.v1.Coordinator") !=
        std::string::npos);
  for (const char* symbol : {"entente.v1.Coordinator", "entente.v1.Coordinator.GetBranchCall",
                             "entente.v1.Transaction", "google.protobuf.Value"}) {
    CAPTURE(symbol);
    CHECK(FieldOf(AnswerReflection(Asking(4, symbol)), 4));
  }
  CHECK(FieldOf(AnswerReflection(Asking(3, "entente/v1/coordinator.proto")), 4));
  const std::vector<std::string> refused{Asking(4, "entente.journal.v1.Record"),
                                         Asking(4, ""),
                                         Asking(3, "/etc/passwd"),
                                         Asking(5, ""),
                                         Asking(6, "x"),
                                         Asking(9, "x"),
                                         "",
                                         "\xff\xff\xff",
                                         std::string(5'000, '\0')};
  for (const std::string& request : refused) {
    CAPTURE(request.size());
    const std::string answer = AnswerReflection(request);
    CHECK(FieldOf(answer, 7));
    CHECK_FALSE(FieldOf(answer, 4));
    CHECK(FieldOf(answer, 2) == request);
  }
}

}  // namespace
}  // namespace entente::api::test
