#include "tests/sdk/canned_server.h"

#include <sys/socket.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace entente::sdk::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::string FieldOf(const std::string& head, const std::string& name) {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) {
    return "";
  }
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// One request, or nothing once the other side has closed.
std::optional<Seen> ReadRequest(tcp::socket& socket, std::string& buffer) {
  boost::system::error_code error;
  const size_t end = asio::read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n", error);
  if (error) {
    return std::nullopt;
  }
  const std::string head = buffer.substr(0, end);
  buffer.erase(0, end);
  const std::string length = FieldOf(head, "Content-Length");
  const size_t wanted = length.empty() ? 0 : std::stoul(length);
  if (buffer.size() < wanted) {
    asio::read(socket, asio::dynamic_buffer(buffer), asio::transfer_exactly(wanted - buffer.size()),
               error);
  }
  Seen seen;
  const size_t space = head.find(' ');
  seen.method = head.substr(0, space);
  seen.target = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
  seen.body = buffer.substr(0, wanted);
  seen.last_event_id = FieldOf(head, "Last-Event-ID");
  seen.content_type = FieldOf(head, "Content-Type");
  seen.head = head;
  buffer.erase(0, wanted);
  return seen;
}

std::string AnswerText(const Canned& canned) {
  const size_t announced = canned.body.size() + (canned.cut_off ? 10 : 0);
  return "HTTP/1.1 " + std::to_string(canned.status) +
         " Status\r\nContent-Type: " + canned.content_type +
         "\r\nContent-Length: " + std::to_string(announced) + "\r\n" + canned.headers + "\r\n" +
         canned.body;
}

}  // namespace

class CannedServer::Impl {
 public:
  explicit Impl(std::vector<Canned> script)
      : script_(std::move(script)),
        acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        port_(acceptor_.local_endpoint().port()),
        thread_([this] { Serve(); }) {}

  ~Impl() {
    stopping_ = true;
    // Wakes the thread wherever it waits: an accept and a read both end on a shut-down socket.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      if (current_ != nullptr) {
        ::shutdown(current_->native_handle(), SHUT_RDWR);
      }
    }
    thread_.join();
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  void Serve() {
    for (int connection = 1; !stopping_; ++connection) {
      boost::system::error_code error;
      tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (error) {
        return;
      }
      SetCurrent(&socket);
      ServeOne(socket, connection);
      SetCurrent(nullptr);
    }
  }

  void SetCurrent(tcp::socket* socket) {
    const std::lock_guard lock(mutex_);
    current_ = socket;
    if (stopping_ && socket != nullptr) {
      ::shutdown(socket->native_handle(), SHUT_RDWR);
    }
  }

  void ServeOne(tcp::socket& socket, int connection) {
    std::string buffer;
    while (std::optional<Seen> request = ReadRequest(socket, buffer)) {
      request->connection = connection;
      Canned canned{.status = 500, .body = "the script is over", .content_type = "text/plain"};
      {
        const std::lock_guard lock(mutex_);
        if (seen_.size() < script_.size()) {
          canned = script_[seen_.size()];
        }
        seen_.push_back(std::move(*request));
      }
      if (canned.hang_up) {
        return;
      }
      if (canned.stay_mute) {
        continue;  // The next read waits until the client gives up.
      }
      boost::system::error_code error;
      asio::write(socket, asio::buffer(canned.raw.empty() ? AnswerText(canned) : canned.raw),
                  error);
      if (error || canned.cut_off || canned.close_after) {
        return;
      }
    }
  }

  const std::vector<Canned> script_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  const uint16_t port_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  tcp::socket* current_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

CannedServer::CannedServer(std::vector<Canned> script)
    : impl_(std::make_unique<Impl>(std::move(script))) {}
CannedServer::~CannedServer() = default;

std::string CannedServer::url() const {
  return impl_->url();
}
std::vector<Seen> CannedServer::seen() const {
  return impl_->seen();
}

Canned Problem(int status, const std::string& code, const std::string& detail,
               const std::string& more) {
  Canned canned;
  canned.status = status;
  canned.content_type = "application/problem+json";
  canned.body = R"({"status":)" + std::to_string(status) + R"(,"code":")" + code +
                R"(","detail":")" + detail + "\"" + (more.empty() ? "" : "," + more) + "}";
  return canned;
}

}  // namespace entente::sdk::test
