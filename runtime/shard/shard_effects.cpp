// Shard: effects, timers, recovery.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "engine/bounded.h"
#include "engine/state_lookup.h"
#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

// What says something of the transaction that could not be read, and nothing of the store: its
// definition does not compile, or a record of it was encrypted and can not be opened.
bool IsOfOneAlone(const Status& status) {
  return status.reason() == "store.bad_definition" || status.reason() == "journal.encrypted_record";
}

engine::BranchReplied ReplyTo(const engine::CommandId& command, uint32_t attempt,
                              engine::Reply reply) {
  return {command.branch, command.role, command.alternative, attempt, std::move(reply)};
}

engine::Reply NotSentWhileStopping() {
  return engine::ReplyNotSent{NotMadeWhileStopping(), std::nullopt, /*blocked=*/true,
                              /*stopping=*/true};
}

// The call never left this program: it was none.
bool WasHeldBack(const engine::Reply& reply) {
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply);
  return not_sent != nullptr && not_sent->blocked && !not_sent->retry_after;
}

// Being called, or to be called again.
bool IsWanted(const engine::TxnState& state, const BranchId& branch, engine::Role role) {
  using engine::BranchPhase;
  const engine::BranchState* found = engine::FindBranch(state, branch);
  if (found == nullptr || state.paused || engine::RoleOf(found->phase) != role) {
    return false;
  }
  // What aborts, has lost its race or has ended begins nothing any more.
  if (state.finished() || (role == engine::Role::kForward && engine::IsCalledOff(state, branch))) {
    return false;
  }
  switch (found->phase) {
    case BranchPhase::kForward:
    case BranchPhase::kForwardBackoff:
    case BranchPhase::kUndo:
    case BranchPhase::kUndoBackoff:
    case BranchPhase::kFinish:
    case BranchPhase::kFinishBackoff: return true;
    default: return false;
  }
}

}  // namespace

engine::Failure NotMadeWhileStopping() {
  return {"coordinator.stopping", "the coordinator was stopped before the call was made"};
}

void Shard::CarryOut(const TxnPtr& txn, std::vector<engine::Effect> effects) {
  for (engine::Effect& effect : effects) {
    std::visit([this, &txn](auto& one) { CarryOut(txn, one); }, effect);
  }
}

CallContext Shard::ContextOf(const Txn& txn) const {
  return {txn.plan, txn.state->traceparent, lease_->epoch(), options_.coordinator_id, lease_};
}

// Whether a call may leave. A turn that takes long may outlast the lease it began under. Then the
// shard is lost, also if the lease is renewed before the task that says so has its turn: otherwise
// the transaction would wait for a call that nobody makes.
bool Shard::MayCall() {
  if (HoldsNow()) {
    return true;
  }
  host_.Post([weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && !self->dropped_) {
      self->Lose(LeaseEnded(self->lease_->shard()));
    }
  });
  return false;
}

void Shard::CarryOut(const TxnPtr& txn, engine::CallBranch& call) {
  if (!MayCall()) {
    return;
  }
  calls_in_flight_.Increment();
  if (draining_) {
    // The journal says that it may be out. That it never left has to be written down too: whoever
    // recovers it would take it for a call that may have happened.
    host_.Post(InTurn([this, gid = call.command.gid,
                       replied = ReplyTo(call.command, call.attempt, NotSentWhileStopping())] {
      OnReply(gid, replied);
    }));
    return;
  }
  counters_.calls_asked.fetch_add(1, std::memory_order_relaxed);
  const CallContext context = ContextOf(*txn);
  const auto command = std::make_shared<const engine::CommandId>(call.command);
  const uint32_t attempt = call.attempt;
  try {
    caller_.Call(context, std::move(call), InTurn([this, command, attempt](engine::Reply reply) {
                   if (!WasHeldBack(reply)) {
                     counters_.calls.fetch_add(1, std::memory_order_relaxed);
                   }
                   OnReply(command->gid, ReplyTo(*command, attempt, std::move(reply)));
                 }));
  } catch (...) {
    calls_in_flight_.Decrement();  // No reply will come.
    throw;
  }
}

