#include "explore/moves.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "engine/state_lookup.h"

namespace entente::explore {
namespace {

using engine::BranchPhase;
using engine::BranchState;
using engine::CallBranch;
using engine::Role;
using engine::StartChild;
using engine::TxnStatus;

// With more calls out, only the first of them is answered in every way; the others may be refused.
constexpr size_t kMaxInAnyOrder = 3;
// Attempts that go unanswered, of one operation; plans are explored with smaller budgets.
constexpr size_t kMaxAttempts = 200;

const engine::CommandId* CommandOf(const engine::Effect& effect) {
  if (const auto* call = std::get_if<CallBranch>(&effect)) {
    return &call->command;
  }
  const auto* child = std::get_if<StartChild>(&effect);
  return child == nullptr ? nullptr : &child->command;
}

bool IsUnsettled(const BranchState& branch) {
  return engine::IsCalling(branch.phase) || engine::IsBackoff(branch.phase);
}

// The timer that is due first.
const engine::ArmTimer* FirstTimer(const std::vector<engine::Effect>& effects) {
  const engine::ArmTimer* first = nullptr;
  for (const engine::Effect& effect : effects) {
    const auto* timer = std::get_if<engine::ArmTimer>(&effect);
    if (timer != nullptr && (first == nullptr || timer->at < first->at)) {
      first = timer;
    }
  }
  return first;
}

Move TimerMove(const engine::ArmTimer& timer) {
  return {Move::Kind::kTimer, timer.branch.value_or(BranchId())};
}

std::vector<Held>::iterator PlaceOf(std::vector<Held>& world, const BranchId& branch,
                                    uint32_t alternative) {
  return std::lower_bound(world.begin(), world.end(), std::pair(branch.str(), alternative),
                          [](const Held& held, const auto& wanted) {
                            return std::pair(held.branch.str(), held.alternative) < wanted;
                          });
}

}  // namespace

const Held* FindHeld(const Node& node, const BranchId& branch, uint32_t alternative) {
  for (const Held& held : node.world) {
    if (held.branch == branch && held.alternative == alternative) {
      return &held;
    }
  }
  return nullptr;
}

size_t FaultsOf(const Move& move) {
  switch (move.kind) {
    case Move::Kind::kSubmit:
    case Move::Kind::kDone:
    case Move::Kind::kRefused:
    case Move::Kind::kNotFound:
    case Move::Kind::kSignal:
    case Move::Kind::kNobody:
    case Move::Kind::kDecided:
    case Move::Kind::kTimer: return 0;
    case Move::Kind::kRefusedThoughDone:
    case Move::Kind::kDoneThoughNot:
    case Move::Kind::kLost:
    case Move::Kind::kLostBefore:
    case Move::Kind::kSilent:
    case Move::Kind::kSilentBefore:
    case Move::Kind::kUnreached:
    case Move::Kind::kLate:
    case Move::Kind::kNever:
    case Move::Kind::kStopped:
    case Move::Kind::kStoppedBefore:
    case Move::Kind::kDeadline:
    case Move::Kind::kCancelled: return 1;
  }
  return 1;
}

const dsl::Step& Rules::StepOf(const BranchId& branch) const {
  const std::string_view id = engine::ParseBranchName(branch).step;
  return *std::find_if(plan_.steps.begin(), plan_.steps.end(),
                       [id](const dsl::Step& step) { return step.id == id; });
}

bool Rules::HasBarrier(std::optional<size_t> participant) const {
  return !participant ||
         (!options_.without_barrier.contains("*") &&
          !options_.without_barrier.contains(plan_.participants[*participant].name));
}

std::vector<engine::Effect> Rules::CallsOf(const Node& node) const {
  std::vector<engine::Effect> calls = engine::Outstanding(plan_, node.state);
  std::erase_if(calls, [](const engine::Effect& one) { return CommandOf(one) == nullptr; });
  return calls;
}

std::vector<Move> Rules::MovesOf(const Node& node, bool& thinned) const {
  std::vector<Move> moves;
  if (node.state.revision == Sequence()) {
    for (size_t input = 0; input < values_.inputs.size(); ++input) {
      moves.push_back({Move::Kind::kSubmit, {}, Role::kForward, 0, input});
    }
    return moves;
  }
  if (node.state.finished() || node.abandoned) {
    return moves;
  }
  const std::vector<engine::Effect> effects = engine::Outstanding(plan_, node.state);
  if (const engine::ArmTimer* timer = FirstTimer(effects);
      timer != nullptr && timer->at <= node.now) {
    return {TimerMove(*timer)};
  }
  const auto calls = static_cast<size_t>(
      std::count_if(effects.begin(), effects.end(),
                    [](const engine::Effect& one) { return CommandOf(one) != nullptr; }));
  const bool in_any_order = calls <= kMaxInAnyOrder;
  thinned = thinned || !in_any_order;
  bool first = true;
  for (const engine::Effect& effect : effects) {
    if (CommandOf(effect) != nullptr) {
      AddCallMoves(node, effect, first, in_any_order, moves);
      first = false;
    }
  }
  if (calls > 0) {
    moves.push_back({Move::Kind::kStoppedBefore});
    moves.push_back({Move::Kind::kStopped});
  } else {
    AddQuietMoves(node, moves);
    if (const engine::ArmTimer* timer = FirstTimer(effects)) {
      moves.push_back(TimerMove(*timer));
    } else if (!moves.empty()) {
      moves.push_back({Move::Kind::kNobody});
    }
    if (IsPersonAsked(node)) {
      moves.push_back({Move::Kind::kDecided});
    }
  }
  if (node.state.status == TxnStatus::kActive && !moves.empty()) {
    const bool deadline = node.state.deadline && !node.state.deadline_missed;
    moves.push_back({deadline ? Move::Kind::kDeadline : Move::Kind::kCancelled});
  }
  return moves;
}

// A person may retry as well, which leads to what was walked already, or to nothing else.
bool Rules::IsPersonAsked(const Node& node) const {
  const auto asks = [this](const BranchState& branch) {
    return branch.phase == BranchPhase::kForwardStuck && StepOf(branch.id).asks_operator;
  };
  return node.state.status == TxnStatus::kActive &&
         std::any_of(node.state.steps.begin(), node.state.steps.end(), [&](const auto& step) {
           return std::any_of(step.branches.begin(), step.branches.end(), asks);
         });
}

// With nothing out: what comes by itself.
void Rules::AddQuietMoves(const Node& node, std::vector<Move>& moves) const {
  if (node.state.status == TxnStatus::kAborting) {
    return;
  }
  for (const engine::StepState& step : node.state.steps) {
    for (const BranchState& branch : step.branches) {
      if (branch.phase == BranchPhase::kWaiting && !branch.signal.empty()) {
        AddOutputs(node, {Move::Kind::kSignal, branch.id}, moves);
      }
    }
  }
}

void Rules::AddOutputs(const Node& /*node*/, Move base, std::vector<Move>& moves) const {
  const auto outputs = values_.outputs.find(StepOf(base.branch).id);
  const size_t count = outputs == values_.outputs.end() ? 1 : outputs->second.size();
  for (size_t value = 0; value < count; ++value) {
    base.value = value;
    moves.push_back(base);
  }
}

void Rules::AddCallMoves(const Node& node, const engine::Effect& effect, bool first,
                         bool in_any_order, std::vector<Move>& moves) const {
  const engine::CommandId& command = *CommandOf(effect);
  Move base{Move::Kind::kDone, command.branch, command.role, command.alternative};
  const bool forward = command.role == Role::kForward;
  if (!first && !in_any_order) {
    if (forward && node.state.status == TxnStatus::kActive) {
      AddRefusals(base, moves);
    }
    return;
  }
  if (const auto* call = std::get_if<CallBranch>(&effect)) {
    forward ? AddForwardMoves(node, *call, base, moves)
            : AddSettlingMoves(node, *call, base, moves);
    return;
  }
  // A child transaction: it ends one way or the other, and asking again finds it.
  if (forward) {
    AddOutputs(node, base, moves);
    if (node.state.status != TxnStatus::kCommitting) {
      AddRefusals(base, moves);
      return;
    }
  } else {
    moves.push_back(base);
  }
  base.kind = Move::Kind::kNever;
  moves.push_back(base);
}

void Rules::AddRefusals(const Move& base, std::vector<Move>& moves) const {
  const auto& work = std::get<dsl::CallWork>(StepOf(base.branch).work);
  Move refused = base;
  refused.kind = Move::Kind::kRefused;
  for (refused.value = 0; refused.value <= RefusalsOf(plan_, work, base.alternative).codes.size();
       ++refused.value) {
    moves.push_back(refused);
  }
}

std::string Rules::CodeOf(const Move& refused) const {
  const auto* work = std::get_if<dsl::CallWork>(&StepOf(refused.branch).work);
  if (work == nullptr || refused.role != Role::kForward) {
    return "";
  }
  const Refusals refusals = RefusalsOf(plan_, *work, refused.alternative);
  const bool leads_on =
      refused.kind == Move::Kind::kRefused && refused.value < refusals.codes.size();
  return leads_on ? refusals.codes[refused.value] : refusals.other;
}

void Rules::AddForwardMoves(const Node& node, const CallBranch& call, const Move& base,
                            std::vector<Move>& moves) const {
  const auto add = [&](Move::Kind kind) {
    moves.push_back(base);
    moves.back().kind = kind;
  };
  const dsl::Participant& participant = plan_.participants[call.participant];
  const auto& work = std::get<dsl::CallWork>(StepOf(base.branch).work);
  const Held* held = FindHeld(node, base.branch, base.alternative);
  const bool done = held != nullptr && held->effect == Effect::kStands;
  AddOutputs(node, base, moves);
  const dsl::Step& step = StepOf(base.branch);
  const bool decided =
      node.state.status == TxnStatus::kCommitting || step.stage != dsl::Stage::kMain;
  if (decided && !step.optional) {
    const bool says_it_may =
        !call.answers->fail_on.empty() || !call.answers->fail_codes.empty() ||
        work.NextAfter(base.alternative, RefusalsOf(plan_, work, base.alternative).other);
    const size_t before = moves.size();
    if (!done) {
      AddRefusals(base, moves);
    }
    if (!done && !says_it_may) {
      moves.pop_back();  // That one which leads to no alternative is not promised.
    }
    if (!says_it_may || moves.size() == before) {
      add(Move::Kind::kNever);
    }
    add(Move::Kind::kLost);
    return;
  }
  if (!done) {
    AddRefusals(base, moves);
    add(Move::Kind::kLostBefore);
    add(Move::Kind::kSilentBefore);
    if (work.NextOnceUndone(base.alternative)) {
      add(Move::Kind::kUnreached);  // Else it goes on as a refusal does.
    }
    if (!HasBarrier(call.participant)) {
      add(Move::Kind::kLate);
    }
    if (UnprovenSuccess(participant, *call.answers)) {
      add(Move::Kind::kDoneThoughNot);
    }
  }
  add(Move::Kind::kLost);
  add(Move::Kind::kSilent);
  if (UnprovenRefusal(participant, *call.answers)) {
    add(Move::Kind::kRefusedThoughDone);
  }
}

void Rules::AddSettlingMoves(const Node& node, const CallBranch& call, const Move& base,
                             std::vector<Move>& moves) const {
  const auto add = [&](Move::Kind kind) {
    moves.push_back(base);
    moves.back().kind = kind;
  };
  const dsl::Participant& participant = plan_.participants[call.participant];
  const Held* held = FindHeld(node, base.branch, base.alternative);
  const bool nothing_there =
      base.role == Role::kUndo &&
      (held == nullptr || held->effect == Effect::kNone || held->effect == Effect::kLate);
  if (nothing_there && !HasBarrier(call.participant) &&
      !TakesNotFound(participant, *call.answers)) {
    add(Move::Kind::kNotFound);
    return;
  }
  add(Move::Kind::kDone);
  if (call.one_phase) {
    add(Move::Kind::kRefused);
  }
  add(Move::Kind::kLost);
  add(Move::Kind::kNever);
  if (UnprovenSuccess(participant, *call.answers)) {
    add(Move::Kind::kDoneThoughNot);
  }
}

// Carries one move out.
class Rules::Maker {
 public:
  Maker(const Rules& rules, const Node& node, const Move& move) : rules_(rules), move_(move) {
    turn_.node = node;
    turn_.node.faults += FaultsOf(move);
  }

