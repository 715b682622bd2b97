// Raw round trips per second of the transport library over loopback: a client on one thread, a
// server on another, no coordinator in between. Usage: transport-probe [seconds per measurement
// [http|grpc]]
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"
#include "net/http/http_server.h"

namespace entente::net {
namespace {

using Clock = std::chrono::steady_clock;

// One io_context on one thread.
class Loop {
 public:
  Loop() : io_(1), guard_(io_.get_executor()), thread_([this] { io_.run(); }) {}
  ~Loop() {
    guard_.reset();
    io_.stop();
    thread_.join();
  }
  boost::asio::io_context& io() { return io_; }
  // Runs `work` on the loop's thread and waits for it.
  void Run(UniqueFunction<void()> work) {
    std::atomic<bool> done = false;
    boost::asio::post(io_, [&] {
      work();
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
};

class Echo final : public HttpHandler {
 public:
  void Handle(HttpServerRequest request, Responder responder) override {
    HttpServerResponse response;
    response.headers.Add("content-type", "application/json");
    response.body = std::move(request.body);
    std::move(responder).Respond(std::move(response));
  }
};

// Keeps a number of calls in flight until the time is over.
class Load {
 public:
  using Start = UniqueFunction<void(UniqueFunction<void(bool)>)>;

  Load(boost::asio::io_context& io, Start start) : timer_(io), start_(std::move(start)) {}

  void Begin(size_t in_flight, Clock::duration length) {
    latencies_.reserve(1 << 20);
    timer_.expires_after(length);
    timer_.async_wait([this](const boost::system::error_code&) { stopping_ = true; });
    for (size_t i = 0; i < in_flight; ++i) {
      Next();
    }
  }

  void Wait() { finished_.wait(false); }
  std::vector<uint32_t>& latencies() { return latencies_; }
  [[nodiscard]] size_t failures() const { return failures_; }

 private:
  void Next() {
    ++running_;
    start_([this, begin = Clock::now()](bool ok) {
      --running_;
      failures_ += ok ? 0 : 1;
      const auto micros =
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count();
      latencies_.push_back(static_cast<uint32_t>(micros));
      if (!stopping_) {
        Next();
      } else if (running_ == 0) {
        finished_ = true;
        finished_.notify_one();
      }
    });
  }

  boost::asio::steady_timer timer_;
  Start start_;
  std::vector<uint32_t> latencies_;
  size_t running_ = 0;
  size_t failures_ = 0;
  bool stopping_ = false;
  std::atomic<bool> finished_ = false;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void Measure(const char* what, Loop& loop, size_t in_flight, Clock::duration length,
             Load::Start start) {
  std::unique_ptr<Load> load;
  const double cpu_before = CpuSeconds();
  const auto begin = Clock::now();
  loop.Run([&] {
    load = std::make_unique<Load>(loop.io(), std::move(start));
    load->Begin(in_flight, length);
  });
  load->Wait();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const double cpu = CpuSeconds() - cpu_before;
  std::vector<uint32_t>& latencies = load->latencies();
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double part) {
    return latencies[static_cast<size_t>(part * static_cast<double>(latencies.size() - 1))];
  };
  const auto count = static_cast<double>(latencies.size());
  std::printf("%-6s %9zu %12.0f %9u %9u %9u %11.1f %9zu\n", what, in_flight, count / seconds,
              at(0.5), at(0.99), at(0.999), cpu / count * 1e6, load->failures());
  std::fflush(stdout);
  loop.Run([&] { load.reset(); });
}

void MeasureHttp(Clock::duration length) {
  Loop server_loop;
  Loop client_loop;
  Echo echo;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<HttpClient> client;
  uint16_t port = 0;
  server_loop.Run([&] {
    server = std::make_unique<HttpServer>(server_loop.io(), echo, HttpServerOptions());
    port = server->Listen("127.0.0.1", 0, false).value();
  });
  client_loop.Run(
      [&] { client = std::make_unique<HttpClient>(client_loop.io(), HttpClientOptions()); });
  HttpRequest request;
  request.url = ParseUrl("http://127.0.0.1:" + std::to_string(port) + "/bookings/17").value();
  request.headers = {{"content-type", "application/json"},
                     {"idempotency-key", "0199c0de-0000-7000-8000-000000000000/flight/action"},
                     {"entente-gid", "0199c0de-0000-7000-8000-000000000000"},
                     {"entente-branch", "flight"},
                     {"entente-operation", "action"},
                     {"entente-attempt", "1"},
                     {"entente-epoch", "1"}};
  request.body = R"({"who":"Ada Lovelace","to":"Lisbon","price":120})";
  for (const size_t in_flight : {1, 16, 64, 256}) {
    Measure("http", client_loop, in_flight, length, [&](UniqueFunction<void(bool)> done) {
      client->Call(request, std::chrono::seconds(10),
                   [done = std::move(done)](HttpOutcome outcome) mutable {
                     const auto* response = std::get_if<HttpResponse>(&outcome);
                     done(response != nullptr && response->status == 200);
                   });
    });
  }
  client_loop.Run([&] { client.reset(); });
  server_loop.Run([&] { server.reset(); });
}

// Answers every method with its own request.
class GrpcEcho final : public grpc::CallbackGenericService {
 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor() { StartRead(&message_); }
    void OnReadDone(bool ok) override {
      if (ok) {
        StartWriteAndFinish(&message_, grpc::WriteOptions(), grpc::Status::OK);
      } else {
        Finish(grpc::Status::CANCELLED);
      }
    }
    void OnDone() override { delete this; }

   private:
    grpc::ByteBuffer message_;
  };
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Reactor();
  }
};

// message Booking { string who = 1; string to = 2; int32 price = 3; }
// service Echo { rpc Echo(Booking) returns (Booking); }
std::string EchoDescriptors() {
  google::protobuf::FileDescriptorSet set;
  auto* file = set.add_file();
  file->set_name("probe.proto");
  file->set_package("probe");
  file->set_syntax("proto3");
  auto* message = file->add_message_type();
  message->set_name("Booking");
  int number = 0;
  for (const char* name : {"who", "to", "price"}) {
    auto* field = message->add_field();
    field->set_name(name);
    field->set_number(++number);
    field->set_label(google::protobuf::FieldDescriptorProto::LABEL_OPTIONAL);
    field->set_type(number == 3 ? google::protobuf::FieldDescriptorProto::TYPE_INT32
                                : google::protobuf::FieldDescriptorProto::TYPE_STRING);
  }
  auto* service = file->add_service();
  service->set_name("Echo");
  auto* method = service->add_method();
  method->set_name("Echo");
  method->set_input_type(".probe.Booking");
  method->set_output_type(".probe.Booking");
  return set.SerializeAsString();
}

void MeasureGrpc(Clock::duration length) {
  GrpcEcho echo;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&echo);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  Loop client_loop;
  std::unique_ptr<GrpcClient> client;
  client_loop.Run(
      [&] { client = std::make_unique<GrpcClient>(client_loop.io(), GrpcClientOptions()); });
  GrpcRequest request;
  request.descriptors = std::make_shared<const GivenDescriptors>(
      GivenDescriptors{"echo", std::make_shared<const std::string>(EchoDescriptors())});
  request.target = Origin{false, "127.0.0.1", static_cast<uint16_t>(port)};
  request.method = "/probe.Echo/Echo";
  request.body = {{"who", "Ada Lovelace"}, {"to", "Lisbon"}, {"price", 120}};
  request.metadata = {{"idempotency-key", "0199c0de-0000-7000-8000-000000000000/flight/action"},
                      {"entente-gid", "0199c0de-0000-7000-8000-000000000000"},
                      {"entente-branch", "flight"},
                      {"entente-operation", "action"},
                      {"entente-attempt", "1"},
                      {"entente-epoch", "1"}};
  for (const size_t in_flight : {1, 16, 64, 256}) {
    Measure("grpc", client_loop, in_flight, length, [&](UniqueFunction<void(bool)> done) {
      client->Call(request, std::chrono::seconds(10),
                   [done = std::move(done)](GrpcOutcome outcome) mutable {
                     const auto* response = std::get_if<GrpcResponse>(&outcome);
                     done(response != nullptr && response->code == kGrpcOk);
                   });
    });
  }
  client_loop.Run([&] { client.reset(); });
  server->Shutdown(std::chrono::system_clock::now());
}

int Main(int argc, char** argv) {
  const int seconds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 3;
  const std::string_view only = argc > 2 ? argv[2] : "";
  std::printf("%-6s %9s %12s %9s %9s %9s %11s %9s\n", "what", "in flight", "calls/s", "p50 us",
              "p99 us", "p99.9 us", "CPU us/call", "failures");
  if (only != "grpc") {
    MeasureHttp(std::chrono::seconds(seconds));
  }
  if (only != "http") {
    MeasureGrpc(std::chrono::seconds(seconds));
  }
  return 0;
}

}  // namespace
}  // namespace entente::net

int main(int argc, char** argv) {
  return entente::net::Main(argc, argv);
}