void Shard::CarryOut(const TxnPtr& txn, engine::PollBranch& poll) {
  if (draining_ || !MayCall()) {
    return;
  }
  calls_in_flight_.Increment();
  const CallContext context = ContextOf(*txn);
  const auto command = std::make_shared<const engine::CommandId>(poll.command);
  const uint32_t attempt = poll.attempt;
  try {
    caller_.Poll(context, std::move(poll), InTurn([this, command, attempt](engine::Reply reply) {
                   OnReply(command->gid, ReplyTo(*command, attempt, std::move(reply)));
                 }));
  } catch (...) {
    calls_in_flight_.Decrement();
    throw;
  }
}

void Shard::OnReply(const Gid& gid, engine::BranchReplied replied) {
  calls_in_flight_.Decrement();
  if (!WasHeldBack(replied.reply) && !std::holds_alternative<engine::ReplyDone>(replied.reply) &&
      !std::holds_alternative<engine::ReplyPending>(replied.reply)) {
    counters_.calls_failed.fetch_add(1, std::memory_order_relaxed);
  }
  if (const auto found = open_.find(gid); found != open_.end()) {
    const TxnPtr txn = found->second;
    const BranchId branch = replied.branch;
    const engine::Role role = replied.role;
    const bool held_back = WasHeldBack(replied.reply);
    Take(txn, std::move(replied), {});
    if (held_back || !txn->blocked.empty()) {
      NoteBlocked(*txn, branch, role,
                  held_back && !txn->abandoned && IsWanted(*txn->state, branch, role));
    }
  }
  CheckDrained();
}

void Shard::CarryOut(const TxnPtr& txn, engine::ArmTimer& arm) {
  if (!open_.contains(txn->state->gid)) {
    return;
  }
  const auto same = std::find_if(txn->timers.begin(), txn->timers.end(),
                                 [&arm](const auto& timer) { return timer.first == arm.branch; });
  const DueTimers::Handle handle = due_.Insert(arm.at, TxnTimer{txn, arm.branch});
  if (same != txn->timers.end()) {
    due_.Remove(same->second);
    same->second = handle;
  } else {
    txn->timers.emplace_back(arm.branch, handle);
  }
  UpdateWake();
}

void Shard::CarryOut(const TxnPtr& txn, engine::NotifyEnded& /*ended*/) {
  const engine::TxnState& state = *txn->state;
  RemoveTimers(*txn);
  CountIncident(*txn);
  // A TCC or two-phase commit is told to have ended as soon as its durable decision was carried
  // out; its last records may still be on their way. Until they arrive it stays here: whoever asks
  // must not be shown what the journal holds.
  WhenWritten(txn, [this, txn, heard_at = host_.Now()](const Status& status) {
    if (!status.ok()) {
      return;  // It is read back, and ends again.
    }
    open_.erase(txn->state->gid);
    CountOpen();
    CountEnded(*txn, heard_at);
  });
  blemishes_.erase(state.gid);
  for (Waiter& waiter : std::exchange(txn->waiters, {})) {
    timers_.Remove(waiter.timeout);
    waiter.done(View(*txn));
  }
  if (state.parent && txn->parent_call) {
    ReplyToParent(state.parent->gid, *txn->parent_call, engine::AnswerOf(state, *txn->parent_call));
  }
  TellHeldChildren(*txn);
}

// `heard_at`: when those who wait for the end were told.
void Shard::CountEnded(const Txn& txn, Instant heard_at) {
  const engine::TxnState& state = *txn.state;
  auto& ended = state.status == engine::TxnStatus::kCommitted ? counters_.committed
                : state.status == engine::TxnStatus::kAborted ? counters_.aborted
                                                              : counters_.mixed;
  ended.fetch_add(1, std::memory_order_relaxed);
  if (options_.recorder != nullptr) {
    options_.recorder
        ->Find(observe::Family::kTransaction,
               state.client_driven ? observe::kClientDriven : std::string_view(state.definition),
               engine::TxnStatusName(state.status))
        .Record(observe::Micros(heard_at - state.accepted_at),
                {state.gid, state.traceparent, heard_at});
  }
}