  Turn Make() && {
    using Kind = Move::Kind;
    switch (move_.kind) {
      case Kind::kSubmit: Submit(); break;
      case Kind::kNobody: node().abandoned = true; break;
      case Kind::kTimer: FireTimer(); break;
      case Kind::kSignal: Signal(); break;
      case Kind::kDecided:
      case Kind::kCancelled: Feed(engine::AbortRequested{}); break;
      case Kind::kDeadline:
        node().now = std::max(node().now, *node().state.deadline);
        Feed(engine::TimerFired{std::nullopt});
        break;
      case Kind::kStopped:
      case Kind::kStoppedBefore: Stop(); break;
      default: Answer(); break;
    }
    return std::move(turn_);
  }

 private:
  Node& node() { return turn_.node; }

  void Feed(engine::Event event) {
    if (!turn_.status.ok()) {
      return;
    }
    engine::Decision decision =
        engine::Decide(rules_.plan_, node().state, {node().now, 0, std::move(event)});
    if (!decision.status.ok()) {
      // A cancel comes too late, or an input is refused at the door.
      turn_.possible = move_.kind != Move::Kind::kCancelled && move_.kind != Move::Kind::kSubmit;
      turn_.status = turn_.possible ? decision.status : Status();
      return;
    }
    for (engine::Record& record : decision.records) {
      turn_.status = engine::Evolve(node().state, record);
      if (!turn_.status.ok()) {
        return;
      }
      turn_.records.push_back(std::move(record));
    }
  }

