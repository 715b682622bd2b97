// The other side of a random walk: participants that tell the truth, but whose answers may be lost.
// They keep what each branch holds and refuse nothing that the protocol promises never to ask.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "tests/engine/dice.h"
#include "tests/engine/world.h"

namespace entente::engine::test {

class Participants {
 public:
  Participants(Dice& dice, dsl::Mode mode) : dice_(dice), mode_(mode) {}

  using Name = std::pair<std::string, uint32_t>;  // Branch and alternative.
  enum class Hold { kWorked, kReserved, kFinal };  // kWorked: by a client, and not prepared yet.

  // What an attempt does, and what is answered. Throws std::runtime_error for a call that may never
  // be made: a finish of what is not held, an undo of what is final.
  Reply Carry(const World::CallKey& key, const Effect& effect, bool healthy);
  // The client's own work for a branch that it enlisted.
  void Work(const BranchState& branch);
  // The calls that are out when the coordinator dies may still be carried out.
  void Crash(const World& world);
  // Somebody saw to it by hand that the branch's current operation is carried out.
  void Vouch(const BranchState& branch);
  // A pending operation is done if the participant has it done.
  Reply Poll(const BranchState& branch);

  [[nodiscard]] const std::map<Name, Hold>& holds() const { return holds_; }

 private:
  // One operation of one branch.
  struct Task {
    Name name;
    Role role;
    bool one_phase = false;
  };
  static Task TaskOf(const World::CallKey& key, const Effect& effect);
  static Task TaskOf(const BranchState& branch);

  void Apply(const Task& task);
  [[nodiscard]] bool IsApplied(const Task& task) const;
  Reply CarryChild(const Task& task, const StartChild& child, bool healthy);
  Reply AnswerDone(const Task& task, bool repeated);
  Reply AnswerBadly(const Task& task);

  Dice& dice_;
  const dsl::Mode mode_;
  std::map<Name, Hold> holds_;
  std::map<Gid, bool> children_;
};

}  // namespace entente::engine::test