void Shard::RemoveTimers(Txn& txn) {
  for (const auto& [branch, handle] : txn.timers) {
    due_.Remove(handle);
  }
  txn.timers.clear();
  ForgetBlocked(txn, /*all=*/true);
  UpdateWake();
}

void Shard::CountIncident(Txn& txn, bool forgotten) {
  const bool incident = !forgotten && txn.state->has_incident();
  if (incident != txn.incident) {
    txn.incident = incident;
    open_incidents_.Set(open_incidents_.value() + (incident ? 1 : uint64_t(-1)));
  }
}

// Its gate held the call back, or let it go.
void Shard::NoteBlocked(Txn& txn, const BranchId& branch, engine::Role role, bool blocked) {
  const auto known = std::find_if(
      txn.blocked.begin(), txn.blocked.end(),
      [&](const Txn::Blocked& one) { return one.branch == branch && one.role == role; });
  if (blocked == (known != txn.blocked.end())) {
    return;
  }
  if (blocked) {
    txn.blocked.push_back(
        {branch, role, std::make_unique<Earliest::Entry>(counters_.blocked_since, host_.Now())});
    blocked_count_.Increment();
  } else {
    txn.blocked.erase(known);
    blocked_count_.Decrement();
  }
}

// Those that are not called any more, be it that the transaction was paused, aborts or has left.
void Shard::ForgetBlocked(Txn& txn, bool all) {
  const size_t gone = std::erase_if(txn.blocked, [&](const Txn::Blocked& one) {
    return all || !IsWanted(*txn.state, one.branch, one.role);
  });
  blocked_count_.Set(blocked_count_.value() - gone);
}

void Shard::UpdateWake() {
  std::optional<Instant> due = due_.Next();
  if (const auto parked = NextParkedDue()) {
    due = std::min(due.value_or(*parked), *parked);
  }
  const std::optional<Instant> own = timers_.Next();
  if (due != (next_due_ ? std::optional(next_due_->at()) : std::nullopt)) {
    next_due_.reset();
    if (due) {
      next_due_.emplace(counters_.next_due, *due);
    }
  }
  std::optional<Instant> next = due && own ? std::min(due, own) : due ? due : own;
  if (next && wake_not_before_) {
    // What was left for the next turn is behind what other shards are due to do now.
    next = std::max(*next, *wake_not_before_);
  }
  if (next != wake_wish_) {
    wake_wish_ = next;
    keeper_.WakeAt(lease_->shard(), next);
  }
}

// After an outage or a restart, hundreds of thousands of transactions may be due at one instant. A
// few at a time are driven, and what has come in meanwhile has its turn in between: new submits do
// not wait for all that is due, and no more of it is made into calls than is taken off again.
void Shard::OnWake(size_t slice) {
  wake_wish_.reset();
  wake_not_before_.reset();
  const Instant now = host_.Now();
  while (const auto own = timers_.PopDue(now)) {
    OnTimer(*own);
  }
  for (size_t i = 0; i < slice; ++i) {
    auto due = due_.PopDue(now);
    if (!due) {
      break;
    }
    const TxnPtr txn = std::move(due->txn);
    std::erase_if(txn->timers, [&due](const auto& t) { return t.first == due->branch; });
    // What is due while the coordinator stops is due when it is back.
    if (!draining_) {
      Take(txn, engine::TimerFired{std::move(due->branch)}, {});
    }
  }
  UnparkDue(now, slice);
  wake_not_before_ = now;
  UpdateWake();
}

