// Draft: a decision in the making. Internal to the engine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "dsl/cel/budget.h"
#include "engine/core/documents.h"
#include "engine/core/fold.h"
#include "engine/engine.h"
#include "engine/sensitive.h"
#include "engine/state_lookup.h"

namespace entente::engine {

// The state as it will be once the records gathered so far are folded, without copying it: what
// changes is kept in an overlay, made by the very code (fold.h) that Evolve runs.
//
// Borrows the plan and the state, which must outlive it and not change. References it returns stay
// valid until the next Record. Not thread-safe; made for one Decide (or one Outstanding) and
// thrown away.
class Draft {
 public:
  // Its expressions cost no more than `most` together: what was drafted when that is `overrun` says
  // nothing.
  Draft(const dsl::Plan& plan, const TxnState& state, Instant now, uint64_t entropy,
        uint64_t most = UINT64_MAX)
      : plan_(plan),
        state_(&state),
        now_(now),
        entropy_(entropy),
        status_(state.status),
        paused_(state.paused),
        deadline_missed_(state.deadline_missed),
        closed_(state.closed),
        held_(state.held),
        payload_bytes_(state.payload_bytes),
        most_(most),
        budget_(std::min(most, limits::kMaxExpressionCost)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  // ---- reading ----
  [[nodiscard]] const dsl::Plan& plan() const { return plan_; }
  [[nodiscard]] const TxnState& base() const { return *state_; }
  [[nodiscard]] const Gid& gid() const { return state_->gid; }
  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] TxnStatus status() const { return status_; }
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] bool deadline_missed() const { return deadline_missed_; }
  [[nodiscard]] bool closed() const { return closed_; }  // As TxnState's.
  [[nodiscard]] bool held() const { return held_; }      // The same.
  [[nodiscard]] std::optional<AbortState> abort() const;
  // Whether the transaction may hold so many bytes of payloads beside those that it has.
  [[nodiscard]] bool HasRoomFor(size_t bytes) const {
    return payload_bytes_ + bytes <= limits::kMaxTransactionBytes;
  }
  [[nodiscard]] const StepFacts& step(size_t step) const;
  [[nodiscard]] const BranchFacts& branch(BranchRef ref) const;
  [[nodiscard]] const JsonText& item(BranchRef ref) const;    // Of a forEach, else null.
  [[nodiscard]] const JsonText& output(BranchRef ref) const;  // Null until the branch is done.
  [[nodiscard]] const JsonText& answer(BranchRef ref) const;  // Null: nothing of it is kept.
  // The signals of that name that are kept, in the order in which they will be taken.
  [[nodiscard]] std::vector<const JsonText*> signals(const std::string& name) const;
  [[nodiscard]] std::optional<BranchRef> Locate(const BranchId& id) const;
  [[nodiscard]] const dsl::Step& plan_step(BranchRef ref) const { return plan_.steps[ref.step]; }

  // What the expressions of this decision are paid from, and what they read.
  [[nodiscard]] dsl::cel::Budget& budget() const { return budget_; }
  // Sees to it that so much is left to be spent, if that is within what the draft may cost.
  void Allow(uint64_t units) const {
    budget_.Allow(std::min(units, most_ - std::min(most_, budget_.spent())));
  }
  [[nodiscard]] bool overrun() const { return budget_.spent() > most_; }
  [[nodiscard]] Documents& documents() const { return documents_; }
  // So much was evaluated that no more is begun which another input can begin as well: a decision
  // holds the thread of many transactions.
  [[nodiscard]] bool crowded() const { return budget_.spent() >= limits::kMaxExpressionCost; }

  // ---- writing ----
  // Adds a fact, which must be able to follow what is there (else it is our own error).
  void Record(RecordBody body);
  // The first record; from here on base() is the state it makes.
  void Accept(Accepted accepted);
  void Emit(Effect effect) { decision_.effects.push_back(std::move(effect)); }
  // Emits ArmTimer for a branch; not while paused, when no timer of a branch acts.
  void Arm(BranchRef ref, Instant at);
  // The effects wait for the append, whatever the records are.
  void Force() { force_ = true; }
  void Reject(Status status) { decision_.status = std::move(status); }

  void DropEffects() { decision_.effects.clear(); }
  // Takes back the call that this very draft made for the branch; false if there is none.
  bool RetractCall(BranchRef ref);

  // The input was not rejected; it led to a record.
  [[nodiscard]] bool accepted() const { return decision_.status.ok(); }
  [[nodiscard]] bool changed() const { return !decision_.records.empty(); }

  // Different at each call, decided by the input's entropy.
  [[nodiscard]] uint64_t NextEntropy();

  // The decision. Leaves the draft empty. `lazy_settling` as in durability.h.
  [[nodiscard]] Decision Take(const Event& event, bool lazy_settling);

 private:
  friend class Folder<Draft>;

  // What Folder asks of a store.
  void SetStatus(TxnStatus status) { status_ = status; }
  void SetPaused(bool paused) { paused_ = paused; }
  void SetDeadlineMissed() { deadline_missed_ = true; }
  void SetClosed() { closed_ = true; }
  BranchFacts& Branch(BranchRef ref);
  StepFacts& Step(size_t step);
  void Expand(const StepExpanded& record);
  void KeepOutput(BranchRef ref, const JsonText& output, const JsonText& answer);
  void KeepSignal(const SignalReceived& record);
  void DropSignal(const std::string& name);
  void KeepSource(size_t, const std::string& source) { payload_bytes_ += source.size(); }
  void SetBack(Duration by);
  void Weigh(size_t more, size_t less) { payload_bytes_ += more - less; }
  void KeepCommit() {}
  void KeepAbort(const AbortDecided&) { aborted_ = LastRecord(); }
  void KeepHeld(const Held& record) {
    held_ = true;
    payload_bytes_ += record.output.bytes();
  }
  void KeepEnd(const Ended&, Instant) {}

  // The record that is being folded is the last one.
  [[nodiscard]] size_t LastRecord() const { return decision_.records.size() - 1; }
  template <class Body>
  [[nodiscard]] const Body* BodyAt(size_t record) const {
    return std::get_if<Body>(&decision_.records[record].body);
  }

  const dsl::Plan& plan_;
  const TxnState* state_;
  std::optional<TxnState> begun_;  // After Accept.
  const Instant now_;
  uint64_t entropy_;
  bool force_ = false;

  TxnStatus status_;
  bool paused_;
  bool deadline_missed_;
  bool closed_;
  bool held_;
  size_t payload_bytes_;  // As TxnState's, but for an output at the end.
  // Ordered maps: their elements stay where they are. Lazily filled, hence mutable: a branch of a
  // step that was expanded in this very draft exists nowhere else.
  std::map<size_t, StepFacts> steps_;
  mutable std::map<BranchRef, BranchFacts> branches_;
  // Documents are not copied: these are indices into the records.
  std::map<size_t, size_t> expansions_;
  std::map<BranchRef, size_t> outputs_;
  struct SignalsSince {
    size_t taken = 0;           // Of all that are kept, from the front.
    std::vector<size_t> added;  // Behind those of the state.
  };
  std::map<std::string, SignalsSince> signals_;
  std::optional<size_t> aborted_;

  std::optional<Sensitive> sensitive_;  // Once it was asked for.
  size_t learned_ = 0;                  // Of the decision's records, what `sensitive_` knows.
  const uint64_t most_;
  // Evaluating changes nothing of what the draft says.
  mutable dsl::cel::Budget budget_;
  mutable Documents documents_;

  Decision decision_;
};

}  // namespace entente::engine
