#include "engine/core/draft.h"

#include "engine/core/durability.h"

namespace entente::engine {
namespace {

// Enough for a result, a step and the end: few decisions grow the list a second time.
constexpr size_t kUsualRecords = 6;

const JsonText& NullPayload() {
  static const JsonText null;
  return null;
}

}  // namespace

const StepFacts& Draft::step(size_t step) const {
  if (const auto found = steps_.find(step); found != steps_.end()) {
    return found->second;
  }
  static const StepFacts kUntouched;
  return step < state_->steps.size() ? state_->steps[step] : kUntouched;
}

StepFacts& Draft::Step(size_t step) {
  const auto [found, inserted] = steps_.try_emplace(step);
  if (inserted && step < state_->steps.size()) {
    found->second = state_->steps[step];
  }
  return found->second;
}

const BranchFacts& Draft::branch(BranchRef ref) const {
  if (const auto found = branches_.find(ref); found != branches_.end()) {
    return found->second;
  }
  if (!expansions_.contains(ref.step)) {
    return state_->steps[ref.step].branches[ref.index];
  }
  const StepFacts& facts = step(ref.step);
  BranchFacts& fresh = branches_[ref];
  fresh.id = MakeBranchId(facts.id, facts.for_each ? std::optional(ref.index) : std::nullopt);
  return fresh;
}

BranchFacts& Draft::Branch(BranchRef ref) {
  const BranchFacts& current = branch(ref);
  return branches_.try_emplace(ref, current).first->second;
}

const JsonText& Draft::item(BranchRef ref) const {
  if (const auto found = expansions_.find(ref.step); found != expansions_.end()) {
    const auto* record = BodyAt<StepExpanded>(found->second);
    return record != nullptr && record->for_each ? record->items[ref.index] : NullPayload();
  }
  return state_->steps[ref.step].branches[ref.index].item;
}

const JsonText& Draft::output(BranchRef ref) const {
  if (const auto found = outputs_.find(ref); found != outputs_.end()) {
    if (const auto* succeeded = BodyAt<OperationSucceeded>(found->second)) {
      return succeeded->output;
    }
    return BodyAt<OperatorSkipped>(found->second)->output;
  }
  return expansions_.contains(ref.step) ? NullPayload()
                                        : state_->steps[ref.step].branches[ref.index].output;
}

const JsonText& Draft::answer(BranchRef ref) const {
  if (const auto found = outputs_.find(ref); found != outputs_.end()) {
    const auto* succeeded = BodyAt<OperationSucceeded>(found->second);
    return succeeded != nullptr ? succeeded->answer : NullPayload();
  }
  return expansions_.contains(ref.step) ? NullPayload()
                                        : state_->steps[ref.step].branches[ref.index].answer;
}

std::vector<const JsonText*> Draft::signals(const std::string& name) const {
  std::vector<const JsonText*> kept;
  if (const auto stored = state_->signals.find(name); stored != state_->signals.end()) {
    for (const JsonText& payload : stored->second) {
      kept.push_back(&payload);
    }
  }
  if (const auto since = signals_.find(name); since != signals_.end()) {
    for (const size_t record : since->second.added) {
      kept.push_back(&BodyAt<SignalReceived>(record)->payload);
    }
    kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(since->second.taken));
  }
  return kept;
}

std::optional<AbortState> Draft::abort() const {
  if (!aborted_) {
    return state_->abort;
  }
  const auto& decided = *BodyAt<AbortDecided>(*aborted_);
  return AbortState{decided.cause, decided.branch, decided.failure, decided.actor};
}

std::optional<BranchRef> Draft::Locate(const BranchId& id) const {
  const BranchName name = ParseBranchName(id);
  for (const auto& [index, facts] : steps_) {
    if (const auto branch = IndexIn(facts, name)) {
      return BranchRef{index, *branch};
    }
  }
  return LocateBranch(*state_, id);
}