void Shard::OnTimer(const OwnTimer& timer) {
  if (const auto* waiting = std::get_if<WaiterTimer>(&timer)) {
    std::optional<Waiter> waiter = TakeWaiter(*waiting->txn, waiting->waiter);
    ENTENTE_CHECK(waiter.has_value());
    ShowWhenDurable(waiting->txn, std::move(waiter->done));
  } else if (const auto* reload = std::get_if<ReloadTimer>(&timer)) {
    Reload(reload->gid);
  } else if (const auto* follow = std::get_if<FollowTimer>(&timer)) {
    const auto found = open_.find(follow->child);
    if (found != open_.end() && found->second->follow_at == follow->at) {
      const TxnPtr child = found->second;
      Guarded(child->state->gid, child, [&] { FollowParent(child); });
    }
  } else if (std::holds_alternative<RoomTimer>(timer)) {
    LookForRoom();
  } else if (std::holds_alternative<ParkTimer>(timer)) {
    ParkSlice();
  } else {
    lazy_flush_timer_.reset();
    FlushSoon();
  }
}

// Any thread. Never throws: what the records hold may be too much for this machine, or for us.
Result<Shard::TxnPtr> Shard::Rebuild(const storage::StoredTxn& stored) {
  const marks::WorkScope scope(stored.gid.str());
  if (options_.crash_marks != nullptr && options_.crash_marks->IsCondemned(stored.gid.str())) {
    return InQuarantine(stored.gid);
  }
  try {
    auto txn = std::make_shared<Txn>();
    ENTENTE_ASSIGN_OR_RETURN(*txn->state, FoldRecords(stored));
    if (options_.memory != nullptr && !txn->state->finished()) {
      txn->charge.TakeFrom(*options_.memory);
      txn->charge.Set(MemoryCharge::kTransactionBytes + txn->state->payload_bytes);
    }
    ENTENTE_ASSIGN_OR_RETURN(txn->plan,
                             txn->state->client_driven
                                 ? ClientDrivenPlanOf(*txn->state)
                                 : definitions_.Get(txn->state->definition, txn->state->version));
    txn->saved = txn->state->revision;
    txn->created = true;
    return txn;
  } catch (...) {
    return DescribeException();
  }
}

// Carries on with a transaction that was just read back. Calls that were out may have happened.
void Shard::Resume(const TxnPtr& txn) {
  open_.emplace(txn->state->gid, txn);
  CountOpen();
  ParkLater();
  Guarded(txn->state->gid, txn, [&] {
    if (txn->state->finished()) {
      // It was held back while its last records were written. Nobody was told.
      engine::NotifyEnded ended;
      CarryOut(txn, ended);
      return;
    }
    engine::Input input = MakeInput(engine::Recovered{});
    if (auto decision =
            engine::DecideWithin(options_.most_at_once, *txn->plan, *txn->state, input)) {
      GoOn(txn, std::move(*decision));
    } else {
      DecideElsewhere(txn, std::move(input), {},
                      [this, txn](engine::Decision made, const auto& /*reply*/) {
                        GoOn(txn, std::move(made));
                      });
    }
  });
}

// `decision` is that of Recovered.
void Shard::GoOn(const TxnPtr& txn, engine::Decision decision) {
  ENTENTE_CHECK(decision.status.ok());
  // The same calls are among the outstanding ones below.
  decision.effects.clear();
  bool tells = false;
  for (const engine::Record& one : decision.records) {
    if (std::holds_alternative<engine::Ended>(one.body)) {
      decision.effects.emplace_back(engine::NotifyEnded{});
      tells = true;
    } else if (std::holds_alternative<engine::Held>(one.body)) {
      decision.effects.emplace_back(engine::NotifyHeld{});
      tells = true;
    }
  }
  const bool was_held = txn->state->awaits_parent();
  Apply(txn, std::move(decision), {}, /*riding=*/!tells);
  CountIncident(*txn);
  if (was_held) {
    FollowParent(txn);
  }
  // As of now: what comes in before this is durable has effects of its own.
  if (auto effects = engine::OutstandingWithin(options_.most_at_once, *txn->plan, *txn->state)) {
    CarryOutInTurn(txn, std::move(*effects));
    return;
  }
  const auto effects = std::make_shared<std::vector<engine::Effect>>();
  Ponder(
      txn,
      [effects](const dsl::Plan& plan, const engine::TxnState& state) {
        *effects = engine::Outstanding(plan, state);
      },
      [this, txn, effects] { CarryOutInTurn(txn, std::move(*effects)); }, {});
}

