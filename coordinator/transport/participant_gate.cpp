#include "coordinator/transport/participant_gate.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace entente::transport {
namespace {

constexpr double kMicrosPerSecond = 1e6;
// The weight of the latest call in a moving average: about the last twenty count.
constexpr double kAverageWeight = 0.1;
constexpr size_t kQueueSlack = 64;

}  // namespace

std::string_view BlockedByName(BlockedBy reason) {
  switch (reason) {
    case BlockedBy::kNothing: return "nothing";
    case BlockedBy::kBreaker: return "breaker";
    case BlockedBy::kConcurrency: return "concurrency";
    case BlockedBy::kRate: return "rate";
  }
  return "nothing";
}

std::string_view BreakerStateName(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed: return "closed";
    case BreakerState::kOpen: return "open";
    case BreakerState::kHalfOpen: return "half-open";
  }
  return "closed";
}

ParticipantGate::ParticipantGate(GateOptions options)
    : options_(options),
      cool_down_(options.first_cool_down),
      tokens_(std::max(1.0, options.burst)) {
  ENTENTE_CHECK(options_.max_concurrent > 0);
  ENTENTE_CHECK(options_.cool_down_factor >= 1);
  options_.burst = std::max(1.0, options_.burst);
}

Instant ParticipantGate::Monotonic(Instant now) {
  latest_ = std::max(latest_, now);
  return latest_;
}

ParticipantGate::Admission ParticipantGate::Acquire(Ticket ticket, Instant now, Permit& permit) {
  now = Monotonic(now);
  // Who comes later does not overtake who waits.
  if (parked_.empty() && TryAdmit(now)) {
    permit = Permit{ticket, period_, now};
    return Admission::kAdmitted;
  }
  if (parked_.size() >= options_.max_queued) {
    return Admission::kRefused;
  }
  const bool inserted = parked_.insert(ticket).second;
  ENTENTE_CHECK(inserted);
  queue_.push_back(ticket);
  return Admission::kParked;
}

bool ParticipantGate::Withdraw(Ticket ticket) {
  if (parked_.erase(ticket) == 0) {
    return false;
  }
  if (queue_.size() > 2 * parked_.size() + kQueueSlack) {
    std::erase_if(queue_, [this](Ticket queued) { return !parked_.contains(queued); });
  }
  return true;
}

void ParticipantGate::Release(Instant now, std::vector<Permit>& admitted) {
  now = Monotonic(now);
  while (!parked_.empty()) {
    const Ticket ticket = queue_.front();
    if (parked_.contains(ticket)) {
      if (!TryAdmit(now)) {
        return;
      }
      parked_.erase(ticket);
      admitted.push_back(Permit{ticket, period_, now});
    }
    queue_.pop_front();
  }
  queue_.clear();
}

BlockedBy ParticipantGate::Obstacle(Instant now) const {
  if (breaker_ == BreakerState::kHalfOpen ||
      (breaker_ == BreakerState::kOpen && now < open_until_)) {
    return BlockedBy::kBreaker;
  }
  if (in_flight_ >= options_.max_concurrent) {
    return BlockedBy::kConcurrency;
  }
  if (options_.rate_per_second > 0 && TokensAt(now) < 1) {
    return BlockedBy::kRate;
  }
  return BlockedBy::kNothing;
}

BlockedBy ParticipantGate::blocked_by(Instant now) const {
  const BlockedBy obstacle = Obstacle(std::max(now, latest_));
  // Behind a queue a newcomer waits for what the head of the queue waits for.
  return obstacle == BlockedBy::kNothing && !parked_.empty() ? BlockedBy::kConcurrency : obstacle;
}

bool ParticipantGate::TryAdmit(Instant now) {
  if (Obstacle(now) != BlockedBy::kNothing) {
    return false;
  }
  if (breaker_ == BreakerState::kOpen) {
    breaker_ = BreakerState::kHalfOpen;  // This call is the probe.
    ++period_;
  }
  if (options_.rate_per_second > 0) {
    tokens_ = TokensAt(now) - 1;
    tokens_at_ = now;
    tokens_started_ = true;
  }
  ++in_flight_;
  return true;
}

