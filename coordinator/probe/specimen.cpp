#include "coordinator/probe/specimen.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/state_lookup.h"

namespace entente::probe {
namespace {

using engine::CallBranch;
using engine::CommandId;
using engine::Role;
using engine::StartChild;

// A definition takes fewer turns than this to its end, waits and all.
constexpr size_t kMaxTurns = 20'000;

}  // namespace

Specimen::Specimen(const dsl::Plan& plan, const SpecimenData& data, size_t step, Gid gid,
                   SendCall send)
    : plan_(plan),
      data_(data),
      step_(step),
      gid_(std::move(gid)),
      send_(std::move(send)),
      now_(InstantFromMicros(1'800'000'000'000'000)) {}

Result<CallBranch> Specimen::Forward() {
  Status why = FailedPrecondition("probe.not_reached", "no input that was tried leads to it");
  for (const Json& input : data_.inputs) {
    state_ = {};
    branch_ = {};
    const Status driven = Drive(input);
    const std::vector<engine::Effect> effects = engine::Outstanding(plan_, state_);
    if (const CallBranch* call = Target(effects, Role::kForward)) {
      branch_ = call->command.branch;
      return *call;
    }
    if (!driven.ok()) {
      why = driven;
    }
    Close();
  }
  return why;
}

Status Specimen::Drive(const Json& input) {
  engine::Submitted submitted;
  submitted.gid = gid_;
  submitted.input = input;
  ENTENTE_RETURN_IF_ERROR(Feed(state_, std::move(submitted)));
  Status failed;
  for (size_t i = 0; i < kMaxTurns && failed.ok(); ++i) {
    if (Target(engine::Outstanding(plan_, state_), Role::kForward) != nullptr ||
        !Step(state_, /*really=*/true, failed)) {
      break;
    }
  }
  return failed;
}

Status Specimen::Feed(engine::TxnState& state, engine::Event event) {
  const engine::Decision decision = engine::Decide(plan_, state, {now_, 0, std::move(event)});
  ENTENTE_RETURN_IF_ERROR(decision.status);
  for (const engine::Record& record : decision.records) {
    ENTENTE_RETURN_IF_ERROR(engine::Evolve(state, record));
  }
  return {};
}

bool Specimen::IsTarget(const CommandId& command) const {
  return branch_.empty() ? engine::ParseBranchName(command.branch).step == plan_.steps[step_].id
                         : command.branch == branch_;
}

const CallBranch* Specimen::Target(const std::vector<engine::Effect>& effects, Role role) const {
  for (const engine::Effect& effect : effects) {
    const auto* call = std::get_if<CallBranch>(&effect);
    if (call != nullptr && call->command.role == role && IsTarget(call->command)) {
      return call;
    }
  }
  return nullptr;
}

const Json& Specimen::OutputOf(const BranchId& branch) const {
  static const Json kEmpty = Json::object();
  const auto found = data_.outputs.find(std::string(engine::ParseBranchName(branch).step));
  return found == data_.outputs.end() || found->second.empty() ? kEmpty : found->second.front();
}

bool Specimen::Step(engine::TxnState& state, bool really, Status& failed) {
  const auto* own = std::get_if<dsl::CallWork>(&plan_.steps[step_].work);
  const auto* probed =
      own != nullptr && own->forward ? std::get_if<dsl::CallTemplate>(&*own->forward) : nullptr;
  const engine::ArmTimer* timer = nullptr;
  const std::vector<engine::Effect> effects = engine::Outstanding(plan_, state);
  for (const engine::Effect& effect : effects) {
    if (const auto* arm = std::get_if<engine::ArmTimer>(&effect)) {
      timer = timer == nullptr || arm->at < timer->at ? arm : timer;
      continue;
    }
    const auto* call = std::get_if<CallBranch>(&effect);
    const auto* child = std::get_if<StartChild>(&effect);
    if ((call == nullptr && child == nullptr) ||
        (call != nullptr && !really && IsTarget(call->command))) {
      continue;
    }
    const CommandId& command = call != nullptr ? call->command : child->command;
    engine::Reply reply = engine::ReplyDone{OutputOf(command.branch)};
    if (really && call != nullptr && probed != nullptr &&
        call->participant == probed->participant) {
      reply = send_(*call);
    }
    failed = Feed(state, engine::BranchReplied{command.branch, command.role, command.alternative,
                                               call != nullptr ? call->attempt : child->attempt,
                                               std::move(reply)});
    return failed.ok();
  }
  for (const engine::StepState& step : state.steps) {
    for (const engine::BranchState& branch : step.branches) {
      if (branch.phase == engine::BranchPhase::kWaiting && !branch.signal.empty()) {
        failed = Feed(state, engine::SignalSent{branch.signal, OutputOf(branch.id)});
        return failed.ok();
      }
    }
  }
  if (timer == nullptr || state.finished()) {
    return false;
  }
  now_ = std::max(now_, timer->at);
  failed = Feed(state, engine::TimerFired{timer->branch});
  return failed.ok();
}

std::optional<CallBranch> Specimen::Settling(Role role, const std::optional<Json>& output) {
  engine::TxnState state = state_;
  const std::vector<engine::Effect> effects = engine::Outstanding(plan_, state);
  const CallBranch* forward = Target(effects, Role::kForward);
  if (forward == nullptr) {
    return std::nullopt;
  }
  const CommandId command = forward->command;
  if (role == Role::kUndo && !Feed(state, engine::AbortRequested{{"probe", ""}}).ok()) {
    return std::nullopt;
  }
  engine::Reply reply = engine::ReplyUnknown{{"probe.cut", ""}, std::nullopt};
  if (output) {
    reply = engine::ReplyDone{*output};
  }
  Status failed =
      Feed(state, engine::BranchReplied{command.branch, command.role, command.alternative,
                                        forward->attempt, std::move(reply)});
  for (size_t i = 0; i < kMaxTurns && failed.ok(); ++i) {
    const std::vector<engine::Effect> now = engine::Outstanding(plan_, state);
    for (const engine::Effect& effect : now) {
      const auto* call = std::get_if<CallBranch>(&effect);
      if (call != nullptr && call->command.role == role && call->command.branch == command.branch) {
        return *call;
      }
    }
    if (!Step(state, /*really=*/false, failed)) {
      break;
    }
  }
  return std::nullopt;
}

void Specimen::Close() {
  if (state_.revision == Sequence() || state_.finished()) {
    return;
  }
  // Refused where the step can not be undone: then its refusal, which follows, aborts.
  static_cast<void>(Feed(state_, engine::AbortRequested{{"probe", ""}}));
  Status failed;
  for (size_t i = 0; i < kMaxTurns && failed.ok(); ++i) {
    // Whoever drove it here has settled it.
    const std::vector<engine::Effect> effects = engine::Outstanding(plan_, state_);
    if (const CallBranch* forward = Target(effects, Role::kForward)) {
      failed = Feed(state_, engine::BranchReplied{forward->command.branch, Role::kForward,
                                                  forward->command.alternative, forward->attempt,
                                                  engine::ReplyRefused{{"probe.over", ""}}});
    } else if (!Step(state_, /*really=*/true, failed)) {
      break;
    }
  }
}

CallBranch Specimen::Again(CallBranch call, uint32_t attempt) {
  call.attempt = attempt;
  return call;
}

}  // namespace entente::probe
