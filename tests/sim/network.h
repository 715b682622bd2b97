// The network between coordinators and participants: it drops, delays, duplicates and so reorders.
// What was sent arrives even after its sender died.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/participant_caller.h"
#include "tests/sim/history.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/services.h"

namespace entente::sim {

class Network {
 public:
  // Delivers a completion to whichever coordinator is there; `taken` says whether it took it in.
  using Completer =
      std::function<void(const engine::CommandId& command, uint32_t run,
                         std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                         std::function<void(bool taken)> done)>;

  Network(Scheduler& scheduler, Dice& dice, Services& services, History& history)
      : scheduler_(scheduler), dice_(dice), services_(services), history_(history) {}

  void SetFaults(const Faults& faults) { faults_ = faults; }
  [[nodiscard]] const Faults& faults() const { return faults_; }
  void SetCompleter(Completer completer) { complete_ = std::move(completer); }
  // Told of each call when it leaves its coordinator.
  void OnSent(std::function<void(const Sent&)> on_sent) { on_sent_ = std::move(on_sent); }

  // Runs a task on a node's own thread, when it can; never, if the node is gone.
  using Post = std::function<void(std::function<void()> task)>;

  void Call(const Post& post, const runtime::CallContext& context, const engine::CallBranch& call,
            runtime::ReplyCallback done);
  void Poll(const Post& post, const engine::PollBranch& poll, runtime::ReplyCallback done);

 private:
  using Answer = std::function<void(engine::Reply)>;

  // One call that arrives: what of it is the participants', and what a completion names.
  struct Flight {
    Request request;
    engine::CommandId command;
    uint32_t run = 0;
    bool forward = false;
    Duration limit{};
  };

  [[nodiscard]] Duration Delay(Duration limit);
  void Arrive(const Flight& flight, const Answer& answer);
  void Complete(const Flight& flight);
  void Note(size_t sent, const engine::Reply& reply);

  Scheduler& scheduler_;
  Dice& dice_;
  Services& services_;
  History& history_;
  Faults faults_;
  Completer complete_;
  std::function<void(const Sent&)> on_sent_;
};

}  // namespace entente::sim
