// TxnState: one transaction, as the fold of its records. A value; changed only by Evolve.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/record.h"

namespace entente::engine {

// What an operator changed of a branch's current operation.
struct BranchEdit {
  std::optional<JsonText> body;
  std::optional<dsl::RetryPolicy> retry;

  [[nodiscard]] size_t bytes() const { return body ? body->bytes() : 0; }
};

// Everything of a branch but its documents, which may be large.
struct BranchFacts {
  BranchId id;
  BranchPhase phase = BranchPhase::kBlocked;
  uint32_t alternative = 0;  // Of the forward operation that is or was called last.
  uint32_t attempt = 0;      // Of the current operation; 1 while the first call is out.
  uint32_t budget_used = 0;  // Attempts since the budget was last renewed by an operator.
  // An attempt of the current forward call ended without a definite answer. From then on a refusal
  // proves nothing (the first call may be what it collides with), and an abort undoes the branch.
  bool may_have_happened = false;
  // The undo runs for a forward call that never answered: there is no output to read.
  bool undo_without_output = false;
  bool given_up = false;  // Its refusal was that its attempts were used up.
  // That undo was begun while nothing was decided: another way to do the step follows it.
  bool undone_for_another = false;
  bool enlisted = false;     // By a client, which works with the participant itself.
  bool one_phase = false;    // Its finish is the participant's own decision.
  bool by_operator = false;  // An operator said that it is settled; the participant did not.
  bool tolerated = false;    // Its forward operation failed, and the transaction went on.
  // Retry, poll, pending deadline, end of a wait, or the last safe moment to decide a commit.
  std::optional<Instant> wake_at;
  std::optional<Instant> deadline;            // Of a pending operation.
  std::optional<Instant> forward_deadline;    // The step's own, from its start.
  std::optional<Instant> expires_at;          // What the participant holds for the branch.
  std::optional<HeuristicOutcome> heuristic;  // The latest that it reported.
  std::string poll_url;
  uint32_t refusals = 0;  // Of the current operation: attempts that were refused and yet repeated.
  uint32_t run = 0;       // `refusals` when it was last called: which child transaction that was.
  uint32_t forward_run = 0;        // The same of the forward operation, also while it is settled.
  uint32_t polls = 0;              // That brought nothing, of the pending operation.
  uint32_t rounds = 0;             // Of a call that is repeated: answers that were not the last.
  uint32_t rounds_used = 0;        // Of those, since an operator renewed the budget.
  std::string signal;              // What a wait step waits for; empty if only time ends the wait.
  std::optional<Failure> failure;  // The latest.
  std::optional<Instant> stuck_since;  // Present exactly in the three stuck phases.
  std::optional<Instant> started_at;
  std::optional<Instant> forward_at;  // When the current alternative was first called for.
  std::optional<Instant> ended_at;
  // Of the current operation, also once it is settled; null for nearly every branch. Shared,
  // because facts are copied for each decision and this may be a document.
  std::shared_ptr<const BranchEdit> edit;
};

struct BranchState : BranchFacts {
  JsonText item;    // Of a forEach, else null.
  JsonText output;  // Of the forward operation, once done.
  JsonText answer;  // What is kept of the answer itself: OperationSucceeded.
};

// How many branches of a step are in each phase.
class PhaseCounts {
 public:
  [[nodiscard]] uint32_t of(BranchPhase phase) const { return counts_[static_cast<size_t>(phase)]; }
  template <class... Phases>
  [[nodiscard]] uint32_t of(BranchPhase phase, Phases... more) const {
    return of(phase) + of(more...);
  }
  void Add(BranchPhase phase, uint32_t branches) {
    counts_[static_cast<size_t>(phase)] += branches;
  }
  void Move(BranchPhase from, BranchPhase to) {
    --counts_[static_cast<size_t>(from)];
    ++counts_[static_cast<size_t>(to)];
  }
  friend bool operator==(const PhaseCounts&, const PhaseCounts&) = default;

 private:
  std::array<uint32_t, static_cast<size_t>(BranchPhase::kReadOnly) + 1> counts_{};
};

// Everything of a step but its branches.
struct StepFacts {
  std::string id;         // Empty until the step is expanded.
  bool expanded = false;  // The branches are known.
  bool skipped = false;
  bool for_each = false;
  size_t size = 0;     // Number of branches.
  PhaseCounts phases;  // Of its branches; so that a step of 10 000 is not walked for each reply.
  uint32_t tolerated = 0;  // Branches that are so.

  // Another was first in its race: no more of it is done, and what was is undone.
  [[nodiscard]] bool lost() const { return skipped && expanded; }
};

struct StepState : StepFacts {
  std::vector<BranchState> branches;  // Exactly one, unless the step has a forEach.
  std::string source;                 // Of an enlisted branch: what the client described it with.
};

struct AbortState {
  AbortCause cause = AbortCause::kCancelled;
  std::optional<BranchId> branch;
  Failure failure;
  std::optional<Actor> actor;
};

struct TxnState {
  Gid gid;
  std::string definition;
  uint32_t version = 0;
  Mode mode = Mode::kSaga;
  Sequence revision;  // Number of records folded; 0 before the first.
  TxnStatus status = TxnStatus::kActive;
  bool paused = false;
  bool deadline_missed = false;
  bool client_driven = false;
  bool closed = false;  // The client wants to commit: nobody joins any more.
  bool commit_decided = false;
  bool held = false;  // All of a child was done, and what becomes of it was left to its parent.
  JsonText input;
  std::vector<std::pair<std::string, std::string>> labels;
  Instant accepted_at;
  Instant updated_at;
  std::optional<Instant> deadline;
  std::optional<Instant> ended_at;
  std::optional<ParentLink> parent;
  std::string request_digest;
  std::string traceparent;
  std::optional<AbortState> abort;
  // Received and not yet taken, by name, in the order in which they came; none is empty.
  std::map<std::string, std::vector<JsonText>> signals;
  // The digest of each signal that came with an id, taken or not, by that id. No more than the plan
  // has steps that wait: only what one of them can still take is received.
  std::map<std::string, std::string> signal_ids;
  std::vector<StepState> steps;  // By step index; grows as steps expand or are skipped.
  JsonText output;               // Once it was held, or has ended.
  std::optional<Failure> output_failure;
  // Of the input, the items, outputs, answers, sources and edits of the branches, the signals and
  // the output.
  size_t payload_bytes = 0;
  std::optional<TxnStatus> forced;

  [[nodiscard]] bool finished() const { return IsFinished(status); }
  // A child that waits for nothing but its parent's end.
  [[nodiscard]] bool awaits_parent() const { return held && status == TxnStatus::kActive; }
  // True while a branch is stuck: an operator has to act.
  [[nodiscard]] bool has_incident() const;
};

// What a participant in doubt is told: "committed", "aborted" or "undecided". It never changes once
// it is one of the first two, unless an operator forces an outcome before anything was decided.
[[nodiscard]] std::string_view OutcomeOf(const TxnState& state);

// The branch of that name, or null if it is not known (yet). The pointer is valid until the next
// Evolve of this state.
[[nodiscard]] const BranchState* FindBranch(const TxnState& state, const BranchId& branch);

// No forward call of the branch is begun any more: all is undone, or another step was first in its
// race.
[[nodiscard]] bool IsCalledOff(const TxnState& state, const BranchId& branch);

// "<step>" or "<step>:<index>".
[[nodiscard]] BranchId MakeBranchId(const dsl::Plan& plan, size_t step,
                                    std::optional<size_t> index);

}  // namespace entente::engine
