// A connection on its way from one server to another. Internal to net.
#pragma once

#include <memory>
#include <utility>

#include "net/core/byte_channel.h"
#include "net/http/http_server.h"

namespace entente::net {

// With the request that waits for an answer, and the connection's place, which it gives back unless
// somebody took both over.
struct MovedConnection {
  explicit MovedConnection(DetachedChannel from) : channel(std::move(from)) {}
  MovedConnection(MovedConnection&&) = default;
  MovedConnection& operator=(MovedConnection&&) = delete;
  ~MovedConnection() {
    if (place != nullptr) {
      place->GiveBack();
    }
  }

  DetachedChannel channel;
  HttpServerRequest request;
  std::shared_ptr<ServerLoad> place;
  bool chunked = false;
  bool is_head = false;
  bool is_safe = false;
  bool peer_gone = false;
};

}  // namespace entente::net
