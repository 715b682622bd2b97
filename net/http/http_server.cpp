#include "net/http/http_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "net/http/moved_connection.h"
#include "net/http/server_connection.h"

namespace entente::net {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using Acceptor = boost::asio::basic_socket_acceptor<tcp, boost::asio::io_context::executor_type>;
using SharePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// Descriptors are exhausted: accepting again at once would spin.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

// A newcomer waits for another server's place so long at least, and looks so often.
constexpr Duration kPatience = std::chrono::seconds(1);
constexpr Duration kPlacePause = std::chrono::milliseconds(10);

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
  // Takes the socket, which has waited for so long, or leaves it where it is and returns false:
  // then it is offered again, and those behind it wait.
  using Taker = UniqueFunction<bool(Socket& socket, Deadline::Clock::duration waited)>;

  Listener(boost::asio::io_context& io, Taker taker)
      : acceptor(io), pause(io), take(std::move(taker)) {}

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
      newcomer.emplace(std::move(socket));
      came_at = Deadline::Clock::now();
      Offer();
    } else if (error != boost::asio::error::connection_aborted) {
      After(kAcceptPause, &Listener::Accept);
    } else {
      Accept();
    }
  }

  void Offer() {
    if (!take(*newcomer, Deadline::Clock::now() - came_at)) {
      After(kPlacePause, &Listener::Offer);
      return;
    }
    newcomer.reset();
    if (!stopped) {
      Accept();
    }
  }

  void After(Duration time, void (Listener::*next)()) {
    pause.expires_after(time);
    pause.async_wait([self = shared_from_this(), next](const error_code& cancelled) {
      if (!cancelled && !self->stopped) {
        (self.get()->*next)();
      }
    });
  }

  void Stop() {
    stopped = true;
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    newcomer.reset();
  }

  Acceptor acceptor;
  boost::asio::steady_timer pause;
  Taker take;
  std::optional<Socket> newcomer;
  Deadline::Clock::time_point came_at;
  bool stopped = false;
};

}  // namespace

// Knows the server for as long as there is one.
class HttpServer::Entrance final : public HttpEntrance,
                                   public std::enable_shared_from_this<Entrance> {
 public:
  Entrance(boost::asio::io_context& io, Impl& server) : io_(&io), server_(&server) {}

  // On the server's thread.
  void End() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
    server_ = nullptr;
  }

 private:
  void Take(MovedConnection moved) override;

  std::mutex mutex_;
  boost::asio::io_context* io_;
  Impl* server_;  // Used on its own thread.
};

class HttpServer::Impl final : public ServerLoad::Member {
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
                 this} {
    options_.load->Join(*this);
  }

  ~Impl() override {
    entrance_->End();
    options_.load->Leave(*this);
    *alive_ = false;
    StopListening();
    on_drained_ = nullptr;
    while (!connections_.empty()) {
      const boost::intrusive_ptr<ServerConnection> connection(&connections_.front());
      connection->Abandon();
    }
  }

  Result<uint16_t> Listen(const std::string& host, uint16_t port, bool share_port) {
    ENTENTE_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ResolveLocal(io_, host, port));
    auto listener = std::make_shared<Listener>(
        io_, [this](Socket& socket, auto waited) { return Take(socket, waited); });
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
  [[nodiscard]] std::shared_ptr<HttpEntrance> entrance() const { return entrance_; }

  void TakeMoved(MovedConnection moved) {
    ENTENTE_CHECK(moved.place == options_.load);
    const boost::intrusive_ptr<ServerConnection> connection(
        new ServerConnection(context_, io_, moved));
    connections_.push_back(*connection);
    connection->HandleMoved(std::move(moved.request));
  }

 private:
  // On any thread, with the load's lock held.
  void OnPlaceWanted() override {
    boost::asio::post(io_, [this, alive = alive_] {
      if (*alive && options_.load->full()) {
        static_cast<void>(CloseIdlest(options_.least_idle));
      }
    });
  }

  // Of those that have been idle for `at_least`. False if there is none.
  [[nodiscard]] bool CloseIdlest(Duration at_least) {
    const auto latest = Deadline::Clock::now() - at_least;
    ServerConnection* idlest = nullptr;
    for (ServerConnection& connection : connections_) {
      const auto since = connection.idle_since();
      if (since && *since <= latest && (idlest == nullptr || *since < *idlest->idle_since()) &&
          !connection.has_unread_input()) {
        idlest = &connection;
      }
    }
    if (idlest == nullptr) {
      return false;
    }
    const boost::intrusive_ptr<ServerConnection> connection(idlest);
    connection->Drain();
    return true;
  }

  // Another server may take the place that was made, and then one more is closed. Where all that
  // are idle have been so for a moment only, as long as a newcomer has waited, one of them has to
  // go: clients that are busy do not keep everybody else out.
  [[nodiscard]] bool FindPlace(Deadline::Clock::duration waited) {
    const Duration at_least = waited < options_.least_idle ? options_.least_idle : Duration::zero();
    while (!options_.load->TakePlace()) {
      if (!options_.close_idlest || !CloseIdlest(at_least)) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool Take(Socket& socket, Deadline::Clock::duration waited) {
    ServerLoad& load = *options_.load;
    const bool place = FindPlace(waited);
    const Duration patience = std::max(kPatience, options_.least_idle);
    if (!place && options_.close_idlest && waited < patience && load.idle() > 0) {
      load.AskForPlace(*this);
      return false;
    }
    if (!place && !load.MayRefuse()) {
      return true;  // Its socket is closed without a word.
    }
    const boost::intrusive_ptr<ServerConnection> connection(
        new ServerConnection(context_, std::move(socket)));
    connections_.push_back(*connection);
    if (place) {
      connection->Start();
    } else {
      connection->Refuse(503, "server.too_many_connections",
                         "The limit of " + std::to_string(load.limits().max_connections) +
                             " connections is reached; try again later.");
    }
    return true;
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
  // Tells what other threads posted that this object has ended.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  const std::shared_ptr<Entrance> entrance_ = std::make_shared<Entrance>(io_, *this);
};

void HttpServer::Entrance::Take(MovedConnection moved) {
  const std::lock_guard lock(mutex_);
  if (io_ == nullptr) {
    return;
  }
  boost::asio::post(*io_, [self = shared_from_this(), moved = std::move(moved)]() mutable {
    if (self->server_ != nullptr) {
      self->server_->TakeMoved(std::move(moved));
    }
  });
}

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

std::shared_ptr<HttpEntrance> HttpServer::entrance() const {
  return impl_->entrance();
}

}  // namespace entente::net
