#include "participant-sdk/src/client/http_connection.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "net/core/tls_files.h"
#include "net/http/http_client.h"

namespace entente::sdk {
namespace {

namespace asio = boost::asio;

HttpAnswer FromNet(const net::HttpResponse& response) {
  HttpAnswer answer{response.status, response.body, {}};
  for (size_t i = 0; i < response.headers.size(); ++i) {
    answer.headers.emplace_back(response.headers.name(i), response.headers.value(i));
  }
  return answer;
}

// A header that may stand once and stands twice with different values leaves the answer in doubt.
Status CheckHeaders(const net::HttpResponse& response) {
  for (const char* name : {"Content-Type", "Entente-Created", "Retry-After"}) {
    const auto first = response.headers.Find(name);
    for (size_t i = 0; first && i < response.headers.size(); ++i) {
      if (net::EqualsIgnoringCase(response.headers.name(i), name) &&
          response.headers.value(i) != *first) {
        return Internal("client.bad_answer",
                        "an answer has two different values of " + std::string(name));
      }
    }
  }
  return Status();
}

}  // namespace

std::string_view HttpAnswer::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (net::EqualsIgnoringCase(key, name)) {
      return value;
    }
  }
  return {};
}

Duration HttpAnswer::retry_after() const {
  const std::string_view text = Header("Retry-After");
  int seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::chrono::seconds(parsed.ec == std::errc() && seconds > 0 ? seconds : 0);
}

class HttpConnection::Impl {
 public:
  // `tls` is null for plain text.
  Impl(net::Origin origin, ConnectionOptions options, std::shared_ptr<net::TlsFiles> tls)
      : origin_(std::move(origin)), options_(std::move(options)), tls_(std::move(tls)) {
    client_.emplace(io_, ClientOptions());
  }

  [[nodiscard]] const net::Origin& origin() const { return origin_; }

  Result<HttpAnswer> Call(const OutgoingRequest& request, Duration timeout) {
    TakeReplacedFiles();
    const bool kept = client_->stats().idle_connections > 0;
    Begin(request, timeout, /*stream=*/false);
    Run([this] { return ended_.has_value(); });
    Result<HttpAnswer> answer = Ended(request);
    // Closed under us. What only reads may be sent again.
    if (kept && request.method == "GET" && answer.status().reason() == "client.broken") {
      Begin(request, timeout, /*stream=*/false);
      Run([this] { return ended_.has_value(); });
      return Ended(request);
    }
    return answer;
  }

  Result<HttpAnswer> Open(const OutgoingRequest& request, Duration timeout) {
    client_->CancelAll();
    TakeReplacedFiles();
    Begin(request, timeout, /*stream=*/true);
    Run([this] { return head_ || ended_; });
    if (!head_) {
      return Ended(request);
    }
    ENTENTE_RETURN_IF_ERROR(CheckHeaders(*head_));
    return FromNet(*head_);
  }

  Result<std::string> Read(Duration timeout) {
    if (!head_) {
      return UnknownOutcome("client.broken", "the stream is not open");
    }
    const auto until = std::chrono::steady_clock::now() + timeout;
    io_.restart();
    while (pieces_.empty() && !ended_) {
      if (io_.run_one_until(until) == 0) {
        client_->CancelAll();
        return UnknownOutcome("client.timeout",
                              "nothing came in time while reading " + origin_.ToString());
      }
    }
    if (!pieces_.empty()) {
      return std::exchange(pieces_, {});
    }
    const Result<HttpAnswer> ended = Ended({"reading ", ""});
    return ended.ok() ? Result<std::string>(std::string()) : ended.status();
  }

 private:
  [[nodiscard]] net::HttpClientOptions ClientOptions() const {
    net::HttpClientOptions client;
    client.connect_timeout = options_.connect_timeout;
    client.max_body_bytes = options_.max_answer_bytes;
    client.tls = tls_ == nullptr ? net::TlsSource() : net::Always(tls_->current());
    client.policy = net::AddressPolicy::Everything();
    return client;
  }

  // A certificate that was replaced may be so because the one before is over: what is connected by
  // that is not used again. No call is under way.
  void TakeReplacedFiles() {
    if (tls_ == nullptr) {
      return;
    }
    if (const Result<bool> taken = tls_->Refresh(); taken.ok() && *taken) {
      client_.emplace(io_, ClientOptions());
    }
  }

