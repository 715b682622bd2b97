#include "coordinator/runtime/event_hub.h"

#include <utility>

namespace entente::runtime {

class EventHub::Registration final : public Subscription {
 public:
  Registration(std::shared_ptr<Shared> shared, uint64_t id) : shared_(std::move(shared)), id_(id) {}
  ~Registration() override {
    const std::lock_guard lock(shared_->mutex);
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

bool EventHub::has_subscribers() const {
  return shared_->count.load(std::memory_order_acquire) != 0;
}

std::unique_ptr<Subscription> EventHub::Subscribe(std::optional<Gid> gid,
                                                  std::function<void(const TxnEvent&)> sink) {
  const std::lock_guard lock(shared_->mutex);
  const uint64_t id = shared_->next_id++;
  shared_->sinks.emplace(id, Sink{std::move(gid), std::move(sink)});
  shared_->count.store(shared_->sinks.size(), std::memory_order_release);
  return std::make_unique<Registration>(shared_, id);
}

void EventHub::Publish(const TxnEvent& event) {
  if (IsNoted(event.entry.record, event.plan != nullptr && event.plan->client_driven)) {
    note_(event);
  }
  const std::lock_guard lock(shared_->mutex);
  for (const auto& [id, sink] : shared_->sinks) {
    if (!sink.gid || *sink.gid == event.gid) {
      sink.deliver(event);
    }
  }
}

}  // namespace entente::runtime
