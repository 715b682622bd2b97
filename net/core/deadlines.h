// Many deadlines over one timer, without allocation. Internal to net.
#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/intrusive/set.hpp>

namespace entente::net {

class Deadlines;

// Something that may run out of time. Set through a Deadlines; forgets itself when destroyed.
class Deadline : public boost::intrusive::set_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Clock = std::chrono::steady_clock;

  // No-op if not set.
  void CancelDeadline() { unlink(); }
  [[nodiscard]] bool deadline_set() const { return is_linked(); }
  [[nodiscard]] Clock::time_point deadline() const { return at_; }

  friend bool operator<(const Deadline& a, const Deadline& b) { return a.at_ < b.at_; }

 protected:
  Deadline() = default;
  virtual ~Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  friend class Deadlines;
  // Called once per deadline set; it is no longer set then.
  virtual void OnDeadline() = 0;

  Clock::time_point at_;
};

// The deadlines of one io_context. Nearly every call ends long before its deadline, so the timer is
// set to the earliest one and not touched when that is cancelled: it fires, finds nothing due and
// moves on. A call thus costs two tree operations and no system call. Single-threaded.
class Deadlines {
 public:
  explicit Deadlines(boost::asio::io_context& io);
  ~Deadlines();

  // Sets or moves `deadline`.
  void Set(Deadline& deadline, Deadline::Clock::time_point at);

 private:
  struct Timer;

  void Arm(Deadline::Clock::time_point at);
  void OnTimer();

  boost::intrusive::multiset<Deadline, boost::intrusive::constant_time_size<false>> deadlines_;
  // Shared with the timer's pending handler, which may run after this object's end.
  std::shared_ptr<Timer> timer_;
};

}  // namespace entente::net
