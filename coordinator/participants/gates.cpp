#include "coordinator/participants/gates.h"

#include <algorithm>
#include <utility>

#include "runtime/participant_address.h"

namespace entente::participants {

SharedGate::SharedGate(GateOptions options, std::string participant, std::string definition,
                       std::string address, std::string service, Instant now,
                       BreakerListener on_breaker)
    : connections_(std::make_shared<net::ConnectionQuota>(options.max_concurrent)),
      gate_(options),
      last_used_(now),
      participant_(std::move(participant)),
      definition_(std::move(definition)),
      address_(std::move(address)),
      service_(std::move(service)),
      on_breaker_(std::move(on_breaker)) {}

std::optional<SharedGate::Entry> SharedGate::Acquire(Lane lane, Instant now,
                                                     const std::function<ParkedCall()>& make_parked,
                                                     ParticipantGate::Home home) {
  const std::lock_guard lock(mutex_);
  if (retired_) {
    return std::nullopt;
  }
  last_used_ = now;
  Entry entry{};
  entry.ticket = next_ticket_++;
  entry.admission = gate_.Acquire(entry.ticket, lane, now, entry.permit, home);
  if (entry.admission == ParticipantGate::Admission::kAdmitted) {
    ++calls_;
  } else if (entry.admission == ParticipantGate::Admission::kParked) {
    parked_.emplace(entry.ticket, make_parked());
  }
  return entry;
}

bool SharedGate::Withdraw(Ticket ticket) {
  const std::lock_guard lock(mutex_);
  parked_.erase(ticket);
  return gate_.Withdraw(ticket);
}

SharedGate::Released SharedGate::TakeReleased(Instant now, ParticipantGate::Home home) {
  std::vector<Permit> permits;
  gate_.Release(now, permits, home);
  calls_ += permits.size();
  Released released;
  for (const Permit& permit : permits) {
    const auto parked = parked_.find(permit.ticket);
    released.emplace_back(std::move(parked->second), permit);
    parked_.erase(parked);
  }
  return released;
}

std::optional<Instant> SharedGate::Finish(const Permit& permit, const CallEnd& end, Instant now) {
  using Ending = CallEnd::Result;
  const bool transport_failure =
      end.result == Ending::kTransportFailure || end.result == Ending::kTimedOut;
  Released released;
  std::optional<Instant> next;
  bool turned = false;
  bool open = false;
  {
    const std::lock_guard lock(mutex_);
    failures_ += transport_failure ? 1 : 0;
    gate_.OnFinished(permit, end, now);
    last_used_ = std::max(last_used_, now);
    turned = (transport_failure || open_) && BreakerTurned();
    open = open_;
    if (!parked_.empty()) {
      released = TakeReleased(now, permit.home);
      next = gate_.NextWakeup();
    }
  }
  LetGo(std::move(released));
  if (turned && on_breaker_) {
    on_breaker_(participant_, address_, open);
  }
  return next;
}

// A half-open breaker is one that is open, as far as people are concerned.
bool SharedGate::BreakerTurned() {
  const bool open = gate_.stats().breaker != BreakerState::kClosed;
  return std::exchange(open_, open) != open;
}

// Without the lock: a call that goes may come back here at once.
void SharedGate::LetGo(Released released) {
  for (auto& [parked, permit] : released) {
    parked.post([go = std::move(parked.go), permit = permit] { go(permit); });
  }
}

std::optional<Instant> SharedGate::Release(Instant now) {
  Released released;
  std::optional<Instant> next;
  {
    const std::lock_guard lock(mutex_);
    released = TakeReleased(now);
    next = gate_.NextWakeup();
  }
  LetGo(std::move(released));
  return next;
}

std::string_view SharedGate::blocked_by(Instant now) {
  const std::lock_guard lock(mutex_);
  return BlockedByName(gate_.blocked_by(now));
}

SharedGate::Load SharedGate::LoadAt(Instant now) {
  const std::lock_guard lock(mutex_);
  const auto stats = gate_.stats();
  const BlockedBy blocked = gate_.blocked_by(now);
  return {stats.in_flight + stats.queued,
          blocked == BlockedBy::kBreaker || blocked == BlockedBy::kBackOff};
}

Instant SharedGate::last_used() {
  const std::lock_guard lock(mutex_);
  return last_used_;
}

bool SharedGate::Retire(Instant now) {
  const std::lock_guard lock(mutex_);
  retired_ = retired_ || gate_.IdleAt(now);
  return retired_;
}

// With the lock. A transaction may have many calls here: a few times as many tickets are looked at.
std::vector<Gid> SharedGate::FirstWaiting() const {
  constexpr size_t kMost = runtime::ParticipantStats::kMaxWaitingShown;
  constexpr size_t kLookedAt = 10 * kMost;
  std::vector<Gid> first;
  for (const Ticket ticket : gate_.FirstWaiting(kLookedAt)) {
    const Gid& gid = parked_.at(ticket).gid;
    if (first.size() < kMost && std::find(first.begin(), first.end(), gid) == first.end()) {
      first.push_back(gid);
    }
  }
  return first;
}

runtime::ParticipantStats SharedGate::Stats(Instant now) {
  const std::lock_guard lock(mutex_);
  const auto stats = gate_.stats();
  runtime::ParticipantStats out;
  out.name = participant_;
  out.definition = definition_;
  out.address = address_;
  out.service = service_;
  out.breaker = std::string(BreakerStateName(stats.breaker));
  if (const auto blocked = gate_.blocked_by(now); blocked != BlockedBy::kNothing) {
    out.blocked_by = std::string(BlockedByName(blocked));
  }
  out.blocked_until = gate_.blocked_until(now);
  out.max_in_flight = gate_.options().max_concurrent;
  out.calls_per_second = gate_.options().rate_per_second;
  out.waiting = FirstWaiting();
  out.in_flight = stats.in_flight;
  out.queued = stats.queued;
  out.calls = calls_;
  out.failures = failures_;
  out.error_rate = stats.error_rate;
  out.latency_millis = std::chrono::duration<double, std::milli>(stats.latency).count();
  return out;
}

std::shared_ptr<SharedGate> Gates::Find(const dsl::Participant& participant,
                                        const std::string& definition, Instant now) {
  return FindAt(participant, runtime::AddressOf(participant), {}, {}, definition, now);
}

std::shared_ptr<SharedGate> Gates::FindNamed(const dsl::Participant& participant,
                                             const std::string& service,
                                             const std::string& definition, Instant now) {
  return FindAt(participant, runtime::AddressOf(participant), service, {}, definition, now);
}

std::shared_ptr<SharedGate> Gates::FindComputed(const dsl::Participant& participant,
                                                const std::string& origin,
                                                const std::string& definition, Instant now) {
  std::string rules = "computed";
  for (const std::string& pattern : std::get<dsl::HttpAddress>(participant.address).allowed) {
    rules += ' ' + pattern;
  }
  return FindAt(participant, origin, {}, rules, definition, now);
}

std::shared_ptr<SharedGate> Gates::FindAt(const dsl::Participant& participant, std::string address,
                                          const std::string& service, const std::string& rules,
                                          const std::string& definition, Instant now) {
  GateOptions options;
  options.max_concurrent =
      participant.max_concurrent_calls.value_or(limits::kDefaultMaxConcurrentCalls);
  options.max_concurrent = std::min(options.max_concurrent, options_.max_connections);
  options.rate_per_second = participant.max_calls_per_second.value_or(0);
  const std::string key = address + ' ' + std::to_string(options.max_concurrent) + ' ' +
                          std::to_string(options.rate_per_second) + ' ' + service + ' ' + rules;
  const std::lock_guard lock(mutex_);
  if (const auto found = gates_.find(key); found != gates_.end()) {
    return found->second;
  }
  if (gates_.size() >= sweep_at_) {
    Sweep(now);
  }
  auto gate = std::make_shared<SharedGate>(options, participant.name, definition,
                                           std::move(address), service, now, options_.on_breaker);
  gates_.emplace(key, gate);
  return gate;
}

// Where most are in use, the next sweep waits until there are twice as many: looking at all of them
// costs little for each that is made.
void Gates::Sweep(Instant now) {
  std::vector<std::pair<Instant, std::string>> by_use;
  for (const auto& [key, gate] : gates_) {
    by_use.emplace_back(gate->last_used(), key);
  }
  std::sort(by_use.begin(), by_use.end());
  for (const auto& [used, key] : by_use) {
    if (gates_.size() <= options_.many / 2) {
      break;
    }
    if (gates_.at(key)->Retire(now)) {
      gates_.erase(key);
    }
  }
  sweep_at_ = std::max(options_.many, 2 * gates_.size());
}

std::vector<runtime::ParticipantStats> Gates::Stats(Instant now) {
  const std::lock_guard lock(mutex_);
  std::vector<runtime::ParticipantStats> stats;
  for (const auto& [key, gate] : gates_) {
    stats.push_back(gate->Stats(now));
  }
  return stats;
}

void Gates::OnLocalExhaustion(const std::string& message, Instant now) {
  {
    const std::lock_guard lock(mutex_);
    ++exhaustion_.times;
    exhaustion_.last = std::max(exhaustion_.last.value_or(now), now);
    exhaustion_.what = message;
  }
  if (options_.on_exhausted) {
    options_.on_exhausted(message);
  }
}

runtime::LocalExhaustion Gates::local_exhaustion() {
  const std::lock_guard lock(mutex_);
  return exhaustion_;
}

}  // namespace entente::participants
