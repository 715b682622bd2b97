#include "participant-sdk/src/participant/coordinator_keys.h"

#include <utility>

namespace entente::sdk {
namespace {

std::map<std::string, net::VerifyingKey> ById(std::vector<net::VerifyingKey> keys) {
  std::map<std::string, net::VerifyingKey> by_id;
  for (net::VerifyingKey& key : keys) {
    std::string id = key.id();
    by_id.emplace(std::move(id), std::move(key));
  }
  return by_id;
}

}  // namespace

CoordinatorKeys::CoordinatorKeys(std::vector<net::VerifyingKey> pinned, Fetch fetch, KeyTimes times,
                                 std::function<Clock::time_point()> now)
    : pinned_(ById(std::move(pinned))),
      fetch_(std::move(fetch)),
      times_(times),
      now_(std::move(now)) {}

const net::VerifyingKey* CoordinatorKeys::Known(const std::string& id) const {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : &found->second;
}

bool CoordinatorKeys::IsFresh() const {
  return fetched_at_ && now_() - *fetched_at_ < times_.refresh_after;
}

bool CoordinatorKeys::MayFetch() const {
  return fetch_ && !fetching_ && (!tried_at_ || now_() - *tried_at_ >= times_.least_pause);
}

Result<net::VerifyingKey> CoordinatorKeys::Find(const std::string& id) {
  if (const auto pinned = pinned_.find(id); pinned != pinned_.end()) {
    return pinned->second;
  }
  std::unique_lock lock(mutex_);
  if (const auto* known = Known(id); known != nullptr && IsFresh()) {
    return *known;
  }
  if (MayFetch()) {
    FetchNow(lock);
  } else if (fetching_ && Known(id) == nullptr) {
    // At a start many calls come at once, and all want the same keys.
    fetched_.wait_for(lock, times_.fetch_timeout, [this] { return !fetching_; });
  }
  if (const auto* known = Known(id)) {
    return *known;
  }
  if (!failure_.ok()) {
    return Unavailable("signature.keys_unavailable",
                       "the coordinator's keys can not be fetched: " + failure_.message());
  }
  return Status(StatusCode::kUnauthenticated, "signature.unknown_key",
                "'" + id.substr(0, 64) + "' is none of the coordinator's keys");
}

void CoordinatorKeys::FetchNow(std::unique_lock<std::mutex>& lock) {
  fetching_ = true;
  tried_at_ = now_();
  lock.unlock();
  auto keys = fetch_();
  lock.lock();
  fetching_ = false;
  failure_ = keys.status();
  if (keys.ok()) {
    keys_ = ById(std::move(keys).value());
    fetched_at_ = now_();
  }
  fetched_.notify_all();
}

}  // namespace entente::sdk
