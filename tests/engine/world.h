// World: one transaction driven by hand under a virtual clock, with everything checked after every
// step that can be checked.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/engine.h"

namespace entente::engine::test {

using PlanPtr = std::shared_ptr<const dsl::Plan>;

// Compiles or throws std::runtime_error with every problem.
[[nodiscard]] PlanPtr CompilePlan(std::string_view definition);

inline constexpr Instant kOrigin = InstantFromMicros(1'800'000'000'000'000);

class World {
 public:
  explicit World(PlanPtr plan) : plan_(std::move(plan)) {}

  [[nodiscard]] const dsl::Plan& plan() const { return *plan_; }
  [[nodiscard]] const TxnState& state() const { return state_; }
  [[nodiscard]] const std::vector<Record>& journal() const { return journal_; }
  [[nodiscard]] Instant now() const { return now_; }
  void set_now(Instant now) { now_ = now; }
  void set_entropy(uint64_t entropy) { entropy_ = entropy; }

  // Announces a branch of a client-driven transaction, compiled from `source`.
  const Decision& EnlistBranch(const std::string& source);

  // Decides and folds. Throws std::runtime_error if the decision breaks the contract, an invariant
  // does not hold, or the effects so far are not what Outstanding says.
  const Decision& Feed(Event event);

  void Submit(Json input = Json::object(), std::optional<Duration> deadline = std::nullopt);
  // Answers the branch's current call, or the stated one.
  const Decision& Answer(const std::string& branch, Reply reply);

  // Rebuilds the state from the journal, which must give the same state, and recovers. With
  // `lose_lazy` the records that no effect waited for are lost first.
  const Decision& Crash(bool lose_lazy = false);

  // The armed timer that is due first, if it is due by `until`.
  struct DueTimer {
    std::optional<BranchId> branch;
    Instant at;
  };
  [[nodiscard]] std::optional<DueTimer> NextTimer(Instant until) const;
  void Fire(const DueTimer& timer);

  // What is in flight: calls and children by (branch, role, alternative, attempt), and polls.
  using CallKey = std::tuple<std::string, Role, uint32_t, uint32_t>;
  [[nodiscard]] const std::map<CallKey, Effect>& calls() const { return calls_; }
  [[nodiscard]] const std::set<BranchId>& polls() const { return polls_; }

  // Every effect ever emitted, in order.
  [[nodiscard]] const std::vector<Effect>& effects() const { return effects_; }

 private:
  void Track(const Effect& effect);
  void Forget(const Event& event);
  void CheckDecision(const Input& input, const Decision& decision) const;
  void CheckReservations(Instant decided_at) const;
  void CheckOutstanding() const;

  PlanPtr plan_;
  PlanPtr enlisting_;  // What the plan becomes if the branch is taken.
  TxnState state_;
  std::vector<Record> journal_;
  size_t durable_ = 0;  // Of the journal: certainly survives a crash.
  Instant now_ = kOrigin;
  uint64_t entropy_ = 0;
  Decision last_;

  std::map<CallKey, Effect> calls_;
  std::set<BranchId> polls_;
  std::set<Gid> cancelled_children_;
  std::map<std::optional<BranchId>, Instant> timers_;
  std::vector<Effect> effects_;
};

// Everything of a state as text: two states are equal if and only if this is.
[[nodiscard]] std::string Dump(const TxnState& state);

}  // namespace entente::engine::test
