#include "coordinator/cluster/follower.h"

#include <optional>
#include <utility>

#include "engine/sensitive.h"

namespace entente::cluster {

using runtime::History;
using runtime::TxnView;

Follower::Follower(FollowerSteps steps, runtime::EventSink sink)
    : steps_(std::move(steps)), sink_(std::move(sink)) {}

void Follower::Begin(std::function<void()> begun) {
  steps_.look([self = shared_from_this(), begun = std::move(begun)](const Result<TxnView>& view) {
    {
      const std::lock_guard lock(self->mutex_);
      self->last_ = view.ok() ? view->state->revision : Sequence(0);
    }
    begun();
    if (!view.ok() || !view->state->finished()) {
      self->Next();
    }
  });
}

void Follower::Next() {
  Sequence seen;
  {
    const std::lock_guard lock(mutex_);
    if (sink_ == nullptr) {
      return;
    }
    seen = *last_;
  }
  steps_.await(seen, [self = shared_from_this(), seen](const Result<TxnView>& view) {
    if (!view.ok() && view.status().code() == StatusCode::kNotFound) {
      return;  // Whoever reads its history is told.
    }
    const bool ends = view.ok() && view->state->finished();
    const auto go_on = [self, ends](bool read) {
      if (!read || !ends) {
        self->steps_.later([self] { self->Next(); });
      }
    };
    if (view.ok() && view->state->revision > seen) {
      self->Read(view->state->revision, go_on);
    } else {
      go_on(true);
    }
  });
}

void Follower::Read(Sequence revision, std::function<void(bool read)> then) {
  if (stopped()) {
    return;
  }
  steps_.read(revision,
              [self = shared_from_this(), then = std::move(then)](Result<History> history) {
                const bool read = history.ok();
                if (read) {
                  self->TakeHistory(std::move(history).value());
                }
                then(read);
              });
}

void Follower::TakeHistory(History history) {
  engine::TxnState state;
  std::optional<engine::Sensitive> sensitive;
  const std::lock_guard lock(mutex_);
  for (runtime::HistoryEntry& entry : history.entries) {
    if (sink_ == nullptr || !engine::Evolve(state, entry.record).ok()) {
      return;
    }
    if (history.plan != nullptr) {
      if (!sensitive) {
        sensitive = engine::Sensitive::Of(*history.plan, state.input);
      }
      sensitive->Learn(*history.plan, state.input, entry.record);
    }
    if (entry.revision <= *last_) {
      continue;
    }
    last_ = entry.revision;
    if (sensitive) {
      sensitive->Hide(entry.record);
    }
    sink_(std::make_shared<const runtime::SharedEvent>(
        runtime::SharedEvent{{state.gid, state.definition, state.status, state.has_incident(),
                              std::move(entry), history.plan}}));
  }
}

void Follower::OnLive(const runtime::SharedEventPtr& event) {
  const std::lock_guard lock(mutex_);
  if (sink_ == nullptr || event == nullptr || !last_ || event->event.entry.revision <= *last_) {
    return;
  }
  const Sequence revision = event->event.entry.revision;
  if (revision != last_->next()) {
    // What lies between happened at another node, and is read.
    steps_.later([self = shared_from_this(), revision] { self->Read(revision, [](bool) {}); });
    return;
  }
  last_ = revision;
  sink_(event);
}

void Follower::Stop() {
  const std::lock_guard lock(mutex_);
  sink_ = nullptr;
}

bool Follower::stopped() {
  const std::lock_guard lock(mutex_);
  return sink_ == nullptr;
}

}  // namespace entente::cluster
