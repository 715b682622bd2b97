// ParticipantCaller: how a shard reaches participants. The real one is in
// coordinator/participants; the simulator has its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dsl/plan.h"
#include "engine/effect.h"
#include "engine/input.h"
#include "runtime/lease.h"

namespace entente::runtime {

// What travels along with every call of one transaction.
struct CallContext {
  std::shared_ptr<const dsl::Plan> plan;
  std::string traceparent;
  Epoch epoch;
  std::string coordinator;  // Its id.
  // What waits for its participant must not be sent once it has ended. Null: it does not end.
  std::shared_ptr<const Lease> lease = nullptr;
};

// Which of a transaction's calls are not wanted any more.
enum class Withdrawal : uint8_t { kNone, kForwardCalls, kAllCalls };

using ReplyCallback = std::function<void(engine::Reply)>;

// Used on one host's thread only. `done` runs on that thread, once, never before the call returned;
// not at all once the caller was destroyed.
class ParticipantCaller {
 public:
  virtual ~ParticipantCaller() = default;

  virtual void Call(const CallContext& context, engine::CallBranch call, ReplyCallback done) = 0;
  virtual void Poll(const CallContext& context, engine::PollBranch poll, ReplyCallback done) = 0;

  // Takes back the calls of a transaction that were not sent so far because they wait for their
  // participant: `done` of each says that it was not sent and held back. What was sent stays. A
  // caller at which nothing waits has nothing to do.
  virtual void WithdrawWaiting(const Gid& /*gid*/, Withdrawal /*which*/) {}
};

}  // namespace entente::runtime