void Draft::Record(RecordBody body) {
  if (decision_.records.empty()) {
    decision_.records.reserve(kUsualRecords);
  }
  if (HasSensitive(plan_) && TellsOfFailure(body)) {
    if (!sensitive_) {
      sensitive_ = Sensitive::Of(plan_, state_->input);
      sensitive_->Learn(plan_, *state_);
    }
    // The state is the one before this decision, which may have brought what its failure tells of.
    for (; learned_ < decision_.records.size(); ++learned_) {
      sensitive_->Learn(plan_, state_->input, decision_.records[learned_]);
    }
    HideFailures(*sensitive_, body);
  }
  decision_.records.push_back({now_, std::move(body)});
  // A record that can not follow the state is a defect in a table or an action; going on would
  // write a journal that nothing can read again.
  const Status folded = Folder<Draft>(*this, now_).Fold(decision_.records.back().body);
  ENTENTE_CHECK(folded.ok());
}

void Draft::Accept(Accepted accepted) {
  decision_.records.reserve(kUsualRecords);
  decision_.records.push_back({now_, std::move(accepted)});
  const Status folded = Evolve(begun_.emplace(), decision_.records.back());
  ENTENTE_CHECK(folded.ok());
  state_ = &*begun_;
  payload_bytes_ = begun_->payload_bytes;
}

bool Draft::RetractCall(BranchRef ref) {
  const BranchId& id = branch(ref).id;
  const auto concerns = [&id](const Effect& effect) {
    const auto* call = std::get_if<CallBranch>(&effect);
    const auto* child = std::get_if<StartChild>(&effect);
    return (call != nullptr && call->command.branch == id) ||
           (child != nullptr && child->command.branch == id);
  };
  return std::erase_if(decision_.effects, concerns) > 0;
}

void Draft::Arm(BranchRef ref, Instant at) {
  if (!paused_) {
    Emit(ArmTimer{branch(ref).id, at});
  }
}

void Draft::Expand(const StepExpanded& record) {
  StepFacts& facts = Step(record.step);
  facts.id = record.id;
  facts.expanded = true;
  facts.for_each = record.for_each;
  facts.size = record.for_each ? record.items.size() : 1;
  facts.phases.Add(BranchPhase::kBlocked, static_cast<uint32_t>(facts.size));
  expansions_[record.step] = LastRecord();
  for (const JsonText& item : record.items) {
    payload_bytes_ += item.bytes();
  }
}

void Draft::KeepOutput(BranchRef ref, const JsonText& kept, const JsonText& kept_answer) {
  payload_bytes_ += kept.bytes() + kept_answer.bytes();
  payload_bytes_ -= output(ref).bytes() + answer(ref).bytes();
  outputs_[ref] = LastRecord();
}

void Draft::KeepSignal(const SignalReceived& record) {
  payload_bytes_ += record.payload.bytes();
  signals_[record.name].added.push_back(LastRecord());
}

// Nothing asks a draft for the transaction's own deadline: its timer is armed by the state.
void Draft::SetBack(Duration by) {
  for (size_t step = 0; step < state_->steps.size(); ++step) {
    for (size_t i = 0; i < state_->steps[step].size; ++i) {
      engine::SetBack(Branch({step, i}), by);
    }
  }
}

void Draft::DropSignal(const std::string& name) {
  if (const auto kept = signals(name); !kept.empty()) {
    payload_bytes_ -= kept.front()->bytes();
    ++signals_[name].taken;
  }
}

uint64_t Draft::NextEntropy() {
  // SplitMix64 (Steele, Lea and Flood, 2014): neighbouring seeds give unrelated numbers.
  entropy_ += 0x9E3779B97F4A7C15ULL;
  uint64_t z = entropy_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

Decision Draft::Take(const Event& event, bool lazy_settling) {
  if (!decision_.status.ok()) {
    return {std::move(decision_.status), Durability::kLazy, {}, {}};
  }
  decision_.durability =
      force_ ? Durability::kForced
             : DurabilityOf(event, decision_.records, decision_.effects, lazy_settling);
  return std::move(decision_);
}

}  // namespace entente::engine
