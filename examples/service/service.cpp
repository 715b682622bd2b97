#include "examples/service/service.h"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "entente/call_verifier.h"
#include "entente/participant_grpc_server.h"
#include "entente/participant_server.h"
#include "examples/travel/common/host.h"
#include "examples/travel/common/http_server.h"
#include "examples/travel/common/json.h"

namespace examples {
namespace {

namespace http = boost::beast::http;

constexpr int kHandlerThreads = 32;
constexpr int64_t kAll = std::numeric_limits<int64_t>::max();

boost::asio::ip::tcp::endpoint Loopback(const std::string& text) {
  const auto endpoint = travel::ParseEndpoint(text);
  if (!endpoint.address().is_loopback()) {
    throw std::invalid_argument("'" + text +
                                "' is reachable from other machines, and there is no "
                                "authentication; use 127.0.0.1");
  }
  return endpoint;
}

// The number that follows `name` in a query, or `otherwise`.
int64_t Number(std::string_view target, std::string_view name, int64_t otherwise) {
  const size_t found = target.find(name);
  int64_t number = otherwise;
  if (found != std::string_view::npos) {
    const std::string_view text = target.substr(found + name.size());
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

travel::Reply Error(int status, const char* error, const std::string& message) {
  return {status, travel::ErrorJson(error, message), {}, {}};
}

travel::Reply Answered(Result<Json> document) {
  if (!document.ok()) {
    return Error(503, "unreadable", document.status().message());
  }
  return {200, std::move(document).value(), {}, {}};
}

class Control {
 public:
  Control(const std::string& name, Books& books, Switches& switches)
      : name_(name), books_(books), switches_(switches) {}

  travel::Reply Handle(const travel::HttpRequest& request) {
    try {
      return Dispatch(request);
    } catch (const std::exception& error) {  // A file that can not be read.
      return Error(503, "unreadable", error.what());
    }
  }

 private:
  travel::Reply Dispatch(const travel::HttpRequest& request) {
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    if (path == "/control" && request.method() == http::verb::post) {
      const auto changes = travel::ParseJson(request.body());
      const auto problem = changes ? switches_.Apply(*changes) : "the body is no JSON";
      return problem ? Error(400, "bad_switch", *problem) : Answered(switches_.Show());
    }
    if (request.method() != http::verb::get) {
      return Error(405, "bad_method", "use GET, or POST /control");
    }
    if (path == "/control") {
      return Answered(switches_.Show());
    }
    if (path == "/summary") {
      return Answered(books_.Summary());
    }
    if (path == "/ledger") {
      auto rows = books_.Ledger(Number(target, "after=", 0), Number(target, "limit=", kAll));
      return Answered(rows.ok() ? Result<Json>(Json{{"service", name_}, {"rows", *rows}}) : rows);
    }
    if (path == "/healthz") {
      return {200, {{"service", name_}, {"status", "ok"}}, {}, {}};
    }
    return Error(404, "not_found", "operations are at POST /{handler}/{operation} of --listen");
  }

  const std::string& name_;
  Books& books_;
  Switches& switches_;
};

// The control endpoint, on a thread of its own.
class ControlServer {
 public:
  ControlServer(const ServiceOptions& options, Books& books, Switches& switches)
      : control_(options.name, books, switches),
        keep_running_(io_.get_executor()),
        server_(io_, Loopback(options.control),
                [this](const travel::HttpRequest& request, const travel::ReplyFn& reply) {
                  reply(control_.Handle(request));
                }) {
    server_.Start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ControlServer() {
    io_.stop();
    thread_.join();
  }
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(server_.endpoint().port()); }

 private:
  Control control_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_;
  travel::HttpServer server_;
  std::thread thread_;
};

template <class Server>
std::unique_ptr<Server> Started(Result<std::unique_ptr<Server>> server) {
  if (!server.ok()) {
    throw std::runtime_error(server.status().message());
  }
  return std::move(server).value();
}

std::unique_ptr<entente::sdk::HttpServer> StartHttp(const ServiceOptions& options,
                                                    const entente::sdk::Participant& participant) {
  const auto endpoint = Loopback(options.listen);
  entente::sdk::ServerOptions chosen;
  chosen.address = endpoint.address().to_string();
  chosen.port = endpoint.port();
  chosen.threads = kHandlerThreads;
  return Started(entente::sdk::HttpServer::Start(participant, chosen));
}

std::unique_ptr<entente::sdk::GrpcServer> StartGrpc(const ServiceOptions& options,
                                                    const entente::sdk::Participant& participant) {
  const auto endpoint = Loopback(options.grpc);
  entente::sdk::GrpcServerOptions chosen;
  chosen.address = endpoint.address().to_string();
  chosen.port = endpoint.port();
  chosen.threads = kHandlerThreads;
  return Started(entente::sdk::GrpcServer::Start(participant, chosen));
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    throw std::runtime_error("cannot read '" + path + "'");
  }
  return text.str();
}

// The coordinator may start later than its participants: its keys are fetched when the first call
// comes.
void RequireSigned(const ServiceOptions& options, entente::sdk::Participant& participant) {
  if (options.only_signed_by.empty()) {
    return;
  }
  entente::sdk::VerifierOptions verified;
  verified.coordinator = options.only_signed_by;
  verified.tls.ca_file = options.coordinator_ca;
  for (const std::string& file : options.trusted_keys) {
    verified.keys.push_back(ReadFile(file));
  }
  const auto verifier = entente::sdk::CallVerifier::Make(std::move(verified));
  if (!verifier.ok()) {
    throw std::runtime_error(verifier.status().message());
  }
  participant.RequireSigned(*verifier);
}

// All or nothing: whoever waits for the file must not read half of it.
void WritePorts(const std::string& path, const std::string& text) {
  if (path.empty()) {
    return;
  }
  const std::string temporary = path + "." + std::to_string(getpid());
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("cannot write the port file '" + path + "'");
  }
}

}  // namespace

void AddServiceOptions(CLI::App& app, ServiceOptions& options) {
  app.add_option("--name", options.name, "what it calls itself")->capture_default_str();
  app.add_option("--listen", options.listen, "HOST:PORT for REST; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--grpc", options.grpc, "HOST:PORT for gRPC")->capture_default_str();
  app.add_option("--control", options.control, "HOST:PORT of the control endpoint")
      ->capture_default_str();
  app.add_option("--port-file", options.port_file,
                 "once listening, write 'listen=', 'grpc=' and 'control=' HOST:PORT here");
  app.add_option("--only-signed-by", options.only_signed_by,
                 "URL of the coordinator, which signs its calls; others' are not carried out");
  app.add_option("--coordinator-ca", options.coordinator_ca,
                 "PEM file of the authorities to trust in the coordinator");
  app.add_option("--trusted-key", options.trusted_keys,
                 "PEM file of a public key by which calls may be signed too; repeatable");
}

entente::sdk::Handler Switched(Switches& switches,
                               std::function<Result<Answer>(const Call&)> handler) {
  return [&switches, handler = std::move(handler)](const Call& call) {
    return switches.Pass(call, [&] { return handler(call); });
  };
}

int Serve(const ServiceOptions& options, entente::sdk::Participant& participant, Books& books,
          Switches& switches, const std::function<entente::Status()>& once_serving) {
  RequireSigned(options, participant);
  const auto rest = StartHttp(options, participant);
  const auto grpc = StartGrpc(options, participant);
  const ControlServer control(options, books, switches);
  if (const auto ready = once_serving ? once_serving() : entente::Status(); !ready.ok()) {
    throw std::runtime_error(ready.message());
  }
  const std::string listen = "127.0.0.1:" + std::to_string(rest->port());
  WritePorts(options.port_file, "listen=" + listen + "\ngrpc=" + grpc->target() +
                                    "\ncontrol=" + control.address() + "\n");
  std::printf("%s: REST at http://%s, gRPC at %s, control at http://%s\n", options.name.c_str(),
              listen.c_str(), grpc->target().c_str(), control.address().c_str());
  std::fflush(stdout);
  travel::AwaitStopSignal();
  switches.Stop();
  rest->Stop();
  grpc->Stop();
  return 0;
}

}  // namespace examples
