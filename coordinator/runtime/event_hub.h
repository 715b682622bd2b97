// EventHub: hands durable records to whoever watches.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "coordinator/runtime/coordinator.h"
#include "coordinator/runtime/notices.h"

namespace entente::runtime {

// Thread-safe. Costs one atomic load per decision while nobody watches.
class EventHub {
 public:
  EventHub();

  [[nodiscard]] bool has_subscribers() const;

  // `sink` is called with the hub's lock held: it must be quick and must not call the hub.
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(std::optional<Gid> gid,
                                                        std::function<void(const TxnEvent&)> sink);

  // From now on `note` is called for each notable record. Once, before anything is published.
  void NoteWith(std::function<void(const TxnEvent&)> note) { note_ = std::move(note); }
  [[nodiscard]] bool IsNoted(const engine::Record& record, bool client_driven) const {
    return note_ != nullptr && IsNotable(record, client_driven);
  }

  void Publish(const TxnEvent& event);

 private:
  struct Sink {
    std::optional<Gid> gid;
    std::function<void(const TxnEvent&)> deliver;
  };
  struct Shared {
    std::atomic<size_t> count{0};
    std::mutex mutex;
    uint64_t next_id = 1;
    std::unordered_map<uint64_t, Sink> sinks;
  };
  class Registration;

  // Shared with the registrations, which may outlive the hub.
  std::shared_ptr<Shared> shared_;
  std::function<void(const TxnEvent&)> note_;
};

}  // namespace entente::runtime