Status Shard::ReadOpen(const std::function<bool()>& go_on) {
  const auto read = [this, &go_on](storage::StoredTxn stored) -> Status {
    if (dropped_ || !go_on()) {
      return Unavailable("coordinator.draining", "stopped while it read its transactions");
    }
    return TakeRead(std::move(stored));
  };
  ENTENTE_RETURN_IF_ERROR(journal_.LoadOpen(lease_->shard(), read));
  // Children first, so that their parents find them and nobody starts one twice.
  std::stable_sort(recovery_.rebuilt.begin(), recovery_.rebuilt.end(),
                   [](const TxnPtr& a, const TxnPtr& b) {
                     return ChildDepth(a->state->gid) > ChildDepth(b->state->gid);
                   });
  return {};
}

Status Shard::TakeRead(storage::StoredTxn stored) {
  counters_.recovered.fetch_add(1, std::memory_order_relaxed);
  if (WhyNotToDrive(stored)) {
    recovery_.held.push_back(std::move(stored));
    return {};
  }
  if (options_.memory != nullptr && !options_.memory->HasRoomFor(MemoryCharge::kTransactionBytes)) {
    recovery_.left_out.push_back(std::move(stored.gid));
    return {};
  }
  auto txn = Rebuild(stored);
  if (txn.ok()) {
    if (auto resting = StaysParked(**txn)) {
      recovery_.resting.push_back(std::move(*resting));
    } else {
      recovery_.rebuilt.push_back(std::move(*txn));
    }
  } else if (txn.status().reason() == kOutOfMemory) {
    recovery_.left_out.push_back(std::move(stored.gid));
  } else if (IsOurDefect(txn.status()) || IsOfOneAlone(txn.status())) {
    recovery_.held.push_back(std::move(stored));
  } else {
    return txn.status();
  }
  return {};
}

void Shard::ResumeOpen(std::function<void()> resumed) {
  recovery_.resumed = std::move(resumed);
  open_.reserve(recovery_.rebuilt.size());
  for (storage::StoredTxn& stored : std::exchange(recovery_.held, {})) {
    TakeBack(std::move(stored));
    if (dropped_) {
      return;
    }
  }
  for (const Gid& gid : recovery_.left_out) {
    reloading_.try_emplace(gid);
  }
  left_out_.assign(std::make_move_iterator(recovery_.left_out.begin()),
                   std::make_move_iterator(recovery_.left_out.end()));
  ParkRead();
  LookForRoom();
  ResumeSlice();
}

void Shard::ResumeSlice() {
  constexpr size_t kSlice = 256;
  std::vector<TxnPtr>& rebuilt = recovery_.rebuilt;
  for (size_t i = 0; i < kSlice && recovery_.next < rebuilt.size() && !draining_; ++i) {
    Resume(std::exchange(rebuilt[recovery_.next++], nullptr));
  }
  if (recovery_.next < rebuilt.size() && !draining_) {
    host_.Post(InTurn([this] { ResumeSlice(); }));
    return;
  }
  recovering_ = false;
  const auto resumed = std::move(recovery_.resumed);
  const std::vector<TxnPtr> held = std::move(recovery_.held_children);
  recovery_ = {};
  for (const TxnPtr& child : held) {
    Guarded(child->state->gid, child, [&] { FollowParent(child); });
  }
  resumed();
}

