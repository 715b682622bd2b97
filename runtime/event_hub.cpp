#include "runtime/event_hub.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <pthread.h>

namespace entente::runtime {

struct EventHub::Shared {
  struct Sink {
    std::optional<Gid> gid;
    EventSink deliver;
  };

  // Hands on what is queued until the hub ends.
  void Run();

  std::atomic<size_t> count{0};  // Of sinks.

  std::mutex sinks_mutex;  // Held while sinks are called. Never taken within queue_mutex.
  uint64_t next_id = 1;
  std::unordered_map<uint64_t, Sink> sinks;

  std::mutex queue_mutex;
  std::condition_variable filled;
  std::vector<SharedEventPtr> queue;
  bool overflowed = false;
  bool ending = false;
  std::thread thread;  // From the first subscription on.
};

class EventHub::Registration final : public Subscription {
 public:
  Registration(std::shared_ptr<Shared> shared, uint64_t id) : shared_(std::move(shared)), id_(id) {}
  ~Registration() override {
    const std::lock_guard lock(shared_->sinks_mutex);
    shared_->sinks.erase(id_);
    shared_->count.store(shared_->sinks.size(), std::memory_order_release);
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::shared_ptr<Shared> shared_;
  uint64_t id_;
};

EventHub::EventHub() : shared_(std::make_shared<Shared>()) {}

EventHub::~EventHub() {
  {
    const std::lock_guard lock(shared_->queue_mutex);
    shared_->ending = true;
  }
  shared_->filled.notify_one();
  if (shared_->thread.joinable()) {
    shared_->thread.join();
  }
}

bool EventHub::has_subscribers() const {
  return shared_->count.load(std::memory_order_acquire) != 0;
}

std::unique_ptr<Subscription> EventHub::Subscribe(std::optional<Gid> gid, EventSink sink) {
  {
    const std::lock_guard lock(shared_->queue_mutex);
    if (!shared_->thread.joinable()) {
      shared_->thread = std::thread([shared = shared_.get()] { shared->Run(); });
    }
  }
  const std::lock_guard lock(shared_->sinks_mutex);
  const uint64_t id = shared_->next_id++;
  shared_->sinks.emplace(id, Shared::Sink{std::move(gid), std::move(sink)});
  shared_->count.store(shared_->sinks.size(), std::memory_order_release);
  return std::make_unique<Registration>(shared_, id);
}

void EventHub::Publish(TxnEvent event) {
  if (IsNoted(event.entry.record, event.plan != nullptr && event.plan->client_driven)) {
    note_(event);
  }
  if (!has_subscribers()) {
    return;
  }
  auto shared = std::make_shared<const SharedEvent>(SharedEvent{std::move(event)});
  {
    const std::lock_guard lock(shared_->queue_mutex);
    if (shared_->queue.size() < kMaxQueued) {
      shared_->queue.push_back(std::move(shared));
    } else {
      shared_->overflowed = true;
    }
    if (shared_->queue.size() > 1) {
      return;  // It was told of the first one.
    }
  }
  shared_->filled.notify_one();
}

void EventHub::Lose() {
  {
    const std::lock_guard lock(shared_->queue_mutex);
    shared_->overflowed = shared_->thread.joinable();  // Else nobody has watched yet.
  }
  shared_->filled.notify_one();
}

void EventHub::Shared::Run() {
  pthread_setname_np(pthread_self(), "events");
  std::vector<SharedEventPtr> taken;
  std::unique_lock lock(queue_mutex);
  while (true) {
    filled.wait(lock, [this] { return ending || overflowed || !queue.empty(); });
    if (ending) {
      return;
    }
    taken.swap(queue);
    if (std::exchange(overflowed, false)) {
      taken.push_back(nullptr);
    }
    lock.unlock();
    for (const SharedEventPtr& event : taken) {
      // Let go of between two events: whoever subscribes or leaves does not wait for them all.
      const std::lock_guard sinks_lock(sinks_mutex);
      for (const auto& [id, sink] : sinks) {
        if (event == nullptr || !sink.gid || *sink.gid == event->event.gid) {
          sink.deliver(event);
        }
      }
    }
    taken.clear();
    lock.lock();
  }
}

}  // namespace entente::runtime
