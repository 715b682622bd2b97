#include "net/core/deadlines.h"

#include <boost/asio/steady_timer.hpp>

namespace entente::net {

struct Deadlines::Timer {
  Timer(boost::asio::io_context& io, Deadlines* deadlines) : timer(io), owner(deadlines) {}

  boost::asio::steady_timer timer;
  Deadlines* owner;  // Null once it has ended.
  bool armed = false;
};

Deadlines::Deadlines(boost::asio::io_context& io) : timer_(std::make_shared<Timer>(io, this)) {}

Deadlines::~Deadlines() {
  timer_->owner = nullptr;
  timer_->timer.cancel();
}

void Deadlines::Set(Deadline& deadline, Deadline::Clock::time_point at) {
  deadline.CancelDeadline();
  deadline.at_ = at;
  deadlines_.insert(deadline);
  if (!timer_->armed || at < timer_->timer.expiry()) {
    Arm(at);
  }
}

void Deadlines::Arm(Deadline::Clock::time_point at) {
  timer_->armed = true;
  timer_->timer.expires_at(at);  // Cancels the wait before, whose handler then does nothing.
  timer_->timer.async_wait([timer = timer_](const boost::system::error_code& error) {
    if (!error && timer->owner != nullptr) {
      timer->owner->OnTimer();
    }
  });
}

void Deadlines::OnTimer() {
  // A wait that completed just before it was moved arrives here early; the loop finds nothing due
  // then and arms again.
  timer_->armed = false;
  const std::shared_ptr<Timer> timer = timer_;  // A deadline's owner may end this object.
  const auto now = Deadline::Clock::now();
  while (timer->owner != nullptr && !deadlines_.empty() && deadlines_.begin()->at_ <= now) {
    Deadline& due = *deadlines_.begin();
    due.CancelDeadline();
    due.OnDeadline();
  }
  if (timer->owner != nullptr && !timer->armed && !deadlines_.empty()) {
    Arm(deadlines_.begin()->at_);
  }
}

}  // namespace entente::net
