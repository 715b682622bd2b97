// Where every call of a service arrives, whatever protocol carried it: the switches spoil it, the
// writer carries it out, the answer leaves.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "examples/travel/common/switches.h"
#include "examples/travel/common/writer.h"

namespace travel {

// An answer as HTTP says it. A gRPC front turns the status into its own code.
struct Reply {
  int status = 200;
  Json body;
  std::string raw_body;  // Sent instead of `body` when not empty.
  std::string location;  // Of a 202.
};

using ReplyFn = std::function<void(Reply)>;

class Desk {
 public:
  // All three must outlive the desk. `io` runs on one thread; replies and timers run there.
  Desk(boost::asio::io_context& io, Writer& writer, Switches& switches);

  // Carries out `call`, which is no kLook. `reply` runs exactly once, on the io thread, after the
  // effect is on disk. Thread-safe; does not block.
  void Handle(Call call, ReplyFn reply);

  // Ends every wait: what was delayed goes on, what was held back is answered. From then on nothing
  // waits. Thread-safe; runs soon, on the io thread.
  void StopWaiting();

 private:
  struct Visit;  // One call on its way.

  void Perform(const std::shared_ptr<Visit>& visit);
  void Deliver(const std::shared_ptr<Visit>& visit);
  void Wait(Millis duration, std::function<void()> then);  // Io thread only.

  boost::asio::io_context& io_;
  Writer& writer_;
  Switches& switches_;
  bool waiting_allowed_ = true;                                 // Io thread only.
  std::set<std::shared_ptr<boost::asio::steady_timer>> waits_;  // Io thread only; the timer's
                                                                // handler holds it too.
};

}  // namespace travel
