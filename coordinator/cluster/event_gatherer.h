// EventGatherer: what happens at the other nodes, for clients of this one that watch everything.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "coordinator/cluster/peer_client.h"
#include "runtime/coordinator.h"

namespace entente::cluster {

struct GathererSteps {
  std::string self;  // This process.
  // The other nodes that are alive.
  std::function<std::vector<Peer>()> others;
  // As PeerClient::Ask and After.
  std::function<void(const Peer&, const pb::Ask&, Duration timeout,
                     std::function<void(Result<pb::Answer>)>)>
      ask;
  std::function<void(Duration, std::function<void()>)> after;
  // Whether anybody watches still.
  std::function<bool()> watched;
  // To those who watch: an event, and that some were left out.
  std::function<void(runtime::TxnEvent)> tell;
  std::function<void()> lose;
};

// While somebody watches, asks each other node again and again for what happened there (EventLog),
// and tells it: each event once, those of one node in their order. A node that joins is asked from
// its beginning; one that is stopped says what came last. What a node that died had not told is
// lost, which is said when it is not taken for alive any more; one that can only not be reached for
// a while tells it later.
//
// Always held by shared_ptr; everything on one thread, which calls back none of it from within.
class EventGatherer : public std::enable_shared_from_this<EventGatherer> {
 public:
  explicit EventGatherer(GathererSteps steps) : steps_(std::move(steps)) {}

  // Somebody begins to watch. `begun` is called once nothing that happens from then on is missed;
  // or after a second, if a node can not be asked: that is told as lost when it can be.
  void Watch(std::function<void()> begun);
  // Others came or went.
  void OnNodes();

 private:
  // Where it stands with a process that was not taken for alive any more, and may go on.
  struct Position {
    uint64_t log = 0;
    uint64_t after = 0;
  };
  struct Source {
    Peer peer;
    uint64_t log = 0;  // 0: it has not answered.
    uint64_t after = 0;
    bool from_start = false;
    bool missed = false;  // Somebody has begun to watch without it.
    bool ended = false;   // It tells no more, or its release does not tell any.
    Duration pause{0};    // After a failure.
  };
  using SourcePtr = std::shared_ptr<Source>;
  struct Beginning {
    std::vector<SourcePtr> awaited;
    std::function<void()> begun;
  };

  void AddSources(bool from_start);
  void AskFor(SourcePtr source);
  void OnAnswer(const SourcePtr& source, const Result<pb::Answer>& answer);
  void TakePage(const SourcePtr& source, const pb::EventPage& page);
  void OnFailure(const SourcePtr& source);
  void Forget(const SourcePtr& source);
  void ForgetAll();
  void CheckBeginnings();
  [[nodiscard]] bool IsAlive(const SourcePtr& source) const;

  const GathererSteps steps_;
  std::map<std::string, SourcePtr> sources_;  // By process.
  std::map<std::string, Position> gone_;      // While it watches: those that were not alive.
  // Since somebody began to watch; what joins later joins under its eyes.
  bool watching_ = false;
  std::vector<std::shared_ptr<Beginning>> beginnings_;
};

}  // namespace entente::cluster
