// The engine: a pure function from (plan, state, input) to durable facts and effects.
//
// The contract between this core and its host (the shard in runtime/shard, the simulator in
// tests/sim, or a golden scenario):
//
//   1. decision = Decide(plan, state, input). If it is rejected, tell the caller; nothing else.
//   2. for each record: Evolve(state, record).
//   3. Append decision.records to the journal. If decision.durability is kForced, wait until that
//      append AND every earlier one of this transaction is durable; if it is kLazy, or there are no
//      records, wait until every earlier forced one is: what follows may follow from that.
//   4. Only then carry out decision.effects, in order.
//   5. After a crash: fold all records with Evolve, then hand in Input{Recovered}, apply its
//      decision as any other (it never has effects of its own), and carry out
//      Outstanding(plan, state).
//
// A decision that is forced although it has no record (a cancel of what aborts already) was taken
// in an earlier one: its answer waits until everything before it is durable.
//
// Nothing here reads a clock, draws random numbers, blocks, allocates threads, or touches a socket
// or a file. All functions are safe to call from any thread on distinct states.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "dsl/plan.h"
#include "engine/effect.h"
#include "engine/input.h"
#include "engine/record.h"
#include "engine/state.h"

namespace entente::engine {

enum class Durability : uint8_t {
  kForced,  // The effects wait for the append.
  kLazy,    // The records ride on the next batch; losing them in a crash is harmless.
};

struct Decision {
  // Ok: the input was taken (a duplicate or late one may leave no trace). Otherwise the input was
  // refused, `records` and `effects` are empty, and the status is for whoever sent it:
  // kFailedPrecondition (transaction.finished, transaction.past_pivot, branch.not_stuck, ...),
  // kNotFound (branch.not_found), kInvalidArgument.
  Status status;
  Durability durability = Durability::kLazy;
  std::vector<Record> records;
  std::vector<Effect> effects;
};

// What `input` means in `state`. Never mutates; deterministic.
// `state` is either default-constructed (only Submitted is taken then) or the fold of a journal
// whose Accepted record was decided with this very plan.
[[nodiscard]] Decision Decide(const dsl::Plan& plan, const TxnState& state, const Input& input);

// Folds one record. The only way a state changes. A record that can not follow the state (which
// only a corrupt journal holds) fails with kDataLoss and leaves the state unusable: stop.
[[nodiscard]] Status Evolve(TxnState& state, const Record& record);

// Every call that is out and every timer that is armed in `state`: what recovery re-issues. Empty
// for a finished transaction.
[[nodiscard]] std::vector<Effect> Outstanding(const dsl::Plan& plan, const TxnState& state);

// What the branch's operation sends, or would send if it were called now: a CallBranch or a
// StartChild. For people, so that they can judge a failure and edit what is sent. kNotFound
// branch.not_found; kFailedPrecondition branch.not_editable: it waits, or is with its client;
// kInvalidArgument expression.error.
[[nodiscard]] Result<Effect> PreviewCall(const dsl::Plan& plan, const TxnState& state,
                                         const BranchId& branch);

// What must hold of every state that Evolve produced; the first violation, or nothing. For tests
// and simulation; linear in the size of the state.
[[nodiscard]] std::optional<std::string> CheckInvariants(const dsl::Plan& plan,
                                                         const TxnState& state);

}  // namespace entente::engine