// Reads back those that were left out, one after the other, as far as there is room by now: how
// much one takes is known when it is there.
void Shard::LookForRoom() {
  waiting_for_memory_.Set(left_out_.size());
  if (left_out_.empty() || draining_) {
    return;
  }
  std::shared_ptr<MemoryBudget::Turn> turn;
  if (options_.memory != nullptr) {
    turn = options_.memory->TryTakeTurn();
    if (turn == nullptr || !options_.memory->HasRoomFor(MemoryCharge::kTransactionBytes)) {
      timers_.Insert(host_.Now() + options_.reload_delay, RoomTimer{});
      UpdateWake();
      return;
    }
  }
  const Gid gid = std::move(left_out_.front());
  left_out_.pop_front();
  LoadThen(gid, {}, [this, gid, turn](Result<storage::StoredTxn> stored) {
    OnReloaded(gid, std::move(stored));
    if (turn != nullptr) {
      turn->End();
    }
    if (!dropped_) {
      LookForRoom();
    }
  });
}

void Shard::ReadBackLater(const Gid& gid, Duration delay) {
  timers_.Insert(host_.Now() + delay, ReloadTimer{gid});
  UpdateWake();
}

void Shard::Reload(const Gid& gid) {
  // What is being written has to be among what is read.
  if (const auto found = reloading_.find(gid);
      found != reloading_.end() && found->second.in_batch > durable_batch_) {
    ReadBackLater(gid, options_.reload_delay);
    return;
  }
  LoadThen(gid, {},
           [this, gid](Result<storage::StoredTxn> stored) { OnReloaded(gid, std::move(stored)); });
}

void Shard::OnReloaded(const Gid& gid, Result<storage::StoredTxn> stored) {
  if (stored.ok()) {
    TakeBack(std::move(*stored));
  } else if (stored.status().code() == StatusCode::kUnavailable) {
    for (const auto& asker : std::exchange(reloading_[gid].askers, {})) {
      asker(stored.status());
    }
    ReadBackLater(gid, options_.reload_delay);
  } else if (stored.status().code() == StatusCode::kNotFound) {
    // It failed before its accept was written, and that failed as well.
    const Absent absent = TakeAbsent(gid);
    for (const Waiter& waiter : absent.waiters) {
      waiter.done(stored.status());
    }
    for (const auto& asker : absent.askers) {
      asker(stored.status());
    }
    TellParentOf(gid);
  } else {
    Lose(stored.status());
  }
}

// Goes on with an open transaction that is not in memory, or says why that can not be.
void Shard::TakeBack(storage::StoredTxn stored) {
  const Gid gid = stored.gid;
  if (auto why = WhyNotToDrive(stored)) {
    Quarantine(std::move(stored), std::move(*why));
    return;
  }
  auto txn = Rebuild(stored);
  if (!txn.ok()) {
    const Status& status = txn.status();
    if (IsOurDefect(status)) {
      const auto askers = std::exchange(reloading_[gid].askers, {});
      HoldBack(gid, nullptr, status);
      for (const auto& asker : askers) {
        asker(HeldBack(gid));
      }
    } else if (IsOfOneAlone(status)) {
      Quarantine(std::move(stored), {status.reason(), status.message()});
    } else {
      Lose(status);
    }
    return;
  }
  Absent absent = TakeAbsent(gid);
  const TxnPtr back = std::move(txn).value();
  Resume(back);
  for (Waiter& waiter : absent.waiters) {
    if (back->state->finished()) {
      waiter.done(View(*back));
      continue;
    }
    AddWaiter(back, {std::max(waiter.until - host_.Now(), Duration(0)), std::move(waiter.hangup)},
              std::move(waiter.done));
  }
  for (const auto& asker : absent.askers) {
    asker(Status());
  }
  TellParentOf(gid);
}

// It is not away any more.
Shard::Absent Shard::TakeAbsent(const Gid& gid) {
  auto found = reloading_.extract(gid);
  return found.empty() ? Absent() : std::move(found.mapped());
}

}  // namespace entente::runtime
