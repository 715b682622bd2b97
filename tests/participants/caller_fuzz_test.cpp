// Participants that answer whatever comes to their mind: the process lives, every call comes to an
// end, and an ordinary call after it works.
#include <mutex>
#include <random>

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <catch2/catch.hpp>

#include "inventory.pb.h"
#include "tests/net/loopback.h"
#include "tests/participants/bench.h"

namespace entente::participants {
namespace {

using google::protobuf::FileDescriptorProto;
using inventory::v1::Everything;
using net::testing::Connection;
using net::testing::Peer;
using testing::Bench;

// The same run every time; shared with the threads of gRPC.
class Dice {
 public:
  size_t Below(size_t bound) {
    const std::lock_guard lock(mutex_);
    return engine_() % bound;
  }

  // A few bytes changed, put in or taken out.
  std::string Mangle(std::string bytes) {
    for (size_t changes = Below(4); changes > 0 && !bytes.empty(); --changes) {
      const size_t at = Below(bytes.size());
      switch (Below(4)) {
        case 0: bytes.insert(at, 1, static_cast<char>(Below(256))); break;
        case 1: bytes.erase(at, 1 + Below(8)); break;
        default: bytes[at] = static_cast<char>(Below(256));
      }
    }
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::mt19937 engine_{20260101};  // NOLINT(cert-msc51-cpp)
};

std::string Read(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  return buffer.DumpToSingleSlice(&slice).ok()
             ? std::string(reinterpret_cast<const char*>(slice.begin()), slice.size())
             : std::string();
}

// A gRPC server of any method: `answer` gets the method's name and the request's bytes.
class AnyServer {
 public:
  using Answer = std::function<std::string(const std::string& method, const std::string& request)>;

  explicit AnyServer(Answer answer) : service_(std::move(answer)) {
    net::SilenceProtobuf();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~AnyServer() { server_->Shutdown(std::chrono::system_clock::now()); }

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(const Answer& answer, std::string method)
        : answer_(answer), method_(std::move(method)) {
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        Finish(grpc::Status::OK);
        return;
      }
      const grpc::Slice slice(answer_(method_, Read(request_)));
      response_ = grpc::ByteBuffer(&slice, 1);
      StartWrite(&response_);
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
    const Answer& answer_;
    std::string method_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
  };

  class Service final : public grpc::CallbackGenericService {
   public:
    explicit Service(Answer answer) : answer_(std::move(answer)) {}
    grpc::ServerGenericBidiReactor* CreateReactor(
        grpc::GenericCallbackServerContext* context) override {
      return new Reactor(answer_, context->method());
    }

   private:
    Answer answer_;
  };

