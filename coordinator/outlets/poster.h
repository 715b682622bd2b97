// Poster: sends one request after the other over HTTP, on the thread that asks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "net/core/tls.h"
#include "net/core/url.h"
#include "net/http/http_client.h"

namespace entente::outlets {

// How an answer, or the lack of one, is to be taken.
enum class Delivery : uint8_t {
  kTaken,     // 2xx.
  kTryLater,  // 408, 425, 429, 500, 502, 503, 504, or no answer: the same may be taken later.
  kRefused,   // Anything else: it will not be taken, however often it is sent.
};

struct PostResult {
  Delivery delivery = Delivery::kTryLater;
  std::optional<Duration> retry_after;  // As it asked for.
  std::string body;                     // Of the answer.
  std::string what;                     // What happened, for people, unless it was taken.
};

using PostHeaders = std::vector<std::pair<std::string, std::string>>;

// Everything on one thread, which Post blocks, but for Stop.
class Poster {
 public:
  // `tls` may be empty: then https fails.
  explicit Poster(net::TlsSource tls);
  ~Poster();
  Poster(const Poster&) = delete;
  Poster& operator=(const Poster&) = delete;

  [[nodiscard]] PostResult Post(const net::Url& url, const PostHeaders& headers, std::string body,
                                Duration timeout);

  // Ends the request that is under way, as not answered, and every later one at once. Any thread.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The pause before the `failures`-th repetition: doubled from 1 s to `longest`; or what was asked
// for, within the same bound.
[[nodiscard]] Duration PauseAfter(uint32_t failures, const PostResult& result, Duration longest);

}  // namespace entente::outlets
