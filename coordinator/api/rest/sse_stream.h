// One client that reads server-sent events (WHATWG HTML, 9.2). Internal to api.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "coordinator/api/event_feed.h"
#include "net/http/http_server.h"

namespace entente::api {

// Moves events from a feed to the client, as fast as the client reads. Lives on one server's thread
// and is held by that server's handler; only Wake is called from elsewhere. Ends when the feed
// ends, the client leaves or falls behind, or Stop is called.
class SseStream : public std::enable_shared_from_this<SseStream> {
 public:
  [[nodiscard]] static std::shared_ptr<SseStream> Create(boost::asio::io_context& io,
                                                         Duration heartbeat);

  // `ended` is called once, from the thread's loop, when nothing more will be sent; not after Stop.
  void OnEnded(std::function<void(const std::shared_ptr<SseStream>&)> ended) {
    ended_ = std::move(ended);
  }

  // The feed whose notifications wake this stream.
  [[nodiscard]] const std::shared_ptr<EventFeed>& feed() const { return feed_; }

  // Begins to send. `with_ids`: each event carries its revision, from which a client may go on.
  void Start(net::ResponseStream stream, bool with_ids);

  // Lets go of the feed and ends the answer.
  void Stop();

 private:
  SseStream(boost::asio::io_context& io, Duration heartbeat);

  void Wake();
  void Pump();
  void Pause();
  void ArmHeartbeat();
  void Finish();

  boost::asio::io_context& io_;
  const Duration heartbeat_interval_;
  std::function<void(const std::shared_ptr<SseStream>&)> ended_;
  std::shared_ptr<EventFeed> feed_;  // Shared with its subscription.
  std::optional<net::ResponseStream> stream_;
  boost::asio::steady_timer heartbeat_;
  boost::asio::steady_timer pause_;
  bool with_ids_ = false;
  bool pausing_ = false;  // Pump is called when that is over.
  bool stopped_ = false;
  std::atomic<bool> woken_{false};  // A Pump is already posted.
};

}  // namespace entente::api