  void Submit() {
    engine::Submitted submitted;
    submitted.gid = Gid("explore");
    submitted.input = rules_.values_.inputs[move_.value];
    Feed(std::move(submitted));
  }

  void FireTimer() {
    const std::vector<engine::Effect> effects = engine::Outstanding(rules_.plan_, node().state);
    const engine::ArmTimer* timer = FirstTimer(effects);
    node().now = std::max(node().now, timer->at);
    Feed(engine::TimerFired{timer->branch});
  }

  [[nodiscard]] const Json& Output() const {
    static const Json kEmpty = Json::object();
    const auto outputs = rules_.values_.outputs.find(rules_.StepOf(move_.branch).id);
    return outputs == rules_.values_.outputs.end() || move_.value >= outputs->second.size()
               ? kEmpty
               : outputs->second[move_.value];
  }

  void Signal() {
    const BranchState* branch = engine::FindBranch(node().state, move_.branch);
    Feed(engine::SignalSent{branch->signal, Output()});
  }

  void Stop() {
    for (const engine::Effect& effect : rules_.CallsOf(node())) {
      const engine::CommandId& command = *CommandOf(effect);
      const bool asks_child = std::holds_alternative<StartChild>(effect);
      if (move_.kind == Move::Kind::kStopped && !asks_child) {
        Happen(command, effect);
      }
    }
    node().now += std::chrono::seconds(1);
    Feed(engine::Recovered{});
  }

