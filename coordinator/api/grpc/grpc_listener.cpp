#include "coordinator/api/grpc/grpc_listener.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <future>
#include <list>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/base64.h"
#include "base/check.h"
#include "coordinator/api/grpc/grpc_header_guard.h"
#include "net/core/tls_session.h"
#include "runtime/digest.h"

namespace entente::api {
namespace {

using boost::asio::ip::tcp;
using Local = boost::asio::local::stream_protocol;
using boost::system::error_code;

constexpr size_t kCarriedBytes = size_t{64} << 10;
// How long is waited after an accept failed, for want of descriptors say.
constexpr std::chrono::milliseconds kPause(50);
// How long a client may take to read what it is sent when the server ends.
constexpr std::chrono::seconds kLastWords(1);

Status ListenFailed(const std::string& address, const std::string& why) {
  return Unavailable("listen.failed", "can not listen for gRPC on " + address + ": " + why +
                                          "; choose another address or port, or stop the program "
                                          "that uses it");
}

Result<tcp::endpoint> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return ListenFailed(address, "an address is written host:port");
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (error != 0) {
    return ListenFailed(address, gai_strerror(error));
  }
  tcp::endpoint endpoint;
  endpoint.resize(found->ai_addrlen);
  std::memcpy(endpoint.data(), found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return endpoint;
}

// The certificates' names of those who are connected, by the name of our end of their pair.
class NameBook {
 public:
  void Keep(const std::string& end, net::PeerNames names) {
    const std::lock_guard lock(mutex_);
    names_[end] = std::move(names);
  }
  void Forget(const std::string& end) {
    const std::lock_guard lock(mutex_);
    names_.erase(end);
  }
  [[nodiscard]] net::PeerNames Find(const std::string& end) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(end);
    return found == names_.end() ? nullptr : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, net::PeerNames> names_;  // Under mutex_.
};

// What the connections of one listener share; of its thread, but for the counts and names.
struct Shared {
  NameBook names;
  size_t max_header_block_bytes = 0;
  std::array<char, kCarriedBytes> buffer{};  // For what is carried at once, as nearly all is.
  std::atomic<uint64_t> connections = 0;
  std::atomic<uint64_t> refused = 0;
  std::atomic<uint64_t> cut_off = 0;
};

// A client's connection and, through a pair of sockets, gRPC's. Lives while it waits for either.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `tls` is null for plain text.
  Connection(Shared& shared, tcp::socket client, Local::socket server,
             std::unique_ptr<net::TlsSession> tls, std::string end)
      : shared_(shared),
        end_(std::move(end)),
        tls_(std::move(tls)),
        client_(std::move(client)),
        server_(std::move(server)),
        guard_(shared.max_header_block_bytes) {
    ++shared_.connections;
  }
  ~Connection() { End(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start() {
    Await(client_, server_, to_server_);
    if (tls_ == nullptr) {
      Await(server_, client_, to_client_);
    }
  }

  [[nodiscard]] bool silent() const { return silent_; }

  // Ends both waits, and with them this object.
  void End() {
    if (!std::exchange(ended_, true)) {
      --shared_.connections;
      shared_.names.Forget(end_);
    }
    error_code ignored;
    client_.close(ignored);
    server_.close(ignored);
  }

 private:
  template <class From, class To>
  void Await(From& from, To& to, std::string& rest) {
    from.async_wait(From::wait_read,
                    [self = shared_from_this(), &from, &to, &rest](const error_code& error) {
                      if (error) {
                        self->End();
                      } else {
                        self->Carry(from, to, rest);
                      }
                    });
  }

  template <class From, class To>
  void Carry(From& from, To& to, std::string& rest) {
    error_code error;
    const size_t count = from.read_some(boost::asio::buffer(shared_.buffer), error);
    if (error == boost::asio::error::would_block) {
      Await(from, to, rest);
      return;
    }
    if (error == boost::asio::error::eof) {
      CarryEnd(to);
      return;
    }
    const std::string_view bytes(shared_.buffer.data(), count);
    if (error) {
      End();
    } else if (tls_ != nullptr) {
      CarryTls(from, bytes);
    } else if (!MayPass(from, bytes)) {
      End();
    } else {
      Give(from, to, rest, bytes);
    }
  }

  // gRPC's bytes are waited for once they can be sent: it speaks without being asked.
  void CarryTls(const tcp::socket&, std::string_view cipher) {
    const bool was_established = tls_->established();
    std::string plain;
    std::string answer;
    const Status status = tls_->Receive(cipher, plain, answer);
    Answer(answer);
    if (ended_ || !status.ok() || !MayPass(client_, plain)) {
      End();
      return;
    }
    if (!was_established && tls_->established()) {
      // Before gRPC gets a byte of it, hence before anybody asks.
      if (auto names = tls_->ReadPeerNames(); names != nullptr && !end_.empty()) {
        shared_.names.Keep(end_, std::move(names));
      }
      Await(server_, client_, to_client_);
    }
    if (tls_->peer_closed()) {
      CarryEnd(server_);
    } else {
      Give(client_, server_, to_server_, plain);
    }
  }
  void CarryTls(const Local::socket&, std::string_view plain) {
    std::string cipher;
    if (tls_->Send(plain, cipher).ok()) {
      Give(server_, client_, to_client_, cipher);
    } else {
      End();
    }
  }

  // What TLS itself says to the client: after what waits for it, or at once. A client that does not
  // even take the few bytes of a handshake is let go.
  void Answer(std::string_view bytes) {
    if (!to_client_.empty()) {
      to_client_.append(bytes);
      return;
    }
    error_code error;
    if (!bytes.empty() && client_.write_some(boost::asio::buffer(bytes), error) < bytes.size()) {
      End();
    }
  }

  template <class From, class To>
  void Give(From& from, To& to, std::string& rest, std::string_view bytes) {
    error_code error;
    const size_t given = bytes.empty() ? 0 : to.write_some(boost::asio::buffer(bytes), error);
    if (error && error != boost::asio::error::would_block) {
      End();
      return;
    }
    bytes.remove_prefix(error ? 0 : given);
    if (bytes.empty()) {
      rest = std::string();
      Await(from, to, rest);
      return;
    }
    // `bytes` may be a part of it.
    rest = std::string(bytes);
    to.async_wait(To::wait_write,
                  [self = shared_from_this(), &from, &to, &rest](const error_code& failed) {
                    if (failed) {
                      self->End();
                    } else {
                      self->Give(from, to, rest, rest);
                    }
                  });
  }

  // A client that sends no more may still read what it is answered; gRPC ends both ways at once.
  static void CarryEnd(Local::socket& server) {
    error_code ignored;
    server.shutdown(Local::socket::shutdown_send, ignored);
  }
  void CarryEnd(tcp::socket&) {
    if (tls_ != nullptr) {
      std::string farewell;
      tls_->Close(farewell);
      Answer(farewell);
    }
    End();
  }

  bool MayPass(const tcp::socket&, std::string_view bytes) {
    silent_ = silent_ && bytes.empty();
    if (guard_.Take(bytes)) {
      return true;
    }
    ++shared_.cut_off;
    return false;
  }
  static bool MayPass(const Local::socket&, std::string_view) { return true; }

  Shared& shared_;
  const std::string end_;  // What gRPC calls the other end of its pair; empty: nothing of its own.
  const std::unique_ptr<net::TlsSession> tls_;
  tcp::socket client_;
  Local::socket server_;
  HeaderGuard guard_;
  std::string to_server_;  // What was read, and has not been taken yet.
  std::string to_client_;
  bool silent_ = true;
  bool ended_ = false;
};

}  // namespace

class GrpcListener::Loop {
 public:
  explicit Loop(const Limits& limits)
      : max_connections_(limits.max_connections),
        tls_(limits.tls),
        io_(1),
        acceptor_(io_),
        accepted_(io_),
        pause_(io_) {
    shared_.max_header_block_bytes = limits.max_header_block_bytes;
  }
  ~Loop() { Stop(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Status Listen(const std::string& address) {
    ENTENTE_ASSIGN_OR_RETURN(const tcp::endpoint endpoint, Resolve(address));
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) {
      acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    }
    if (!error) {
      acceptor_.bind(endpoint, error);
    }
    if (!error) {
      acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    }
    if (!error) {
      port_ = acceptor_.local_endpoint(error).port();
    }
    return error ? ListenFailed(address, error.message()) : Status();
  }

  [[nodiscard]] int port() const { return port_; }

  void Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server) {
    server_ = std::move(server);
    Accept();
    ended_ = ended_promise_.get_future();
    thread_ = std::thread([this] {
      io_.run();
      ended_promise_.set_value();
    });
  }

