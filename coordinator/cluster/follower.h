// Follower: the events of one transaction, wherever it is driven.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/ids.h"
#include "runtime/coordinator.h"

namespace entente::cluster {

// What a follower asks of its node.
struct FollowerSteps {
  // The transaction as it is.
  std::function<void(runtime::Callback<runtime::TxnView>)> look;
  // As soon as it has more revisions than `seen`, or after a while.
  std::function<void(Sequence seen, runtime::Callback<runtime::TxnView>)> await;
  // Its records up to a revision.
  std::function<void(Sequence revision, runtime::Callback<runtime::History>)> read;
  std::function<void(std::function<void()>)> later;
};

// Hands every revision after the first look to `sink`, once and in order: those that happen here as
// the hub tells them, and those that happen at other nodes read from the journal, as soon as the
// node that drives the transaction says that there are more. So nothing is missed when it moves.
//
// Shared by what it waits for. Begin and the steps' answers come on workers' threads, OnLive on the
// hub's, Stop on any.
class Follower : public std::enable_shared_from_this<Follower> {
 public:
  Follower(FollowerSteps steps, runtime::EventSink sink);

  // Looks first; `begun` is called when that is done, however it went. A history that is asked for
  // from then on has all that the follower will not tell of.
  void Begin(std::function<void()> begun);
  void OnLive(const runtime::SharedEventPtr& event);
  // The sink is not called any more.
  void Stop();

 private:
  void Next();
  void Read(Sequence revision, std::function<void(bool read)> then);
  void TakeHistory(runtime::History history);
  [[nodiscard]] bool stopped();

  const FollowerSteps steps_;
  std::mutex mutex_;  // Held while the sink is called.
  runtime::EventSink sink_;
  std::optional<Sequence> last_;  // Handed on; nothing before the first look.
};

}  // namespace entente::cluster
