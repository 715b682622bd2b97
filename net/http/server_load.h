// What the HTTP servers of a process hold together: one limit for all workers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/limits.h"

namespace entente::net {

// Counts connections, and the bytes of requests that are being read. Thread-safe.
class ServerLoad {
 public:
  struct Limits {
    size_t max_connections = limits::kMaxConnections;
    // Of all connections together, beyond kFreeRequestBytes of each.
    size_t max_request_bytes = limits::kMaxRequestBytesBeingRead;
    // Of answers that were not taken yet, those of at most kFreeAnswerBytes left out.
    size_t max_answer_bytes = limits::kMaxAnswerBytesHeld;
  };

  ServerLoad() = default;
  explicit ServerLoad(const Limits& limits) : limits_(limits) {}

  // A server that may have idle connections to close. Called with the lock held, on any thread: it
  // must only pass the news on to its own thread.
  class Member {
   public:
    virtual ~Member() = default;
    // Another server needs a place and has no idle connection itself.
    virtual void OnPlaceWanted() = 0;
  };
  void Join(Member& member);
  void Leave(Member& member);

  // A place for a connection that is served; false if all are taken. Followed by GiveBack.
  [[nodiscard]] bool TakePlace();
  void GiveBack() { connections_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] bool full() const {
    return connections_.load(std::memory_order_relaxed) >= limits_.max_connections;
  }
  // Tells all but `asker`.
  void AskForPlace(const Member& asker);

  // Of the connections that are served, those that could be closed for another one.
  void AddIdle() { idle_.fetch_add(1, std::memory_order_relaxed); }
  void RemoveIdle() { idle_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] size_t idle() const { return idle_.load(std::memory_order_relaxed); }

  // For a connection that found no place. True: it may be told so, which takes a place of another
  // kind until DoneRefusing. False: so many are being told that it must go without a word.
  [[nodiscard]] bool MayRefuse();
  void DoneRefusing() { being_refused_.fetch_sub(1, std::memory_order_relaxed); }

  // Accounts for `bytes` more, and says whether that many may be held; if not, nothing has changed.
  [[nodiscard]] bool Hold(size_t bytes);
  void Release(size_t bytes) { request_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  // The same for an answer, but one may always be held: it could else never be given.
  [[nodiscard]] bool HoldAnswer(size_t bytes);
  void ReleaseAnswer(size_t bytes) { answer_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  struct Stats {
    uint64_t connections = 0;
    uint64_t connections_refused = 0;
    uint64_t request_bytes = 0;
    uint64_t requests_refused = 0;  // For their bytes.
    uint64_t answer_bytes = 0;
    uint64_t answers_refused = 0;
  };
  [[nodiscard]] Stats stats() const;
  [[nodiscard]] const Limits& limits() const { return limits_; }

 private:
  const Limits limits_;
  std::mutex mutex_;
  std::vector<Member*> members_;
  std::atomic<size_t> connections_{0};
  std::atomic<size_t> idle_{0};
  std::atomic<size_t> being_refused_{0};
  std::atomic<size_t> request_bytes_{0};
  std::atomic<size_t> answer_bytes_{0};
  std::atomic<uint64_t> connections_refused_{0};
  std::atomic<uint64_t> requests_refused_{0};
  std::atomic<uint64_t> answers_refused_{0};
};

}  // namespace entente::net