  void StopAccepting() {
    boost::asio::post(io_, [this] {
      error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
  }

  void Stop() {
    if (!thread_.joinable()) {
      return;
    }
    StopAccepting();
    // What gRPC wrote last still has to be carried; where it has closed its end, the loop has
    // nothing left to wait for then.
    if (ended_.wait_for(kLastWords) != std::future_status::ready) {
      io_.stop();
    }
    thread_.join();
  }

  [[nodiscard]] net::PeerNames NamesOf(const std::string& peer) const {
    return shared_.names.Find(peer);
  }

  [[nodiscard]] Stats stats() const {
    return {shared_.connections, shared_.refused, shared_.cut_off};
  }

 private:
  void Accept() {
    acceptor_.async_accept(accepted_, [this](const error_code& error) {
      if (!acceptor_.is_open()) {
        return;
      }
      if (!error) {
        Take(std::exchange(accepted_, tcp::socket(io_)));
      }
      if (!error || error == boost::asio::error::connection_aborted) {
        Accept();
        return;
      }
      pause_.expires_after(kPause);
      pause_.async_wait([this](const error_code& stopped) {
        if (!stopped) {
          Accept();
        }
      });
    });
  }

  void Take(tcp::socket client) {
    MakeRoom();
    if (shared_.connections >= max_connections_) {
      ++shared_.refused;
      return;
    }
    error_code error;
    Local::socket ours(io_);
    Local::socket theirs(io_);
    client.set_option(tcp::no_delay(true), error);
    client.non_blocking(true, error);
    boost::asio::local::connect_pair(ours, theirs, error);
    const std::string end = error || !tls_ ? std::string() : NameEnd(ours);
    if (!error) {
      ours.non_blocking(true, error);
      theirs.native_non_blocking(true, error);
    }
    const int handed_over = error ? -1 : theirs.release(error);
    if (error) {
      return;
    }
    auto connection = std::make_shared<Connection>(shared_, std::move(client), std::move(ours),
                                                   NewSession(), end);
    silent_.push_back(connection);
    connection->Start();
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.listener_fd = acceptor_.native_handle();
    parameters.fd = handed_over;
    server_->HandleNewConnection(&parameters);
  }

  // Names a socket in the abstract namespace (unix(7)), by what nobody can guess and thus have
  // taken; gRPC tells it as "unix-abstract:NAME". Empty: it has no name, and its client none
  // either.
  std::string NameEnd(Local::socket& socket) {
    const std::string name = end_prefix_ + std::to_string(++ends_);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ENTENTE_CHECK(name.size() + 1 < sizeof(address.sun_path));
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const bool named =
        ::bind(socket.native_handle(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
    return named ? "unix-abstract:" + name : std::string();
  }

  [[nodiscard]] std::unique_ptr<net::TlsSession> NewSession() const {
    return tls_ ? std::make_unique<net::TlsSession>(*tls_()) : nullptr;
  }

  // Forgets those that have said something or have gone; at the limit, closes the one that has
  // been there for longest of those that are left.
  void MakeRoom() {
    silent_.remove_if([](const std::weak_ptr<Connection>& one) {
      const auto connection = one.lock();
      return connection == nullptr || !connection->silent();
    });
    if (shared_.connections >= max_connections_ && !silent_.empty()) {
      if (const auto oldest = silent_.front().lock()) {
        oldest->End();
      }
      silent_.pop_front();
    }
  }

  const size_t max_connections_;
  const std::function<std::shared_ptr<const net::TlsContext>()> tls_;
  const std::string end_prefix_ = "entente-" + EncodeBase64Url(runtime::RandomBytes(16)) + "-";
  uint64_t ends_ = 0;
  Shared shared_;
  boost::asio::io_context io_;
  tcp::acceptor acceptor_;
  tcp::socket accepted_;
  boost::asio::steady_timer pause_;
  std::list<std::weak_ptr<Connection>> silent_;  // In the order in which they came.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server_;
  std::promise<void> ended_promise_;
  std::future<void> ended_;
  std::thread thread_;
  int port_ = 0;
};

GrpcListener::GrpcListener(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

GrpcListener::~GrpcListener() = default;

Result<std::unique_ptr<GrpcListener>> GrpcListener::Listen(const std::string& address,
                                                           const Limits& limits) {
  auto loop = std::make_unique<Loop>(limits);
  ENTENTE_RETURN_IF_ERROR(loop->Listen(address));
  return std::unique_ptr<GrpcListener>(new GrpcListener(std::move(loop)));
}

int GrpcListener::port() const {
  return loop_->port();
}

void GrpcListener::Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> server) {
  loop_->Start(std::move(server));
}

void GrpcListener::StopAccepting() {
  loop_->StopAccepting();
}

void GrpcListener::Stop() {
  loop_->Stop();
}

net::PeerNames GrpcListener::NamesOf(const std::string& peer) const {
  return loop_->NamesOf(peer);
}

GrpcListener::Stats GrpcListener::stats() const {
  return loop_->stats();
}

}  // namespace entente::api
