#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include <entente/participant_grpc_server.h>
#include <entente/participant_server.h>

#include "seats.h"

namespace {

int Fail(const entente::Status& status) {
  std::cerr << "seats: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::cerr << "usage: seats DATABASE [HTTP-PORT [GRPC-PORT]]\n";
    return 2;
  }
  // Before any thread starts, so that all of them leave these signals to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto seats = Seats::Open(argv[1]);
  if (!seats.ok()) {
    return Fail(seats.status());
  }
  entente::sdk::Participant participant;
  if (const auto joined = (*seats)->Join(participant); !joined.ok()) {
    return Fail(joined);
  }
  entente::sdk::ServerOptions http_options;
  entente::sdk::GrpcServerOptions grpc_options;
  http_options.port = static_cast<uint16_t>(argc > 2 ? std::atoi(argv[2]) : 0);
  grpc_options.port = static_cast<uint16_t>(argc > 3 ? std::atoi(argv[3]) : 0);
  auto http = entente::sdk::HttpServer::Start(participant, http_options);
  auto grpc = entente::sdk::GrpcServer::Start(participant, grpc_options);
  if (!http.ok() || !grpc.ok()) {
    return Fail(http.ok() ? grpc.status() : http.status());
  }
  std::cout << "http " << (*http)->url() << "\ngrpc " << (*grpc)->target() << std::endl;

  int received = 0;
  sigwait(&signals, &received);
  (*http)->Stop();
  (*grpc)->Stop();
  return 0;
}