  // ---- calls ----

  Held& Entry(const engine::CommandId& command, const engine::Effect& effect) {
    auto place = PlaceOf(node().world, command.branch, command.alternative);
    if (place == node().world.end() || place->branch != command.branch ||
        place->alternative != command.alternative) {
      place = node().world.insert(place, Held{command.branch, command.alternative});
    }
    if (command.role == Role::kForward) {
      place->made = std::make_shared<const RequestFacts>(*ReadRequest(effect));
    }
    return *place;
  }

  // The participant does what it is asked for.
  void Happen(const engine::CommandId& command, const engine::Effect& effect) {
    const RequestFacts facts = *ReadRequest(effect);
    Held& held = Entry(command, effect);
    if (!facts.acts) {
      return;
    }
    switch (command.role) {
      case Role::kForward:
        if (held.effect == Effect::kStands) {
          turn_.promises.insert(2);
        } else {
          held.effect = Effect::kStands;
        }
        break;
      case Role::kFinish: held.effect = Effect::kFinal; break;
      case Role::kUndo: Undo(held); break;
    }
  }

  void Undo(Held& held) {
    switch (held.effect) {
      case Effect::kLate:
        // What was on its way comes right after it; another undo would take that back, too.
        held.effect = Effect::kStands;
        held.overtaken = true;
        break;
      case Effect::kNone: turn_.promises.insert(3); break;
      case Effect::kStands:
      case Effect::kFinal:
        held.effect = Effect::kNone;
        held.overtaken = false;
        break;
    }
  }