  int port_ = 0;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

// What reflection says of the inventory, as a ServerReflectionResponse: field 4, its files field 1.
std::string InventoryFiles(Dice* dice) {
  std::vector<const google::protobuf::FileDescriptor*> files = {Everything::descriptor()->file()};
  for (int i = 0; i < files.front()->dependency_count(); ++i) {
    files.push_back(files.front()->dependency(i));
  }
  google::protobuf::UnknownFieldSet content;
  for (const auto* file : files) {
    FileDescriptorProto proto;
    file->CopyTo(&proto);
    const std::string bytes = proto.SerializeAsString();
    content.AddLengthDelimited(
        1, dice == nullptr || dice->Below(4) != 0 ? bytes : dice->Mangle(bytes));
  }
  std::string inner;
  content.SerializeToString(&inner);
  google::protobuf::UnknownFieldSet outer;
  outer.AddLengthDelimited(4, inner);
  std::string bytes;
  outer.SerializeToString(&bytes);
  return bytes;
}

bool IsReflection(const std::string& method) {
  return method.find("reflection") != std::string::npos;
}

dsl::Participant AtServer(const AnyServer& server) {
  dsl::Participant participant;
  participant.address = dsl::GrpcAddress{server.address(), "inventory.v1.Inventory", false, {}, {}};
  return participant;
}

engine::RenderedGrpc Mirror(Json body) {
  return {"Mirror", std::move(body)};
}

Json SomeBody() {
  return {{"details", {{"a", Json::array({1, "x", nullptr})}}},
          {"at", "2026-01-02T03:04:05.25Z"},
          {"took", "-1.5s"},
          {"any", {{"@type", "type.googleapis.com/google.protobuf.Duration"}, {"value", "1s"}}},
          {"byNumber", {{"3", {{"itemName", "bed"}}}}},
          {"mask", "itemName"},
          {"deeper", {{"wrappedInt64", "5"}, {"numbers", {1, 2, 3}}}}};
}

std::string SomeAnswer() {
  Everything message;
  REQUIRE(google::protobuf::util::JsonStringToMessage(DumpJson(SomeBody()), &message).ok());
  return message.SerializeAsString();
}

bool IsDone(const engine::Reply& reply) {
  return std::holds_alternative<engine::ReplyDone>(reply);
}

}  // namespace

TEST_CASE("mangled reflection ends the call, and the next server is reached") {
  Dice dice;
  const AnyServer mangled([&dice](const std::string& method, const std::string& request) {
    return IsReflection(method) ? dice.Mangle(InventoryFiles(&dice)) : request;
  });
  for (int round = 0; round < 150; ++round) {
    Bench bench(AtServer(mangled));
    bench.Call("t1", Mirror(SomeBody()));
    bench.Call("t2", Mirror(Json::object()));
    bench.Reply(0);
    bench.Reply(1);
  }
  const AnyServer whole([](const std::string& method, const std::string& request) {
    return IsReflection(method) ? InventoryFiles(nullptr) : request;
  });
  Bench bench(AtServer(whole));
  bench.Call("t1", Mirror(SomeBody()));
  CHECK(IsDone(bench.Reply(0)));
}

TEST_CASE("a mangled gRPC answer is done or unknown, and the next call works") {
  Dice dice;
  const std::string answer = SomeAnswer();
  const AnyServer server([&](const std::string& method, const std::string& request) {
    return IsReflection(method) ? InventoryFiles(nullptr)
           : request.empty()    ? dice.Mangle(answer)
                                : request;
  });
  Bench bench(AtServer(server));
  for (size_t round = 0; round < 1'000; ++round) {
    bench.Call("t", Mirror(Json::object()));
    const engine::Reply& reply = bench.Reply(round);
    CHECK((IsDone(reply) || std::holds_alternative<engine::ReplyUnknown>(reply)));
  }
  bench.Call("t", Mirror(SomeBody()));
  CHECK(IsDone(bench.Reply(1'000)));
}

TEST_CASE("whatever a REST answer holds is a gRPC request, or is refused before it is sent") {
  Dice dice;
  // Some do not change, so that both ways are taken.
  const std::vector<std::string> texts = {"9999-12-31T23:59:59.9999999-05:00",
                                          "0001-01-01T00:00:00+23:59",
                                          "2026-01-02T03:04:05.25Z",
                                          "-315576000000.999999999s",
                                          "99999999999999999999s",
                                          "itemName,nested.count",
                                          "type.googleapis.com/google.protobuf.Any",
                                          "_-8=",
                                          "-Infinity"};
  const auto text = [&] {
    const std::string mangled = dice.Mangle(texts[dice.Below(texts.size())]);
    return DumpJson(mangled);  // What is not UTF-8 is replaced.
  };
  Peer rest([&](Connection& connection, int) {
    for (std::string request = connection.ReadMessage(); !request.empty();
         request = connection.ReadMessage()) {
      std::string body = R"({"at": )" + text() + R"(, "took": )" + text() + R"(, "mask": )" +
                         text() + R"(, "bytesValue": )" + text() + R"(, "doubleValue": )" + text() +
                         R"(, "any": {"@type": )" + text() + R"(, "value": )" + text() + "}}";
      if (dice.Below(4) == 0) {
        body = dice.Mangle(body);
      }
      connection.Write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n\r\n" + body);
    }
  });
  const AnyServer server([](const std::string& method, const std::string& request) {
    return IsReflection(method) ? InventoryFiles(nullptr) : request;
  });
  dsl::Participant http;
  http.address = dsl::HttpAddress{"http://127.0.0.1:" + std::to_string(rest.port()), {}};
  Bench quotes(http);
  Bench bench(AtServer(server));
  size_t sent = 0;
  size_t refused = 0;
  for (size_t round = 0; round < 1'000; ++round) {
    quotes.Call("t");
    const auto* quote = std::get_if<engine::ReplyDone>(&quotes.Reply(round));
    if (quote == nullptr) {
      continue;
    }
    const Json output = quote->output.Read();
    if (!output.is_object()) {
      continue;
    }
    for (const auto& [name, value] : output.items()) {
      const size_t place = bench.replies.size();
      bench.Call("t", Mirror({{name, value}}));
      const engine::Reply& reply = bench.Reply(place);
      sent += IsDone(reply) ? 1 : 0;
      refused += std::holds_alternative<engine::ReplyRefused>(reply) ? 1 : 0;
    }
  }
  CHECK(sent > 100);
  CHECK(refused > 100);
}

}  // namespace entente::participants
