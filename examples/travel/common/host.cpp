#include "examples/travel/common/host.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <random>
#include <stdexcept>

#include <boost/asio/post.hpp>

namespace travel {
namespace {

uint64_t SeedOf(const Options& options) {
  return options.seed ? options.seed : std::random_device{}();
}

std::string Text(const boost::asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

Host::Host(const Business& business, const Options& options, const std::string& http_listen,
           bool rest)
    : switches_(business.DefaultCapacity(), SeedOf(options), rest),
      writer_(options.db, business),
      reports_(options.db, business, switches_),
      keep_running_(io_.get_executor()),
      desk_(io_, writer_, switches_),
      front_(business, desk_, switches_, reports_),
      server_(io_, ParseEndpoint(http_listen),
              [this](const HttpRequest& request, const ReplyFn& reply) {
                front_.Handle(request, reply);
              }) {
  if (const auto problem = switches_.Apply(options.switches)) {
    throw std::invalid_argument(*problem);
  }
}

Host::~Host() {
  Stop();
}

void Host::Start() {
  server_.Start();
  thread_ = std::thread([this] { io_.run(); });
}

void Host::StopAccepting() {
  server_.StopAccepting();
  desk_.StopWaiting();
}

void Host::Stop() {
  if (!thread_.joinable()) {
    writer_.Stop();
    return;
  }
  StopAccepting();
  // The end comes behind the replies that the writer posts last and those of the waits just ended.
  boost::asio::post(io_, [this] {
    writer_.Stop();
    boost::asio::post(io_, [this] { boost::asio::post(io_, [this] { io_.stop(); }); });
  });
  thread_.join();
}

std::string Host::http_address() const {
  return Text(server_.endpoint());
}

void WritePortFile(const std::string& path, const std::string& listen, const std::string& control) {
  if (path.empty()) {
    return;
  }
  const std::string temporary = path + "." + std::to_string(getpid());
  std::ofstream file(temporary, std::ios::trunc);
  file << "listen=" << listen << "\ncontrol=" << control << "\n";
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("cannot write the port file '" + path + "'");
  }
}

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void AwaitStopSignal() {
  const sigset_t signals = StopSignals();
  int signal = 0;
  sigwait(&signals, &signal);
}

int Guarded(const std::string& program, const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), error.what());
    return 1;
  }
}

int RunRestService(int argc, const char* const* argv, const Business& business) {
  const std::string program = "travel-" + business.Name();
  return Guarded(program, [&] {
    const auto parsed = ParseOptions(argc, argv, business, /*rest=*/true);
    if (const int* exit_code = std::get_if<int>(&parsed)) {
      return *exit_code;
    }
    const auto& options = std::get<Options>(parsed);
    BlockStopSignals();
    Host host(business, options, options.listen, /*rest=*/true);
    host.Start();
    WritePortFile(options.port_file, host.http_address(), host.http_address());
    std::printf("%s: serving http://%s from %s\n", program.c_str(), host.http_address().c_str(),
                options.db.c_str());
    std::fflush(stdout);
    AwaitStopSignal();
    host.Stop();
    return 0;
  });
}

}  // namespace travel