  [[nodiscard]] const BranchState& Branch() {
    return *engine::FindBranch(node().state, move_.branch);
  }

  void Reply(engine::Reply reply) {
    const BranchState& branch = Branch();
    Feed(engine::BranchReplied{move_.branch, move_.role, move_.alternative, branch.attempt,
                               std::move(reply)});
  }

  void Answer() {
    const std::vector<engine::Effect> calls = rules_.CallsOf(node());
    const auto found = std::find_if(calls.begin(), calls.end(), [&](const engine::Effect& one) {
      const engine::CommandId& command = *CommandOf(one);
      return command.branch == move_.branch && command.role == move_.role;
    });
    if (found == calls.end()) {
      turn_.status = InvalidArgument("explore.no_call", "the call is not out");
      return;
    }
    const engine::CommandId command = *CommandOf(*found);
    const auto* call = std::get_if<CallBranch>(&*found);
    timeout_ = call == nullptr ? Duration::zero() : call->timeout;
    if (call != nullptr) {
      turn_.participant = call->participant;
    }
    // What is asked of it may well be in doubt for good where nothing undoes it.
    const bool in_doubt = IsNoWayBack() && Branch().may_have_happened;
    const bool asked_before = Branch().attempt > 1;
    Entry(command, *found);
    switch (move_.kind) {
      case Move::Kind::kDone: Done(command, *found, call); break;
      case Move::Kind::kRefused:
        turn_.excused = in_doubt;
        Reply(engine::ReplyRefused{Refused(call, rules_.CodeOf(move_))});
        break;
      case Move::Kind::kRefusedThoughDone:
        Happen(command, *found);
        Reply(engine::ReplyRefused{Refused(call, "")});
        break;
      case Move::Kind::kDoneThoughNot: Reply(engine::ReplyDone{Output()}); break;
      case Move::Kind::kLost:
        if (command.role != Role::kForward) {
          turn_.promises.insert(4);
        }
        Happen(command, *found);
        Lose(asked_before);
        break;
      case Move::Kind::kLostBefore: Lose(asked_before); break;
      case Move::Kind::kSilent:
        Happen(command, *found);
        StaySilent();
        break;
      case Move::Kind::kLate:
        Entry(command, *found).effect = Effect::kLate;
        StaySilent();
        break;
      case Move::Kind::kSilentBefore: StaySilent(); break;
      case Move::Kind::kUnreached:
        KeepAnswering([this] {
          Reply(engine::ReplyNotSent{{"connect.refused", "explored"}, std::nullopt});
        });
        break;
      case Move::Kind::kNever:
        turn_.excused = true;
        RefuseForGood(call, rules_.CodeOf(move_));
        break;
      default: RefuseForGood(call, "http.404"); break;
    }
  }

