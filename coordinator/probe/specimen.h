// Specimen: a transaction that is driven as far as one step's calls, to learn what they send.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace entente::probe {

// The data that the other steps are answered with, and the inputs to try.
struct SpecimenData {
  std::vector<Json> inputs;
  std::map<std::string, std::vector<Json>> outputs;  // By step.
};

// Sends a call of the probed participant that leads to the step, and says what was answered.
using SendCall = std::function<engine::Reply(const engine::CallBranch& call)>;

// Steps of other participants are answered with made-up data; those of the step's own participant
// that come before it are really called, since it may ask for what they made, and undone by Close.
// Borrows the plan, the data and what `send` refers to. Not thread-safe.
class Specimen {
 public:
  Specimen(const dsl::Plan& plan, const SpecimenData& data, size_t step, Gid gid, SendCall send);

  // The step's forward call, after driving there with the first input that leads there. Fails with
  // kFailedPrecondition probe.not_reached: no input does, or a call before it was not done.
  [[nodiscard]] Result<engine::CallBranch> Forward();

  // What settles the forward call: `role` is kUndo or kFinish. Without `output`: its outcome is
  // unknown. Nothing: there is no such call, or none that can be made without an output. The
  // specimen stays where it is.
  [[nodiscard]] std::optional<engine::CallBranch> Settling(engine::Role role,
                                                           const std::optional<Json>& output);

  // Undoes the calls that led to the step.
  void Close();

  // As its n-th attempt.
  [[nodiscard]] static engine::CallBranch Again(engine::CallBranch call, uint32_t attempt);

 private:
  Status Drive(const Json& input);
  Status Feed(engine::TxnState& state, engine::Event event);
  [[nodiscard]] bool IsTarget(const engine::CommandId& command) const;
  // Answers what is out, `really` by the probed participant where it is called, and else with
  // made-up data, the probed branch left alone; then sends signals, then lets time pass. False:
  // nothing more happens.
  bool Step(engine::TxnState& state, bool really, Status& failed);
  [[nodiscard]] const Json& OutputOf(const BranchId& branch) const;
  [[nodiscard]] const engine::CallBranch* Target(const std::vector<engine::Effect>& effects,
                                                 engine::Role role) const;

  const dsl::Plan& plan_;
  const SpecimenData& data_;
  size_t step_;
  Gid gid_;
  BranchId branch_;  // Of the step, the one that is probed; empty until it is called.
  SendCall send_;
  engine::TxnState state_;
  Instant now_;
};

}  // namespace entente::probe