  [[nodiscard]] net::HttpRequest ToNet(const OutgoingRequest& request) const {
    net::HttpRequest message;
    message.method = request.method;
    message.url = {origin_, request.target};
    message.headers.Add("User-Agent", "entente-client");
    message.headers.Add("Accept", request.accept.empty() ? "application/json" : request.accept);
    if (!request.last_event_id.empty()) {
      message.headers.Add("Last-Event-ID", request.last_event_id);
    }
    if (!request.body.empty()) {
      message.headers.Add("Content-Type", "application/json");
    }
    for (const HeaderFields* fields : {&options_.headers, &request.headers}) {
      for (const auto& [name, value] : *fields) {
        message.headers.Add(name, value);
      }
    }
    message.body = request.body;
    return message;
  }

  void Begin(const OutgoingRequest& request, Duration timeout, bool stream) {
    ended_.reset();
    head_.reset();
    pieces_.clear();
    const auto done = [this](net::HttpOutcome outcome) { ended_ = std::move(outcome); };
    const Duration whole = options_.connect_timeout + timeout;
    if (!stream) {
      return client_->Call(ToNet(request), whole, done);
    }
    client_->Stream(
        ToNet(request), whole,
        [this](const net::HttpResponse& head, std::string_view piece) {
          if (!head_) {
            head_ = head;
          }
          pieces_ += piece;
        },
        done);
  }

  // Runs what is asynchronous until `until` holds.
  template <class Condition>
  void Run(const Condition& until) {
    io_.restart();
    while (!until() && io_.run_one() > 0) {
    }
  }

  Result<HttpAnswer> Ended(const OutgoingRequest& request) {
    const net::HttpOutcome outcome =
        std::exchange(ended_, std::nullopt)
            .value_or(net::CallError{net::CallFailure::kUnknown, "call.cancelled", "given up"});
    if (const auto* error = std::get_if<net::CallError>(&outcome)) {
      return StatusOf(*error, request.method + " " + origin_.ToString() + request.target);
    }
    const auto& response = std::get<net::HttpResponse>(outcome);
    ENTENTE_RETURN_IF_ERROR(CheckHeaders(response));
    return FromNet(response);
  }

  static Status StatusOf(const net::CallError& error, const std::string& asked) {
    switch (error.failure) {
      case net::CallFailure::kInvalidRequest:
        return InvalidArgument("client.bad_request", error.message);
      case net::CallFailure::kNotSent:
        return Unavailable("client.unreachable", "cannot connect to " + error.message);
      case net::CallFailure::kBadResponse:
        return Internal("client.bad_answer", "the answer to " + asked + " can not be used: " +
                                                 error.message + "; is it the right HTTP address?");
      case net::CallFailure::kUnknown: break;
    }
    const bool late = error.fault == net::CallFault::kTimeLimit;
    return late ? UnknownOutcome("client.timeout",
                                 "no answer in time to " + asked + "; it may have been carried out")
                : UnknownOutcome("client.broken", "the connection broke during " + asked + " (" +
                                                      error.message + ")");
  }

  const net::Origin origin_;
  const ConnectionOptions options_;
  const std::shared_ptr<net::TlsFiles> tls_;  // Null: plain text.
  asio::io_context io_{1};
  std::optional<net::HttpClient> client_;  // Always there, from the constructor on.
  std::optional<net::HttpOutcome> ended_;  // Of the latest call.
  std::optional<net::HttpResponse> head_;  // Of the answer that streams.
  std::string pieces_;                     // Of it, not read yet.
};

HttpConnection::HttpConnection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpConnection::~HttpConnection() = default;

Result<std::unique_ptr<HttpConnection>> HttpConnection::Make(net::Origin origin,
                                                             ConnectionOptions options) {
  std::shared_ptr<net::TlsFiles> tls;
  if (origin.tls) {
    auto loaded = net::TlsFiles::ForClients(
        {options.tls.ca_file, options.tls.certificate_file, options.tls.key_file});
    if (!loaded.ok()) {
      return InvalidArgument("client.bad_tls", loaded.status().message());
    }
    tls = std::move(loaded).value();
  }
  auto impl = std::make_unique<Impl>(std::move(origin), std::move(options), std::move(tls));
  return std::unique_ptr<HttpConnection>(new HttpConnection(std::move(impl)));
}

Result<HttpAnswer> HttpConnection::Call(const OutgoingRequest& request, Duration timeout) {
  return impl_->Call(request, timeout);
}
Result<HttpAnswer> HttpConnection::Open(const OutgoingRequest& request, Duration timeout) {
  return impl_->Open(request, timeout);
}
Result<std::string> HttpConnection::Read(Duration timeout) {
  return impl_->Read(timeout);
}
const net::Origin& HttpConnection::origin() const {
  return impl_->origin();
}

}  // namespace entente::sdk
