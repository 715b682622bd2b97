#include "coordinator/outlets/poster.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace entente::outlets {
namespace {

constexpr size_t kMaxAnswerBytes = size_t{64} << 10;

bool MayBeTakenLater(int status) {
  constexpr std::array kLater{408, 425, 429, 500, 502, 503, 504};
  return std::find(kLater.begin(), kLater.end(), status) != kLater.end();
}

// In seconds (RFC 9110, 10.2.3); a date counts as nothing.
std::optional<Duration> RetryAfterOf(const net::HttpResponse& response) {
  const auto field = response.headers.Find("retry-after");
  if (!field) {
    return std::nullopt;
  }
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(field->data(), field->data() + field->size(), seconds);
  return error == std::errc() && end == field->data() + field->size()
             ? std::optional<Duration>(std::chrono::seconds(seconds))
             : std::nullopt;
}

PostResult ResultOf(net::HttpOutcome outcome) {
  PostResult result;
  if (const auto* error = std::get_if<net::CallError>(&outcome)) {
    result.delivery = error->failure == net::CallFailure::kInvalidRequest ? Delivery::kRefused
                                                                          : Delivery::kTryLater;
    result.what = error->reason + ": " + error->message;
    return result;
  }
  auto& response = std::get<net::HttpResponse>(outcome);
  if (response.status >= 200 && response.status < 300) {
    result.delivery = Delivery::kTaken;
  } else {
    result.delivery = MayBeTakenLater(response.status) ? Delivery::kTryLater : Delivery::kRefused;
    result.retry_after = RetryAfterOf(response);
    result.what = "http." + std::to_string(response.status);
  }
  result.body = std::move(response.body);
  return result;
}

net::HttpClientOptions OptionsWith(net::TlsSource tls) {
  net::HttpClientOptions options;
  options.max_body_bytes = kMaxAnswerBytes;
  options.tls = std::move(tls);
  return options;
}

}  // namespace

struct Poster::Impl {
  explicit Impl(net::TlsSource tls) : client(io, OptionsWith(std::move(tls))) {}

  boost::asio::io_context io{1};
  net::HttpClient client;
  std::atomic<bool> stopped{false};
};

Poster::Poster(net::TlsSource tls) : impl_(std::make_unique<Impl>(std::move(tls))) {}

Poster::~Poster() = default;

PostResult Poster::Post(const net::Url& url, const PostHeaders& headers, std::string body,
                        Duration timeout) {
  net::HttpRequest request;
  request.url = url;
  request.body = std::move(body);
  for (const auto& [name, value] : headers) {
    request.headers.Add(name, value);
  }
  std::optional<net::HttpOutcome> outcome;
  impl_->client.Call(std::move(request), timeout,
                     [&outcome](net::HttpOutcome result) { outcome = std::move(result); });
  impl_->io.restart();
  while (!outcome) {
    if (impl_->stopped) {
      impl_->client.CancelAll();
    } else {
      impl_->io.run_one();
    }
  }
  return ResultOf(std::move(*outcome));
}

// What is posted wakes the thread that waits in run_one.
void Poster::Stop() {
  impl_->stopped = true;
  boost::asio::post(impl_->io, [] {});
}

Duration PauseAfter(uint32_t failures, const PostResult& result, Duration longest) {
  constexpr uint32_t kMostDoublings = 20;
  const Duration doubled =
      std::chrono::seconds(1) * (int64_t{1} << std::min(failures - 1, kMostDoublings));
  return std::min(result.retry_after.value_or(doubled), longest);
}

}  // namespace entente::outlets
