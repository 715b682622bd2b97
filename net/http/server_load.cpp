#include "net/http/server_load.h"

namespace entente::net {
namespace {

// Connections past the limit that may be told so at one time.
constexpr size_t kMaxBeingRefused = 100;

}  // namespace

void ServerLoad::Join(Member& member) {
  const std::lock_guard lock(mutex_);
  members_.push_back(&member);
}

void ServerLoad::Leave(Member& member) {
  const std::lock_guard lock(mutex_);
  std::erase(members_, &member);
}

bool ServerLoad::TakePlace() {
  if (connections_.fetch_add(1, std::memory_order_relaxed) < limits_.max_connections) {
    return true;
  }
  GiveBack();
  return false;
}

void ServerLoad::AskForPlace(const Member& asker) {
  const std::lock_guard lock(mutex_);
  for (Member* member : members_) {
    if (member != &asker) {
      member->OnPlaceWanted();
    }
  }
}

bool ServerLoad::MayRefuse() {
  connections_refused_.fetch_add(1, std::memory_order_relaxed);
  if (being_refused_.fetch_add(1, std::memory_order_relaxed) < kMaxBeingRefused) {
    return true;
  }
  DoneRefusing();
  return false;
}

bool ServerLoad::Hold(size_t bytes) {
  const size_t before = request_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= limits_.max_request_bytes) {
    return true;
  }
  Release(bytes);
  requests_refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool ServerLoad::HoldAnswer(size_t bytes) {
  const size_t before = answer_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (before == 0 || before + bytes <= limits_.max_answer_bytes) {
    return true;
  }
  ReleaseAnswer(bytes);
  answers_refused_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

ServerLoad::Stats ServerLoad::stats() const {
  return {
      connections_.load(std::memory_order_relaxed) + being_refused_.load(std::memory_order_relaxed),
      connections_refused_.load(std::memory_order_relaxed),
      request_bytes_.load(std::memory_order_relaxed),
      requests_refused_.load(std::memory_order_relaxed),
      answer_bytes_.load(std::memory_order_relaxed),
      answers_refused_.load(std::memory_order_relaxed)};
}

}  // namespace entente::net
