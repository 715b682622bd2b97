#include "entente/participant_server.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "base/http_head.h"

namespace entente::sdk {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptPause{100};
// What is read ahead: a head, or a piece of a body, or the extensions of a chunk.
constexpr size_t kMaxBufferedBytes = limits::kMaxHeaderBytes + 64 * 1024;

std::string_view View(beast::string_view text) {
  return {text.data(), text.size()};
}

// `target` is what ReadHttpTarget made of the message's.
HttpRequest FromBeast(const http::request<http::string_body>& message, HttpTarget target) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::move(target.path_and_query);
  for (const auto& field : message) {
    const bool host = field.name() == http::field::host;
    request.headers.emplace_back(std::string(field.name_string()),
                                 host ? target.authority : std::string(field.value()));
  }
  request.body = message.body();
  return request;
}

HttpResponse Refusal(int status, const char* code, const std::string& detail) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/problem+json");
  response.body = DumpJson(Json{{"status", status}, {"code", code}, {"detail", detail}});
  return response;
}

// Whether a request finishes or undoes what others may be waiting for.
bool Settles(std::string_view target) {
  target = target.substr(0, target.find('?'));
  const auto operation = ParseOperation(target.substr(target.rfind('/') + 1));
  return operation && PurposeOf(*operation) != Purpose::kForward;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Participant& participant, const ServerOptions& options)
      : participant_(participant),
        options_(options),
        acceptor_(io_),
        accept_again_(io_),
        threads_(std::max<size_t>(1, options.threads)),
        max_forward_(threads_ - std::min(threads_ - 1, options.reserved_threads)),
        workers_(threads_) {}

  Status Listen() {
    error_code error;
    const auto address = asio::ip::make_address(options_.address, error);
    if (error) {
      return InvalidArgument("server.bad_address",
                             "'" + options_.address + "' is not an IP address to listen on");
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) {
      acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    }
    if (!error) {
      acceptor_.bind(endpoint, error);
    }
    if (!error) {
      acceptor_.listen(asio::socket_base::max_listen_connections, error);
    }
    if (error) {
      return Unavailable("server.cannot_listen", "cannot listen on " + options_.address + ":" +
                                                     std::to_string(options_.port) + ": " +
                                                     error.message());
    }
    port_ = acceptor_.local_endpoint().port();
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return Status();
  }

  uint16_t port() const { return port_; }

  std::string url() const {
    const bool v6 = options_.address.find(':') != std::string::npos;
    const std::string host = v6 ? "[" + options_.address + "]" : options_.address;
    return "http://" + host + ":" + std::to_string(port_);
  }

  void Stop(Duration grace) {
    const std::lock_guard lock(stopping_mutex_);
    if (!thread_.joinable()) {
      return;
    }
    asio::post(io_, [this] { BeginStop(); });
    {
      std::unique_lock idle_lock(idle_mutex_);
      idle_.wait_for(idle_lock, grace, [this] { return drained_; });
    }
    asio::post(io_, [this] { CloseAll(); });
    workers_.join();
    io_.stop();
    thread_.join();
    sessions_.clear();  // What still reads or writes is closed.
  }

 private:
  // One connection. Lives in sessions_ until its last operation has ended. All on the io thread,
  // but for the handler.
  class Session {
   public:
    Session(Impl& server, tcp::socket socket) : server_(server), stream_(std::move(socket)) {}

    // The next request, of which bytes may have arrived already.
    void Read() {
      head_ = HttpHeadReader(HttpSide::kRequest);
      parser_.emplace();
      parser_->body_limit(server_.options_.max_body_bytes);
      parser_->header_limit(static_cast<uint32_t>(limits::kMaxHeaderBytes));
      parser_->on_chunk_header(on_chunk_);
      busy_ = false;
      stream_.expires_after(server_.options_.idle_timeout);
      ReadHead();
    }

    // Ends at once if nothing is under way, else after the answer.
    void Close(bool now) {
      closing_ = true;
      if (now || !busy_) {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
        stream_.cancel();
      }
    }

    std::list<Session>::iterator self;

   private:
    [[nodiscard]] std::string_view Buffered() const {
      const auto data = buffer_.cdata();
      return {static_cast<const char*>(data.data()), data.size()};
    }

    // The head is judged before the parser sees it.
    void ReadHead() {
      if (!busy_) {
        buffer_.consume(LeadingEmptyLines(Buffered()));
        busy_ = !Buffered().empty() && Buffered() != "\r";
        if (busy_) {  // The first byte ends the idling and begins the request.
          stream_.expires_after(server_.options_.read_timeout);
        }
      }
      const Status status = busy_ ? head_.Read(Buffered()) : Status();
      if (!status.ok()) {
        return Answer(Refusal(400, "call.bad_http", status.message()), false);
      }
      if (head_.complete()) {
        return http::async_read(stream_, buffer_, *parser_,
                                [this](error_code failed, size_t) { OnRead(failed); });
      }
      if (Buffered().size() > limits::kMaxHeaderBytes) {
        return OnRead(http::error::header_limit);
      }
      stream_.async_read_some(buffer_.prepare(4096), [this](error_code error, size_t bytes) {
        buffer_.commit(bytes);
        if (error || (closing_ && !busy_)) {
          return server_.Remove(self);
        }
        ReadHead();
      });
    }

    void OnRead(error_code error) {
      if (error == http::error::body_limit || error == http::error::header_limit) {
        return Answer(
            Refusal(
                413, "call.too_large",
                "a request body has at most " + std::to_string(server_.options_.max_body_bytes) +
                    " bytes, and its headers at most " + std::to_string(limits::kMaxHeaderBytes)),
            false);
      }
      if (error.category() == http::make_error_code(http::error::bad_method).category() &&
          error != http::error::end_of_stream && error != http::error::partial_message) {
        return Answer(Refusal(400, "call.bad_http", error.message()), false);
      }
      if (error) {
        return server_.Remove(self);
      }
      const auto& message = parser_->get();
      Result<HttpTarget> target = ReadHttpTarget(
          View(message.method_string()), View(message.target()), View(message[http::field::host]));
      if (!target.ok()) {
        return Answer(Refusal(400, "call.bad_http", target.status().message()), false);
      }
      // The answer takes as long as the handler does.
      stream_.expires_never();
      if (!server_.Enqueue(*this, FromBeast(message, std::move(*target)))) {
        HttpResponse full = Refusal(503, "server.busy", "too many requests wait for a handler");
        full.headers.emplace_back("Retry-After", "1");
        Answer(full, parser_->get().keep_alive());
      }
    }

   public:
    void Answer(const HttpResponse& response, bool keep_alive) {
      message_ = {};
      message_.version(11);
      message_.result(static_cast<unsigned>(response.status));
      message_.keep_alive(keep_alive && !closing_);
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      message_.set(http::field::date,
                   FormatHttpDate(Instant(std::chrono::duration_cast<Duration>(now))));
      for (const auto& [name, value] : response.headers) {
        message_.set(name, value);
      }
      message_.body() = response.body;
      message_.prepare_payload();
      stream_.expires_after(server_.options_.read_timeout);
      http::async_write(stream_, message_, [this](error_code error, size_t) { OnWritten(error); });
    }
    void AnswerHandled(const HttpResponse& response) {
      Answer(response, parser_->get().keep_alive());
    }

   private:
    void OnWritten(error_code error) {
      if (error || !message_.keep_alive() || closing_) {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        return server_.Remove(self);
      }
      Read();
    }

    Impl& server_;
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_{kMaxBufferedBytes};
    HttpHeadReader head_{HttpSide::kRequest};
    std::optional<http::request_parser<http::string_body>> parser_;
    std::function<void(uint64_t, beast::string_view, error_code&)> on_chunk_ =
        [](uint64_t, beast::string_view extensions, error_code& error) {
          if (!IsHttpText(View(extensions))) {
            error = http::error::bad_chunk_extension;
          }
        };
    http::response<http::string_body> message_;
    bool busy_ = false;  // A request is being read, handled or answered.
    bool closing_ = false;
  };

  void Accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) {
        return;
      }
      if (error) {
        // Out of descriptors, most likely: accepting again at once would spin.
        accept_again_.expires_after(kAcceptPause);
        accept_again_.async_wait([this](error_code stopped) {
          if (!stopped) {
            Accept();
          }
        });
        return;
      }
      if (sessions_.size() < options_.max_connections) {
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        Session& session = sessions_.emplace_back(*this, std::move(socket));
        session.self = std::prev(sessions_.end());
        session.Read();
      }
      Accept();
    });
  }

  struct Waiting {
    Session& session;
    HttpRequest request;
  };

  // Hands a request to a worker, or lets it wait for one. False: too many wait already.
  bool Enqueue(Session& session, HttpRequest request) {
    if (under_way_ >= threads_ + options_.max_waiting) {
      return false;
    }
    ++under_way_;
    if (Settles(request.target)) {
      Handle({session, std::move(request)}, false);
    } else {
      forward_.push_back({session, std::move(request)});
      StartForward();
    }
    return true;
  }

  void StartForward() {
    while (!forward_.empty() && running_forward_ < max_forward_) {
      Waiting next = std::move(forward_.front());
      forward_.pop_front();
      ++running_forward_;
      Handle(std::move(next), true);
    }
  }

  void Handle(Waiting waiting, bool forward) {
    asio::post(workers_, [this, forward, waiting = std::move(waiting)] {
      HttpResponse response = participant_.Handle(waiting.request);
      Session& session = waiting.session;
      asio::post(io_, [this, forward, &session, response = std::move(response)] {
        --under_way_;
        running_forward_ -= forward ? 1 : 0;
        session.AnswerHandled(response);
        StartForward();
      });
    });
  }

  void Remove(std::list<Session>::iterator session) {
    sessions_.erase(session);
    TellIfDrained();
  }

  void BeginStop() {
    error_code ignored;
    acceptor_.close(ignored);
    accept_again_.cancel();
    stopping_ = true;
    for (Session& session : sessions_) {
      session.Close(false);
    }
    TellIfDrained();
  }

  void CloseAll() {
    forward_.clear();  // Their callers are gone.
    for (Session& session : sessions_) {
      session.Close(true);
    }
  }

  void TellIfDrained() {
    if (stopping_ && sessions_.empty()) {
      const std::lock_guard lock(idle_mutex_);
      drained_ = true;
      idle_.notify_all();
    }
  }

  const Participant& participant_;
  const ServerOptions options_;
  asio::io_context io_{1};
  // While a handler runs its connection waits for nothing, and the loop must not end for that.
  asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
  tcp::acceptor acceptor_;
  asio::steady_timer accept_again_;
  std::list<Session> sessions_;
  const size_t threads_;
  const size_t max_forward_;  // Forward calls that are handled at once.
  std::deque<Waiting> forward_;
  size_t running_forward_ = 0;
  size_t under_way_ = 0;
  bool stopping_ = false;
  asio::thread_pool workers_;
  uint16_t port_ = 0;
  std::thread thread_;
  std::mutex stopping_mutex_;
  std::mutex idle_mutex_;
  std::condition_variable idle_;
  bool drained_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const Participant& participant,
                                                      const ServerOptions& options) {
  auto impl = std::make_unique<Impl>(participant, options);
  ENTENTE_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  impl_->Stop(std::chrono::seconds(5));
}

uint16_t HttpServer::port() const {
  return impl_->port();
}
std::string HttpServer::url() const {
  return impl_->url();
}
void HttpServer::Stop(Duration grace) {
  impl_->Stop(grace);
}

}  // namespace entente::sdk
