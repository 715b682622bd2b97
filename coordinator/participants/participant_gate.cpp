#include "coordinator/participants/participant_gate.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace entente::participants {
namespace {

using Ending = CallEnd::Result;

constexpr double kMicrosPerSecond = 1e6;
// The weight of the latest call in a moving average: about the last twenty count.
constexpr double kAverageWeight = 0.1;
// How the slowest answer fades: half of it is forgotten after about 35 calls.
constexpr double kSlowestFades = 0.98;
constexpr double kPatience = 2;  // Times the slowest answer: a call that allows more is patient.
constexpr size_t kQueueSlack = 64;
constexpr Duration kMayOvertake = std::chrono::seconds(1);
constexpr int kSettleProbesPerCoolDown = 4;
constexpr size_t kOnePlaceInSettles = 8;

}  // namespace

std::string_view BlockedByName(BlockedBy reason) {
  switch (reason) {
    case BlockedBy::kNothing: return "nothing";
    case BlockedBy::kBreaker: return "breaker";
    case BlockedBy::kBackOff: return "backoff";
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

void ParticipantGate::Queue::Push(Ticket ticket, Home home, Instant now) {
  const bool inserted = waiting_.insert(ticket).second;
  ENTENTE_CHECK(inserted);
  lines_[home].push_back({ticket, came_++, now});
  ++held_;
}

bool ParticipantGate::Queue::Remove(Ticket ticket) {
  if (waiting_.erase(ticket) == 0) {
    return false;
  }
  if (held_ > 2 * waiting_.size() + kQueueSlack) {
    for (auto& [home, line] : lines_) {
      std::erase_if(line,
                    [this](const Waiter& waiter) { return !waiting_.contains(waiter.ticket); });
    }
    held_ = waiting_.size();
  }
  return true;
}

ParticipantGate::Queue::Next ParticipantGate::Queue::NextFor(Home home) {
  const Waiter* first = nullptr;
  const Waiter* at_home = nullptr;
  Home home_of_first = nullptr;
  for (auto& [each, line] : lines_) {
    while (!line.empty() && !waiting_.contains(line.front().ticket)) {
      line.pop_front();
      --held_;
    }
    if (line.empty()) {
      continue;
    }
    if (first == nullptr || line.front().number < first->number) {
      first = &line.front();
      home_of_first = each;
    }
    if (each == home) {
      at_home = &line.front();
    }
  }
  const bool may_overtake = at_home != nullptr && at_home->since - first->since <= kMayOvertake;
  return may_overtake ? Next{at_home->ticket, home} : Next{first->ticket, home_of_first};
}

void ParticipantGate::Queue::Pop(const Next& next) {
  waiting_.erase(next.ticket);
  lines_.at(next.home).pop_front();
  --held_;
}

void ParticipantGate::Queue::AppendFirst(size_t most, std::vector<Ticket>& first) const {
  std::vector<Waiter> found;
  for (const auto& [home, line] : lines_) {
    size_t taken = 0;
    for (auto next = line.begin(); next != line.end() && taken < most; ++next) {
      if (waiting_.contains(next->ticket)) {
        found.push_back(*next);
        ++taken;
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Waiter& a, const Waiter& b) { return a.number < b.number; });
  for (const Waiter& waiter : found) {
    if (first.size() < most) {
      first.push_back(waiter.ticket);
    }
  }
}

ParticipantGate::ParticipantGate(GateOptions options)
    : options_(options), tokens_(std::max(1.0, options.burst)) {
  ENTENTE_CHECK(options_.max_concurrent > 0);
  ENTENTE_CHECK(options_.cool_down_factor >= 1);
  options_.burst = std::max(1.0, options_.burst);
}

Instant ParticipantGate::Monotonic(Instant now) {
  latest_ = std::max(latest_, now);
  return latest_;
}

ParticipantGate::Admission ParticipantGate::Acquire(Ticket ticket, Lane lane, Instant now,
                                                    Permit& permit, Home home) {
  now = Monotonic(now);
  // Who comes later does not overtake who waits, and nobody who settles.
  const bool first = queue(lane).empty() && queue(Lane::kSettle).empty();
  if (first && TryAdmit(ticket, home, lane, now, permit)) {
    return Admission::kAdmitted;
  }
  if (queue(Lane::kSettle).size() + queue(Lane::kForward).size() >= options_.max_queued) {
    return Admission::kRefused;
  }
  queue(lane).Push(ticket, home, now);
  return Admission::kParked;
}

bool ParticipantGate::Withdraw(Ticket ticket) {
  return queue(Lane::kForward).Remove(ticket) || queue(Lane::kSettle).Remove(ticket);
}

void ParticipantGate::Release(Instant now, std::vector<Permit>& admitted, Home home) {
  now = Monotonic(now);
  for (const Lane lane : {Lane::kSettle, Lane::kForward}) {
    Permit permit;
    while (!queue(lane).empty()) {
      const Queue::Next next = queue(lane).NextFor(home);
      if (!TryAdmit(next.ticket, next.home, lane, now, permit)) {
        return;
      }
      queue(lane).Pop(next);
      admitted.push_back(permit);
    }
  }
}

size_t ParticipantGate::PlacesFor(Lane lane) const {
  const size_t kept = lane == Lane::kSettle ? 0 : options_.max_concurrent / kOnePlaceInSettles;
  return options_.max_concurrent - kept;
}

BlockedBy ParticipantGate::OutageObstacle() const {
  return outage_ == Outage::kFailures ? BlockedBy::kBreaker : BlockedBy::kBackOff;
}

bool ParticipantGate::MayProbe(Lane lane, Instant now) const {
  return (!probing_ && now >= open_until_) || (lane == Lane::kSettle && now >= next_settle_probe_);
}

BlockedBy ParticipantGate::Obstacle(Lane lane, Instant now) const {
  if (now < paused_until_) {
    return BlockedBy::kBackOff;
  }
  if (outage_ != Outage::kNone && !MayProbe(lane, now)) {
    return OutageObstacle();
  }
  const size_t forward = in_flight_[static_cast<size_t>(Lane::kForward)];
  const size_t all = forward + in_flight_[static_cast<size_t>(Lane::kSettle)];
  if (all >= options_.max_concurrent || (lane == Lane::kForward && forward >= PlacesFor(lane))) {
    return BlockedBy::kConcurrency;
  }
  if (RampHolds(now)) {
    return BlockedBy::kBackOff;
  }
  if (options_.rate_per_second > 0 && TokensAt(now) < 1) {
    return BlockedBy::kRate;
  }
  return BlockedBy::kNothing;
}

BlockedBy ParticipantGate::blocked_by(Instant now) const {
  const BlockedBy obstacle = Obstacle(Lane::kForward, std::max(now, latest_));
  // Behind a queue a newcomer waits for what the head of the queue waits for.
  const bool behind = !queue(Lane::kForward).empty() || !queue(Lane::kSettle).empty();
  return obstacle == BlockedBy::kNothing && behind ? BlockedBy::kConcurrency : obstacle;
}

std::optional<Instant> ParticipantGate::blocked_until(Instant now) const {
  now = std::max(now, latest_);
  const std::optional<Instant> at = WakeupFor(Lane::kForward, now);
  return at && *at > now ? at : std::nullopt;
}

std::vector<ParticipantGate::Ticket> ParticipantGate::FirstWaiting(size_t most) const {
  std::vector<Ticket> first;
  queue(Lane::kSettle).AppendFirst(most, first);
  queue(Lane::kForward).AppendFirst(most, first);
  return first;
}

bool ParticipantGate::TryAdmit(Ticket ticket, Home home, Lane lane, Instant now, Permit& permit) {
  AdvanceRamp(now);
  if (Obstacle(lane, now) != BlockedBy::kNothing) {
    return false;
  }
  const bool in_outage = outage_ != Outage::kNone;
  permit = Permit{ticket, lane, in_outage && !probing_ && now >= open_until_, period_, now, home};
  if (permit.probe) {
    probing_ = true;
  } else if (in_outage) {
    next_settle_probe_ = now + cool_down_ / kSettleProbesPerCoolDown;
  }
  if (ramp_portion_ > 0) {
    --ramp_left_;
  }
  if (options_.rate_per_second > 0) {
    tokens_ = TokensAt(now) - 1;
    tokens_at_ = now;
    tokens_started_ = true;
  }
  ++in_flight_[static_cast<size_t>(lane)];
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

bool ParticipantGate::Tells(const CallEnd& end) const {
  if (end.result != Ending::kTimedOut) {
    return end.result != Ending::kNotMade && end.result != Ending::kExhausted;
  }
  const auto usual = Duration(static_cast<Duration::rep>(kPatience * slowest_micros_));
  return end.allowed >= std::max(options_.least_telling_timeout, usual);
}

void ParticipantGate::OnFinished(const Permit& permit, const CallEnd& end, Instant now) {
  now = Monotonic(now);
  size_t& in_flight = in_flight_[static_cast<size_t>(permit.lane)];
  ENTENTE_CHECK(in_flight > 0);
  --in_flight;
  const bool of_this_period = permit.period == period_;
  if (of_this_period) {
    ramp_news_ = true;
  }
  if (!Tells(end)) {
    OnNothingLearned(permit, end, now);
    return;
  }
  Average(permit, end, now);
  if (!of_this_period) {
    return;
  }
  if (end.result == Ending::kAnswered) {
    OnAnswer(now);
  } else {
    OnFailure(permit, end, now);
  }
}

void ParticipantGate::Average(const Permit& permit, const CallEnd& end, Instant now) {
  ++finished_;
  const bool answered = end.result == Ending::kAnswered || end.result == Ending::kBusy;
  const double error = answered ? 0 : 1;
  error_rate_ = finished_ == 1 ? error : error_rate_ + kAverageWeight * (error - error_rate_);
  if (end.result != Ending::kAnswered) {
    return;
  }
  const auto latency = static_cast<double>((now - permit.admitted_at).count());
  latency_micros_ =
      has_latency_ ? latency_micros_ + kAverageWeight * (latency - latency_micros_) : latency;
  has_latency_ = true;
  slowest_micros_ = std::max(latency, kSlowestFades * slowest_micros_);
}

void ParticipantGate::OnAnswer(Instant now) {
  consecutive_failures_ = 0;
  consecutive_busy_ = 0;
  if (outage_ != Outage::kNone) {
    outage_ = Outage::kNone;
    probing_ = false;
    ++period_;
    BeginRamp(now);
  }
}

void ParticipantGate::OnFailure(const Permit& permit, const CallEnd& end, Instant now) {
  const bool busy = end.result == Ending::kBusy;
  ramp_failed_ = true;
  // Busy answers are answers: they end a row of failures. Not the other way round, or a participant
  // that does both by turns would never be given a pause.
  consecutive_failures_ = busy ? 0 : consecutive_failures_ + 1;
  consecutive_busy_ += busy ? 1 : 0;
  const Outage outage = busy ? Outage::kBusy : Outage::kFailures;
  if (outage_ != Outage::kNone) {
    if (permit.probe) {
      CoolDownAgain(outage, end, now);
    }
    return;
  }
  const uint32_t in_a_row = busy ? consecutive_busy_ : consecutive_failures_;
  const bool many = options_.failures_to_open > 0 && in_a_row >= options_.failures_to_open;
  if (many || (busy && end.retry_after)) {
    BeginOutage(outage, CoolDownFor(outage, end, options_.first_cool_down), now);
  }
}

// The participant is as unknown as before; only the probe's place must not stay taken.
void ParticipantGate::OnNothingLearned(const Permit& permit, const CallEnd& end, Instant now) {
  if (end.result == Ending::kExhausted) {
    paused_until_ = now + options_.exhaustion_pause;
  }
  if (!permit.probe || permit.period != period_) {
    return;
  }
  probing_ = false;
  // What was not even sent cost the participant nothing. A time-out did: a queue of impatient calls
  // must not all be sent to one that hangs.
  open_until_ = end.result == Ending::kTimedOut ? now + cool_down_ : now;
}

Duration ParticipantGate::CoolDownFor(Outage outage, const CallEnd& end, Duration proposed) const {
  if (outage == Outage::kFailures) {
    return std::min(proposed, options_.max_cool_down);
  }
  // Who asks for an hour is asked again sooner: its other callers may not be meant.
  return std::min(end.retry_after.value_or(std::min(proposed, options_.max_busy_cool_down)),
                  options_.max_cool_down);
}

void ParticipantGate::BeginOutage(Outage outage, Duration cool_down, Instant now) {
  outage_ = outage;
  ++period_;
  probing_ = false;
  ramp_portion_ = 0;
  ramp_left_ = 0;
  CoolDown(cool_down, now);
}

void ParticipantGate::CoolDownAgain(Outage outage, const CallEnd& end, Instant now) {
  outage_ = outage;
  probing_ = false;
  const double longer = static_cast<double>(cool_down_.count()) * options_.cool_down_factor;
  const auto most = static_cast<double>(options_.max_cool_down.count());
  const Duration proposed(static_cast<Duration::rep>(std::min(longer, most)));
  CoolDown(CoolDownFor(outage, end, std::max(proposed, options_.first_cool_down)), now);
}

void ParticipantGate::CoolDown(Duration cool_down, Instant now) {
  cool_down_ = cool_down;
  open_until_ = now + cool_down;
  next_settle_probe_ = now + cool_down / kSettleProbesPerCoolDown;
}

void ParticipantGate::BeginRamp(Instant now) {
  ramp_portion_ = options_.ramp_steps == 0 ? 0 : options_.ramp_first;
  ramp_left_ = ramp_portion_;
  ramp_step_ends_ = now + options_.ramp_step;
  ramp_failed_ = false;
  ramp_news_ = false;
}

bool ParticipantGate::RampHolds(Instant now) const {
  return ramp_portion_ > 0 && ramp_left_ == 0 && !RampStepIsOver(now);
}

// Not before something ended: a portion that hangs must not be followed by the next.
bool ParticipantGate::RampStepIsOver(Instant now) const {
  const bool none_out = in_flight_[0] + in_flight_[1] == 0;
  return now >= ramp_step_ends_ && (ramp_news_ || none_out);
}

void ParticipantGate::AdvanceRamp(Instant now) {
  while (ramp_portion_ > 0 && RampStepIsOver(now)) {
    // Quiet time counts as steps; a step that took longer is not made up for.
    const bool quiet = in_flight_[0] + in_flight_[1] == 0;
    ramp_portion_ = ramp_failed_ ? std::max<uint64_t>(1, ramp_portion_ / 2) : ramp_portion_ * 2;
    if (ramp_portion_ > uint64_t{options_.ramp_first} << options_.ramp_steps) {
      ramp_portion_ = 0;
    }
    ramp_left_ = ramp_portion_;
    ramp_step_ends_ = (quiet ? ramp_step_ends_ : now) + options_.ramp_step;
    ramp_failed_ = false;
    ramp_news_ = false;
  }
}

bool ParticipantGate::IdleAt(Instant now) const {
  const bool cooling = outage_ != Outage::kNone && now < open_until_;
  const bool ramping = ramp_portion_ > 0 && now < ramp_step_ends_;
  const bool unlimited = options_.rate_per_second <= 0;
  return in_flight_[0] + in_flight_[1] == 0 && queues_[0].empty() && queues_[1].empty() &&
         !cooling && !ramping && (unlimited || TokensAt(std::max(now, latest_)) >= options_.burst);
}

std::optional<Instant> ParticipantGate::NextWakeup() const {
  for (const Lane lane : {Lane::kSettle, Lane::kForward}) {
    if (!queue(lane).empty()) {
      return WakeupFor(lane, latest_);  // The other lane, if any, comes after this one.
    }
  }
  return std::nullopt;
}

std::optional<Instant> ParticipantGate::WakeupFor(Lane lane, Instant now) const {
  switch (Obstacle(lane, now)) {
    case BlockedBy::kBreaker:
    case BlockedBy::kBackOff: {
      if (now < paused_until_) {
        return paused_until_;
      }
      if (outage_ == Outage::kNone) {
        const bool none_out = in_flight_[0] + in_flight_[1] == 0;
        return ramp_news_ || none_out ? std::optional(ramp_step_ends_) : std::nullopt;
      }
      std::optional<Instant> at = probing_ ? std::nullopt : std::optional(open_until_);
      if (lane == Lane::kSettle) {
        at = at ? std::min(*at, next_settle_probe_) : next_settle_probe_;
      }
      return at;
    }
    case BlockedBy::kConcurrency: return std::nullopt;
    case BlockedBy::kRate: {
      const double missing = 1 - TokensAt(now);
      const double micros = std::ceil(missing * kMicrosPerSecond / options_.rate_per_second);
      return now + Duration(std::max<Duration::rep>(1, static_cast<Duration::rep>(micros)));
    }
    case BlockedBy::kNothing: return now;
  }
  return std::nullopt;
}

ParticipantGate::Stats ParticipantGate::stats() const {
  Stats stats;
  if (outage_ == Outage::kFailures) {
    stats.breaker = probing_ ? BreakerState::kHalfOpen : BreakerState::kOpen;
    stats.open_until = probing_ ? std::nullopt : std::optional(open_until_);
  }
  stats.in_flight = in_flight_[0] + in_flight_[1];
  stats.queued = queues_[0].size() + queues_[1].size();
  stats.consecutive_failures = consecutive_failures_;
  stats.finished = finished_;
  stats.error_rate = error_rate_;
  stats.latency = Duration(static_cast<Duration::rep>(latency_micros_));
  return stats;
}

}  // namespace entente::participants
