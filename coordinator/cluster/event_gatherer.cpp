#include "coordinator/cluster/event_gatherer.h"

#include <algorithm>
#include <utility>

#include "coordinator/cluster/event_log.h"

namespace entente::cluster {
namespace {

constexpr Duration kWatchPiece = std::chrono::seconds(5);
// Beside the piece: a node that does not answer for so long is asked again.
constexpr Duration kPageTime = std::chrono::seconds(1);
constexpr Duration kBeginPatience = std::chrono::seconds(1);
constexpr Duration kFirstRetryPause = std::chrono::milliseconds(25);
constexpr Duration kLongestRetryPause = std::chrono::milliseconds(500);
constexpr size_t kMaxGone = 64;  // Processes of which it is kept how far they told.

}  // namespace

void EventGatherer::Watch(std::function<void()> begun) {
  watching_ = true;
  AddSources(/*from_start=*/false);
  const auto beginning = std::make_shared<Beginning>();
  beginning->begun = std::move(begun);
  for (const auto& [id, source] : sources_) {
    beginning->awaited.push_back(source);
  }
  beginnings_.push_back(beginning);
  steps_.after(kBeginPatience, [weak = weak_from_this(), beginning] {
    if (const auto self = weak.lock()) {
      for (const SourcePtr& source : std::exchange(beginning->awaited, {})) {
        source->missed = source->missed || source->log == 0;
      }
      self->CheckBeginnings();
    }
  });
  CheckBeginnings();
}

void EventGatherer::OnNodes() {
  if (!steps_.watched()) {
    ForgetAll();
    return;
  }
  if (!watching_) {
    return;  // Whoever begins to watch asks for them in a moment.
  }
  AddSources(/*from_start=*/true);
  std::erase_if(sources_,
                [this](const auto& each) { return each.second->ended && !IsAlive(each.second); });
}

void EventGatherer::AddSources(bool from_start) {
  for (const Peer& peer : steps_.others()) {
    if (sources_.contains(peer.id)) {
      continue;
    }
    const auto source = std::make_shared<Source>();
    source->peer = peer;
    source->from_start = from_start;
    if (const auto gone = gone_.extract(peer.id); !gone.empty()) {
      source->log = gone.mapped().log;
      source->after = gone.mapped().after;
      source->from_start = false;  // What it told is not told again.
    }
    sources_.emplace(peer.id, source);
    AskFor(source);
  }
}

// By value: what is forgotten here leaves the map.
void EventGatherer::AskFor(SourcePtr source) {
  if (!steps_.watched()) {
    Forget(source);
    ForgetAll();
    return;
  }
  pb::Ask ask;
  pb::Events& events = *ask.mutable_events();
  events.set_asker(steps_.self);
  events.set_log(source->log);
  events.set_after(source->after);
  events.set_from_start(source->log == 0 && source->from_start);
  ask.set_wait_micros(static_cast<uint64_t>(kWatchPiece.count()));
  steps_.ask(source->peer, ask, kWatchPiece + kPageTime,
             [weak = weak_from_this(), source](const Result<pb::Answer>& answer) {
               if (const auto self = weak.lock()) {
                 self->OnAnswer(source, answer);
               }
             });
}

void EventGatherer::OnAnswer(const SourcePtr& source, const Result<pb::Answer>& answer) {
  if (!answer.ok()) {
    OnFailure(source);
    return;
  }
  const Status status = StatusOf(*answer);
  if (!status.ok() && status.reason() != "cluster.unknown_message") {
    OnFailure(source);
    return;
  }
  source->pause = Duration(0);
  if (!status.ok() || !answer->has_events()) {
    source->ended = true;  // Of a release that tells nothing. Its place shows that it is known.
  } else {
    TakePage(source, answer->events());
  }
  CheckBeginnings();
  if (!source->ended) {
    AskFor(source);
  }
}

void EventGatherer::TakePage(const SourcePtr& source, const pb::EventPage& page) {
  bool lost = page.lost() || std::exchange(source->missed, false);
  source->log = page.log();
  source->after = page.last();
  source->ended = page.ended();
  for (const pb::Event& event : page.events()) {
    Result<runtime::TxnEvent> told = EventOf(event, page);
    if (told.ok()) {
      steps_.tell(std::move(told).value());
    } else {
      lost = true;
    }
  }
  if (lost) {
    steps_.lose();
  }
}

void EventGatherer::OnFailure(const SourcePtr& source) {
  if (!IsAlive(source)) {
    if (source->log != 0 || source->from_start) {
      steps_.lose();
    }
    if (gone_.size() == kMaxGone) {
      gone_.erase(gone_.begin());
    }
    gone_[source->peer.id] = {source->log, source->after};
    Forget(source);
    CheckBeginnings();
    return;
  }
  source->pause = std::clamp(2 * source->pause, kFirstRetryPause, kLongestRetryPause);
  steps_.after(source->pause, [weak = weak_from_this(), source] {
    if (const auto self = weak.lock()) {
      self->AskFor(source);
    }
  });
}

// Nobody watches: what is told to the next one begins with it.
void EventGatherer::ForgetAll() {
  watching_ = false;
  gone_.clear();
}

// What nobody watches, or has gone.
void EventGatherer::Forget(const SourcePtr& source) {
  source->ended = true;
  sources_.erase(source->peer.id);
}

void EventGatherer::CheckBeginnings() {
  std::vector<std::function<void()>> begun;
  std::erase_if(beginnings_, [&begun](const std::shared_ptr<Beginning>& beginning) {
    const bool all = std::ranges::all_of(beginning->awaited, [](const SourcePtr& source) {
      return source->log != 0 || source->ended;
    });
    if (all) {
      begun.push_back(std::move(beginning->begun));
    }
    return all;
  });
  for (const auto& each : begun) {
    each();
  }
}

bool EventGatherer::IsAlive(const SourcePtr& source) const {
  return std::ranges::any_of(steps_.others(),
                             [&](const Peer& peer) { return peer.id == source->peer.id; });
}

}  // namespace entente::cluster
