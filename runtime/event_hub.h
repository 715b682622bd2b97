// EventHub: hands durable records to whoever watches.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "runtime/coordinator.h"
#include "runtime/notices.h"

namespace entente::runtime {

// Thread-safe. Costs one atomic load per decision while nobody watches; while somebody does, one
// more place in a queue. Sinks are called on a thread of the hub's own, so that however many watch,
// the threads that drive transactions do no work for them.
class EventHub {
 public:
  // Events that wait for that thread; when more come, all who watch are told that some were left
  // out.
  static constexpr size_t kMaxQueued = 16'384;

  EventHub();
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  [[nodiscard]] bool has_subscribers() const;

  // `sink` is called with the hub's lock held: it must be quick and must not call the hub.
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(std::optional<Gid> gid, EventSink sink);

  // From now on `note` is called for each notable record, by whoever publishes it. Once, before
  // anything is published.
  void NoteWith(std::function<void(const TxnEvent&)> note) { note_ = std::move(note); }
  [[nodiscard]] bool IsNoted(const engine::Record& record, bool client_driven) const {
    return note_ != nullptr && IsNotable(record, client_driven);
  }

  void Publish(TxnEvent event);

  // Tells all who watch, after what is published, that events were left out.
  void Lose();

 private:
  struct Shared;
  class Registration;

  // Shared with the registrations, which may outlive the hub.
  std::shared_ptr<Shared> shared_;
  std::function<void(const TxnEvent&)> note_;
};

}  // namespace entente::runtime