double ParticipantGate::TokensAt(Instant now) const {
  if (!tokens_started_) {
    return tokens_;
  }
  const auto elapsed = static_cast<double>((now - tokens_at_).count());
  // The sum is rounded to a millionth, or the instant NextWakeup names might come out just short.
  const double tokens = tokens_ + elapsed * options_.rate_per_second / kMicrosPerSecond;
  return std::min(options_.burst, std::round(tokens * kMicrosPerSecond) / kMicrosPerSecond);
}

void ParticipantGate::OnFinished(const Permit& permit, CallResult result, Instant now) {
  now = Monotonic(now);
  ENTENTE_CHECK(in_flight_ > 0);
  --in_flight_;
  if (result == CallResult::kNotMade) {
    OnNotMade(permit, now);
    return;
  }
  ++finished_;
  const bool failed = result == CallResult::kTransportFailure;
  const double error = failed ? 1 : 0;
  error_rate_ = finished_ == 1 ? error : error_rate_ + kAverageWeight * (error - error_rate_);
  if (!failed) {
    const auto latency = static_cast<double>((now - permit.admitted_at).count());
    latency_micros_ =
        has_latency_ ? latency_micros_ + kAverageWeight * (latency - latency_micros_) : latency;
    has_latency_ = true;
  }
  if (failed) {
    OnFailure(permit, now);
  } else {
    OnAnswer(permit);
  }
}

void ParticipantGate::OnFailure(const Permit& permit, Instant now) {
  if (permit.period != period_) {
    return;
  }
  ++consecutive_failures_;
  if (breaker_ == BreakerState::kHalfOpen) {
    const double longer = static_cast<double>(cool_down_.count()) * options_.cool_down_factor;
    const auto most = static_cast<double>(options_.max_cool_down.count());
    cool_down_ = Duration(static_cast<Duration::rep>(std::min(longer, most)));
    Open(now);
  } else if (breaker_ == BreakerState::kClosed && options_.failures_to_open > 0 &&
             consecutive_failures_ >= options_.failures_to_open) {
    cool_down_ = options_.first_cool_down;
    Open(now);
  }
}

void ParticipantGate::OnAnswer(const Permit& permit) {
  if (permit.period != period_) {
    return;
  }
  consecutive_failures_ = 0;
  if (breaker_ == BreakerState::kHalfOpen) {
    breaker_ = BreakerState::kClosed;
    ++period_;
  }
}

// The participant is as unknown as before; only the probe's place must not stay taken.
void ParticipantGate::OnNotMade(const Permit& permit, Instant now) {
  if (permit.period == period_ && breaker_ == BreakerState::kHalfOpen) {
    breaker_ = BreakerState::kOpen;
    ++period_;
    open_until_ = now;
  }
}

void ParticipantGate::Open(Instant now) {
  breaker_ = BreakerState::kOpen;
  ++period_;
  open_until_ = now + cool_down_;
}

bool ParticipantGate::IdleAt(Instant now) const {
  const bool cooling = breaker_ == BreakerState::kOpen && now < open_until_;
  const bool unlimited = options_.rate_per_second <= 0;
  return in_flight_ == 0 && parked_.empty() && !cooling &&
         (unlimited || TokensAt(std::max(now, latest_)) >= options_.burst);
}

std::optional<Instant> ParticipantGate::NextWakeup() const {
  if (parked_.empty()) {
    return std::nullopt;
  }
  switch (Obstacle(latest_)) {
    case BlockedBy::kBreaker:
      return breaker_ == BreakerState::kOpen ? std::optional(open_until_) : std::nullopt;
    case BlockedBy::kConcurrency: return std::nullopt;
    case BlockedBy::kRate: {
      const double missing = 1 - TokensAt(latest_);
      const double micros = std::ceil(missing * kMicrosPerSecond / options_.rate_per_second);
      return latest_ + Duration(std::max<Duration::rep>(1, static_cast<Duration::rep>(micros)));
    }
    case BlockedBy::kNothing: return latest_;
  }
  return std::nullopt;
}

ParticipantGate::Stats ParticipantGate::stats() const {
  Stats stats;
  stats.breaker = breaker_;
  if (breaker_ == BreakerState::kOpen) {
    stats.open_until = open_until_;
  }
  stats.in_flight = in_flight_;
  stats.queued = parked_.size();
  stats.consecutive_failures = consecutive_failures_;
  stats.finished = finished_;
  stats.error_rate = error_rate_;
  stats.latency = Duration(static_cast<Duration::rep>(latency_micros_));
  return stats;
}

}  // namespace entente::transport
