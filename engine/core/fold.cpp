#include "engine/core/fold.h"

#include "engine/engine.h"

namespace entente::engine {
namespace {

// Folds into a TxnState in place.
class StateStore {
 public:
  explicit StateStore(TxnState& state) : state_(state) {}

  [[nodiscard]] TxnStatus status() const { return state_.status; }
  void SetStatus(TxnStatus status) { state_.status = status; }
  void SetPaused(bool paused) { state_.paused = paused; }
  void SetDeadlineMissed() { state_.deadline_missed = true; }
  void SetClosed() { state_.closed = true; }
  [[nodiscard]] bool held() const { return state_.held; }

  std::optional<BranchRef> Locate(const BranchId& id) { return LocateBranch(state_, id); }
  BranchFacts& Branch(BranchRef ref) { return state_.steps[ref.step].branches[ref.index]; }
  StepFacts& Step(size_t step) {
    if (step >= state_.steps.size()) {
      state_.steps.resize(step + 1);
    }
    return state_.steps[step];
  }

  void Expand(const StepExpanded& record) {
    StepState& step = state_.steps[record.step];
    step.id = record.id;
    step.expanded = true;
    step.for_each = record.for_each;
    step.size = record.for_each ? record.items.size() : 1;
    step.phases.Add(BranchPhase::kBlocked, static_cast<uint32_t>(step.size));
    step.branches.resize(step.size);
    for (size_t i = 0; i < step.size; ++i) {
      BranchState& branch = step.branches[i];
      branch.id = MakeBranchId(record.id, record.for_each ? std::optional(i) : std::nullopt);
      if (record.for_each) {
        branch.item = record.items[i];
        state_.payload_bytes += branch.item.bytes();
      }
    }
  }

  void KeepOutput(BranchRef ref, const JsonText& output, const JsonText& answer) {
    BranchState& branch = state_.steps[ref.step].branches[ref.index];
    Replace(branch.output, output);
    Replace(branch.answer, answer);
  }
  void KeepSignal(const SignalReceived& record) {
    state_.signals[record.name].push_back(record.payload);
    state_.payload_bytes += record.payload.bytes();
    if (!record.id.empty()) {
      state_.signal_ids[record.id] = record.digest;
    }
  }
  void DropSignal(const std::string& name) {
    if (const auto kept = state_.signals.find(name); kept != state_.signals.end()) {
      state_.payload_bytes -= kept->second.front().bytes();
      kept->second.erase(kept->second.begin());
      if (kept->second.empty()) {
        state_.signals.erase(kept);
      }
    }
  }
  void SetBack(Duration by) {
    if (state_.deadline) {
      *state_.deadline -= by;
    }
    for (StepState& step : state_.steps) {
      for (BranchState& branch : step.branches) {
        engine::SetBack(branch, by);
      }
    }
  }
  void KeepSource(size_t step, const std::string& source) {
    state_.steps[step].source = source;
    state_.payload_bytes += source.size();
  }
  void Weigh(size_t more, size_t less) { state_.payload_bytes += more - less; }
  void KeepCommit() { state_.commit_decided = true; }
  void KeepAbort(const AbortDecided& record) {
    state_.abort = AbortState{record.cause, record.branch, record.failure, record.actor};
  }
  void KeepHeld(const Held& record) {
    state_.held = true;
    Replace(state_.output, record.output);
    state_.output_failure = record.output_failure;
  }
  void KeepEnd(const Ended& record, Instant at) {
    state_.ended_at = at;
    Replace(state_.output, record.output);
    state_.output_failure = record.output_failure;
    state_.forced = record.forced;
  }

 private:
  void Replace(JsonText& held, const JsonText& by) {
    state_.payload_bytes += by.bytes();
    state_.payload_bytes -= held.bytes();
    held = by;
  }

  TxnState& state_;
};

void Accept(TxnState& state, const Accepted& record, Instant at) {
  state.gid = record.gid;
  state.definition = record.definition;
  state.version = record.version;
  state.mode = record.mode;
  state.input = record.input;
  state.payload_bytes = record.input.bytes();
  state.labels = record.labels;
  state.accepted_at = at;
  state.deadline = record.deadline;
  state.parent = record.parent;
  state.request_digest = record.request_digest;
  state.traceparent = record.traceparent;
  state.client_driven = record.client_driven;
}

}  // namespace

Status Evolve(TxnState& state, const Record& record) {
  const bool first = state.revision == Sequence();
  if (const auto* accepted = std::get_if<Accepted>(&record.body); accepted != nullptr && first) {
    Accept(state, *accepted, record.at);
  } else if (first || state.finished()) {
    return DataLoss(
        "journal.impossible_record",
        "the journal holds '" + std::string(RecordName(record)) +
            (first ? "' before the transaction was accepted" : "' after the transaction ended") +
            ": it is corrupt; restore it from a backup");
  } else {
    StateStore store(state);
    ENTENTE_RETURN_IF_ERROR(Folder<StateStore>(store, record.at).Fold(record.body));
  }
  state.revision = state.revision.next();
  state.updated_at = record.at;
  return {};
}

}  // namespace entente::engine
