// Loops, blocking sockets and peers of every kind for the transport tests.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace entente::net::testing {

// One io_context on a thread of its own.
class Loop {
 public:
  Loop() : io_(1), guard_(io_.get_executor()), thread_([this] { io_.run(); }) {}
  ~Loop() {
    guard_.reset();
    io_.stop();
    thread_.join();
  }
  boost::asio::io_context& io() { return io_; }

  // Runs `work` on the loop's thread and returns what it returns.
  template <class Work>
  auto Run(Work work) {
    std::packaged_task<decltype(work())()> task(std::move(work));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
};

// A blocking TCP connection.
class Connection {
 public:
  explicit Connection(int descriptor) : descriptor_(descriptor) {}
  explicit Connection(uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("connect failed");
    }
  }
  ~Connection() { Close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False once the other side is gone.
  bool Write(const std::string& text) {
    return send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }

  // Reads up to and including `end`, or to the end of the stream. Bytes past it stay for later.
  std::string ReadUntil(const std::string& end) {
    while (pending_.find(end) == std::string::npos && ReadSome()) {
    }
    const size_t at = pending_.find(end);
    return Take(at == std::string::npos ? pending_.size() : at + end.size());
  }
  std::string ReadExactly(size_t size) {
    while (pending_.size() < size && ReadSome()) {
    }
    return Take(std::min(size, pending_.size()));
  }
  std::string ReadToEnd() {
    while (ReadSome()) {
    }
    return Take(pending_.size());
  }

  // One HTTP message with a Content-Length or none: header and body.
  std::string ReadMessage() {
    std::string message = ReadUntil("\r\n\r\n");
    for (const char* name : {"Content-Length: ", "content-length: "}) {
      const size_t at = message.find(name);
      if (at != std::string::npos) {
        return message + ReadExactly(std::stoul(message.substr(at + 16)));
      }
    }
    return message;
  }

  void ShutdownWrite() { shutdown(descriptor_, SHUT_WR); }
  // Ends the connection with a reset.
  void Reset() {
    const linger hard{1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }
  void Close() {
    if (descriptor_ >= 0) {
      close(std::exchange(descriptor_, -1));
    }
  }
  // Unblocks another thread's read.
  void Interrupt() { shutdown(descriptor_, SHUT_RDWR); }

 private:
  bool ReadSome() {
    char buffer[4096];
    const ssize_t count = recv(descriptor_, buffer, sizeof(buffer), 0);
    if (count > 0) {
      pending_.append(buffer, static_cast<size_t>(count));
    }
    return count > 0;
  }
  std::string Take(size_t size) {
    std::string taken = pending_.substr(0, size);
    pending_.erase(0, size);
    return taken;
  }

  int descriptor_;
  std::string pending_;
};

// A server that plays a script on each connection, one after the other, on its own thread.
class Peer {
 public:
  using Script = std::function<void(Connection&, int number)>;

  explicit Peer(Script script) : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(descriptor_, 16) != 0 ||
        getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("listen failed");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      for (int number = 0;; ++number) {
        int accepted = -1;
        do {  // A test may have taken all descriptors away, for a moment.
          accepted = accept(descriptor_, nullptr, nullptr);
        } while (accepted < 0 && errno == EMFILE);
        if (accepted < 0) {
          return;
        }
        ++accepted_;
        Connection connection(accepted);
        script(connection, number);
      }
    });
  }
  ~Peer() {
    shutdown(descriptor_, SHUT_RDWR);
    thread_.join();
    close(descriptor_);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] int accepted() const { return accepted_; }

 private:
  int descriptor_;
  uint16_t port_ = 0;
  std::atomic<int> accepted_ = 0;
  std::thread thread_;
};

// A port on which nothing listens: bound, so that nobody else takes it, but not listening.
class DeadPort {
 public:
  DeadPort() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("bind failed");
    }
    port_ = ntohs(address.sin_port);
  }
  ~DeadPort() { close(descriptor_); }
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  [[nodiscard]] uint16_t port() const { return port_; }

 private:
  int descriptor_;
  uint16_t port_ = 0;
};

}  // namespace entente::net::testing
