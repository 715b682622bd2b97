// bench-participant PORT_FILE: answers every HTTP request and every Bench.Do at once, until
// SIGTERM. POST /hold never answers (for recovery measurements); GET /count says how many requests
// came.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "bench.grpc.pb.h"
#include "net/http/http_server.h"

namespace {

using entente::net::HttpServerRequest;
using entente::net::HttpServerResponse;
using entente::net::Responder;

class Participant final : public entente::net::HttpHandler {
 public:
  void Handle(HttpServerRequest request, Responder responder) override {
    HttpServerResponse response;
    response.headers.Add("Content-Type", "application/json");
    if (request.target == "/count") {
      response.body = std::to_string(held_.size()) + "\n";
      std::move(responder).Respond(std::move(response));
      return;
    }
    if (request.target.starts_with("/hold")) {
      held_.push_back(std::move(responder));
      return;
    }
    response.body = R"({"id":"b-1","price":100})";
    std::move(responder).Respond(std::move(response));
  }

 private:
  std::vector<Responder> held_;
};

class GrpcParticipant final : public entente::bench::v1::Bench::CallbackService {
  grpc::ServerUnaryReactor* Do(grpc::CallbackServerContext* context,
                               const entente::bench::v1::DoRequest* request,
                               entente::bench::v1::DoResponse* response) override {
    response->set_id(request->key());
    response->set_price(100);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench-participant PORT_FILE\n");
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  boost::asio::io_context io(1);
  auto guard = boost::asio::make_work_guard(io);
  Participant handler;
  entente::net::HttpServerOptions options;
  entente::net::ServerLoad::Limits limits;
  limits.max_connections = 200'000;
  options.load = std::make_shared<entente::net::ServerLoad>(limits);
  auto server = std::make_unique<entente::net::HttpServer>(io, handler, options);
  const auto port = server->Listen("127.0.0.1", 0, false);
  if (!port.ok()) {
    std::fprintf(stderr, "bench-participant: %s\n", port.status().message().c_str());
    return 1;
  }
  GrpcParticipant service;
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int grpc_port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &grpc_port);
  builder.RegisterService(&service);
  const auto rpc_server = builder.BuildAndStart();
  if (rpc_server == nullptr) {
    std::fprintf(stderr, "bench-participant: gRPC can not listen\n");
    return 1;
  }
  std::thread loop([&io] { io.run(); });

  const std::string temporary = std::string(argv[1]) + ".tmp";
  std::FILE* file = std::fopen(temporary.c_str(), "w");
  if (file == nullptr) {
    std::fprintf(stderr, "bench-participant: %s can not be written\n", temporary.c_str());
    return 1;
  }
  std::fprintf(file, "{\"http\": %u, \"grpc\": %d}\n", *port, grpc_port);
  std::fclose(file);
  std::rename(temporary.c_str(), argv[1]);

  int signal = 0;
  sigwait(&signals, &signal);
  rpc_server->Shutdown(std::chrono::system_clock::now());
  boost::asio::post(io, [&] {
    server.reset();
    guard.reset();
    io.stop();
  });
  loop.join();
  return 0;
}