  [[nodiscard]] bool IsNoWayBack() {
    const BranchState& branch = Branch();
    const dsl::Step& step = rules_.StepOf(move_.branch);
    const auto& work = std::get<dsl::CallWork>(step.work);
    return move_.role != Role::kForward || node().state.status == TxnStatus::kCommitting ||
           step.stage != dsl::Stage::kMain || (step.pivot && !work.way(branch.alternative).undo);
  }

  void Done(const engine::CommandId& command, const engine::Effect& effect,
            const CallBranch* call) {
    const Effect before = Entry(command, effect).effect;
    Happen(command, effect);
    const bool forward = command.role == Role::kForward;
    engine::ReplyDone reply{forward ? Output() : Json(Json::object())};
    if (const Json answer = call == nullptr ? Json() : AnswerOf(*call->answers);
        forward && !answer.empty()) {
      reply.answer = answer;
    }
    Reply(std::move(reply));
    // A service whose answer never is what is waited for stays away as one that never answers.
    turn_.excused = turn_.excused || RanOutOfRounds();
    // A success that says of itself that it is none, and that nothing was done.
    const auto* work = std::get_if<dsl::CallWork>(&rules_.StepOf(move_.branch).work);
    if (!forward || call == nullptr || work == nullptr) {
      return;
    }
    const auto& operation = work->way(command.alternative).forward;
    const auto* asked = operation ? std::get_if<dsl::CallTemplate>(&*operation) : nullptr;
    const bool by_content = asked != nullptr && asked->refuse && !asked->refuse->effect_kept;
    const bool refused =
        std::any_of(turn_.records.begin(), turn_.records.end(), [](const engine::Record& one) {
          return std::holds_alternative<engine::OperationRefused>(one.body);
        });
    if (by_content && refused) {
      Entry(command, effect).effect = before;
    }
  }

  [[nodiscard]] bool RanOutOfRounds() const {
    return std::any_of(turn_.records.begin(), turn_.records.end(), [](const engine::Record& one) {
      const auto* raised = std::get_if<engine::IncidentRaised>(&one.body);
      return raised != nullptr && raised->failure.code == "repeat.never";
    });
  }

  [[nodiscard]] static engine::Failure Refused(const CallBranch* call, std::string code) {
    if (code.empty()) {
      const bool http =
          call == nullptr || std::holds_alternative<engine::RenderedHttp>(call->request);
      code = http ? "http.409" : "grpc.FAILED_PRECONDITION";
    }
    return {std::move(code), "explored"};
  }

  void Lose(bool asked_before) {
    turn_.excused = asked_before && IsNoWayBack();
    node().now += timeout_;
    Reply(engine::ReplyUnknown{{"timeout", "explored"}, std::nullopt});
  }

  void StaySilent() {
    turn_.excused = IsNoWayBack();
    KeepAnswering([this] {
      node().now += timeout_;
      Reply(engine::ReplyUnknown{{"timeout", "explored"}, std::nullopt});
    });
  }

  void RefuseForGood(const CallBranch* call, const std::string& code) {
    KeepAnswering([&] { Reply(engine::ReplyRefused{Refused(call, code)}); });
  }

  // The same answer to each attempt, until there is no more.
  template <class Once>
  void KeepAnswering(const Once& once) {
    for (size_t i = 0; i < kMaxAttempts && turn_.status.ok(); ++i) {
      const BranchState& branch = Branch();
      if (!IsUnsettled(branch) || engine::RoleOf(branch.phase) != move_.role ||
          branch.alternative != move_.alternative) {
        return;
      }
      if (engine::IsCalling(branch.phase)) {
        once();
      } else {
        node().now = std::max(node().now, *branch.wake_at);
        Feed(engine::TimerFired{move_.branch});
      }
    }
  }

  const Rules& rules_;
  const Move& move_;
  Turn turn_;
  Duration timeout_{};
};

Turn Rules::Make(const Node& node, const Move& move) const {
  return Maker(*this, node, move).Make();
}

}  // namespace entente::explore
