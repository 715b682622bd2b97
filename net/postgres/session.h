// One session that is made anew when it is lost.
#pragma once

#include <memory>
#include <utility>

#include "base/status.h"
#include "net/postgres/backoff.h"
#include "net/postgres/connection.h"

namespace entente::pg {

// Used by one thread at a time.
class Session {
 public:
  explicit Session(ConnectOptions options) : options_(std::move(options)) {}

  // The session, connected; the pointer is valid until the next call. After a failure the next try
  // is due after a while, and kUnavailable until then. Blocks.
  [[nodiscard]] Result<Connection*> Get();

  // Closes it: what it is in the middle of is the server's to end.
  void Drop() { connection_.reset(); }

 private:
  const ConnectOptions options_;
  std::unique_ptr<Connection> connection_;
  Backoff backoff_{std::chrono::milliseconds(50), std::chrono::seconds(2)};
  Status latest_;
};

}  // namespace entente::pg
