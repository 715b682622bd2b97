#include "net/http/http_server.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http/server_connection.h"

namespace entente::net {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using Acceptor = boost::asio::basic_socket_acceptor<tcp, boost::asio::io_context::executor_type>;
using SharePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Descriptors are exhausted: accepting again at once would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

Status ListenFailed(const std::string& host, uint16_t port, const std::string& why) {
  return Unavailable("listen.failed", "can not listen on " + host + ":" + std::to_string(port) +
                                          ": " + why +
                                          "; choose another address or port, or stop "
                                          "the program that uses it");
}

Result<tcp::endpoint> ResolveLocal(boost::asio::io_context& io, const std::string& host,
                                   uint16_t port) {
  error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  if (!error) {
    return tcp::endpoint(address, port);
  }
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return ListenFailed(host, port, error ? error.message() : "the name has no address");
  }
  return found.begin()->endpoint();
}

HttpServerOptions WithLoad(HttpServerOptions options) {
  if (options.load == nullptr) {
    options.load = std::make_shared<ServerLoad>();
  }
  return options;
}

// One listening socket. Shared with its pending operations, which may complete after the server's
// end.
struct Listener : std::enable_shared_from_this<Listener> {
  Listener(boost::asio::io_context& io, UniqueFunction<void(Socket)> accepted)
      : acceptor(io), pause(io), on_accepted(std::move(accepted)) {}

  void Accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, auto socket) {
      self->OnAccept(error, Socket(std::move(socket)));
    });
  }

  void OnAccept(const error_code& error, Socket socket) {
    if (stopped) {
      return;
    }
    if (!error) {
      on_accepted(std::move(socket));
    }
    if (error && error != boost::asio::error::connection_aborted) {
      pause.expires_after(kAcceptPause);
      pause.async_wait([self = shared_from_this()](const error_code& cancelled) {
        if (!cancelled && !self->stopped) {
          self->Accept();
        }
      });
    } else if (!stopped) {
      Accept();
    }
  }

  void Stop() {
    stopped = true;
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
  }

  Acceptor acceptor;
  boost::asio::steady_timer pause;
  UniqueFunction<void(Socket)> on_accepted;
  bool stopped = false;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(boost::asio::io_context& io, HttpHandler& handler, HttpServerOptions options)
      : io_(io),
        options_(WithLoad(std::move(options))),
        deadlines_(io),
        context_{handler,
                 options_,
                 {options_.max_header_bytes, options_.max_body_bytes},
                 deadlines_,
                 false,
                 0,
                 {},
                 [](void* server) { static_cast<Impl*>(server)->CheckDrained(); },
                 this} {}

  ~Impl() {
    StopListening();
    on_drained_ = nullptr;
    while (!connections_.empty()) {
      const boost::intrusive_ptr<ServerConnection> connection(&connections_.front());
      connection->Abandon();
    }
  }

  Result<uint16_t> Listen(const std::string& host, uint16_t port, bool share_port) {
    ENTENTE_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ResolveLocal(io_, host, port));
    auto listener =
        std::make_shared<Listener>(io_, [this](Socket socket) { Accepted(std::move(socket)); });
    Acceptor& acceptor = listener->acceptor;
    error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) {
      acceptor.set_option(Acceptor::reuse_address(true), error);
    }
    if (!error && share_port) {
      acceptor.set_option(SharePort(true), error);
    }
    if (!error) {
      acceptor.bind(endpoint, error);
    }
    if (!error) {
      acceptor.listen(Acceptor::max_listen_connections, error);
    }
    const tcp::endpoint bound = error ? endpoint : acceptor.local_endpoint(error);
    if (error) {
      return ListenFailed(host, port, error.message());
    }
    listener->Accept();
    listeners_.push_back(std::move(listener));
    return bound.port();
  }

  void Drain(UniqueFunction<void()> drained) {
    StopListening();
    context_.draining = true;
    on_drained_ = std::move(drained);
    for (auto next = connections_.begin(); next != connections_.end();) {
      const boost::intrusive_ptr<ServerConnection> connection(&*next++);
      connection->Drain();
    }
    CheckDrained();
  }

  [[nodiscard]] size_t connections() const { return context_.connections; }

 private:
  void CloseIdlest() {
    ServerConnection* idlest = nullptr;
    for (ServerConnection& connection : connections_) {
      if (connection.idle() && (idlest == nullptr || connection.deadline() < idlest->deadline())) {
        idlest = &connection;
      }
    }
    if (idlest != nullptr) {
      const boost::intrusive_ptr<ServerConnection> connection(idlest);
      connection->Drain();
    }
  }

  void Accepted(Socket socket) {
    if (options_.close_idlest && options_.load->full()) {
      CloseIdlest();
    }
    const boost::intrusive_ptr<ServerConnection> connection(
        new ServerConnection(context_, std::move(socket)));
    connections_.push_back(*connection);
    switch (options_.load->AddConnection()) {
      case ServerLoad::Admission::kServe: connection->Start(); break;
      case ServerLoad::Admission::kRefuse:
        connection->Refuse(503, "server.too_many_connections",
                           "The limit of " +
                               std::to_string(options_.load->limits().max_connections) +
                               " connections is reached; try again later.");
        break;
      case ServerLoad::Admission::kDrop: connection->Abandon(); break;
    }
  }

  void CheckDrained() {
    if (on_drained_ && context_.connections == 0) {
      boost::asio::post(io_, std::move(on_drained_));
      on_drained_ = nullptr;
    }
  }

  void StopListening() {
    for (const auto& listener : listeners_) {
      listener->Stop();
    }
    listeners_.clear();
  }

  boost::asio::io_context& io_;
  const HttpServerOptions options_;
  Deadlines deadlines_;
  ServerContext context_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  boost::intrusive::list<ServerConnection, boost::intrusive::constant_time_size<false>>
      connections_;
  UniqueFunction<void()> on_drained_;
};

HttpServer::HttpServer(boost::asio::io_context& io, HttpHandler& handler, HttpServerOptions options)
    : impl_(std::make_unique<Impl>(io, handler, std::move(options))) {}

HttpServer::~HttpServer() = default;

Result<uint16_t> HttpServer::Listen(const std::string& host, uint16_t port, bool share_port) {
  return impl_->Listen(host, port, share_port);
}

void HttpServer::Drain(UniqueFunction<void()> drained) {
  impl_->Drain(std::move(drained));
}

size_t HttpServer::connections() const {
  return impl_->connections();
}

}  // namespace entente::net
