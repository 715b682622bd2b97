// Shard: effects, timers, recovery.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "coordinator/runtime/shard.h"
#include "coordinator/runtime/shard_txn.h"

namespace entente::runtime {
namespace {

// Depth of a transaction in its family: 0 for one that a caller submitted.
size_t ChildDepth(const Gid& gid) {
  return static_cast<size_t>(std::count(gid.str().begin(), gid.str().end(), '~'));
}

engine::BranchReplied ReplyTo(const engine::CommandId& command, uint32_t attempt,
                              engine::Reply reply) {
  return {command.branch, command.role, command.alternative, attempt, std::move(reply)};
}

engine::Reply NotSentWhileStopping() {
  return engine::ReplyNotSent{
      {"coordinator.stopping", "the coordinator was stopped before the call was made"},
      std::nullopt,
      /*blocked=*/true,
      /*stopping=*/true};
}

// The call never left this program: it was none.
bool WasHeldBack(const engine::Reply& reply) {
  const auto* not_sent = std::get_if<engine::ReplyNotSent>(&reply);
  return not_sent != nullptr && not_sent->blocked;
}

// What a finished child means for its parent's call.
engine::Reply ChildOutcome(const engine::TxnState& child) {
  switch (child.status) {
    case engine::TxnStatus::kCommitted: return engine::ReplyDone{child.output};
    case engine::TxnStatus::kAborted: {
      engine::Failure failure{"child.aborted",
                              "the child transaction '" + child.gid.str() + "' was aborted"};
      if (child.abort && child.abort->failure.code == failure.code) {
        // A child of its own was: that one's gid names all above it, and its words have the cause.
        failure.message = child.abort->failure.message;
      } else if (child.abort) {
        failure.message += ": " + child.abort->failure.message;
      }
      return engine::ReplyRefused{std::move(failure)};
    }
    case engine::TxnStatus::kMixed:
      return engine::ReplyRefused{
          {"child.mixed", "an operator forced the outcome of the child transaction '" +
                              child.gid.str() + "': look at it and decide here too"}};
    case engine::TxnStatus::kActive:
    case engine::TxnStatus::kCommitting:
    case engine::TxnStatus::kAborting: break;
  }
  CheckFailed("a child's outcome is asked for when it is finished", __FILE__, __LINE__);
}

}  // namespace

void Shard::CarryOut(const TxnPtr& txn, std::vector<engine::Effect> effects) {
  for (engine::Effect& effect : effects) {
    std::visit([this, &txn](auto& one) { CarryOut(txn, one); }, effect);
  }
}

CallContext Shard::ContextOf(const Txn& txn) const {
  return {txn.plan, txn.state->traceparent, lease_->epoch(), options_.coordinator_id, lease_};
}

// Whether a call may leave. A turn that takes long may outlast the lease it began under.
bool Shard::MayCall() {
  if (HoldsNow()) {
    return true;
  }
  host_.Post(InTurn([] {}));  // Which finds that the shard is lost.
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
    Take(txn, std::move(replied), {});
  }
  CheckDrained();
}

void Shard::CarryOut(const TxnPtr& txn, engine::StartChild& start) {
  if (draining_) {
    return;
  }
  const Gid parent = txn->state->gid;
  if (const auto found = open_.find(start.child); found != open_.end()) {
    const TxnPtr child = found->second;
    if (!child->state->finished()) {
      Adopt(child, std::move(start));
      return;
    }
    // It ended, and only its last records are not written yet.
    WhenDurable(child, [this, child, parent, start = std::move(start)](const Status& status) {
      if (status.ok()) {
        ReplyToParent(parent, start, ChildOutcome(*child->state));
      }
    });
    return;
  }
  if (ChildDepth(start.child) > limits::kMaxChildDepth) {
    auto reply = engine::ReplyRefused{
        {"child.too_deep", "child transactions are nested deeper than " +
                               std::to_string(limits::kMaxChildDepth) + " levels"}};
    host_.Post(InTurn([this, parent, start = std::move(start), reply = std::move(reply)] {
      ReplyToParent(parent, start, reply);
    }));
    return;
  }
  if (quarantined_.contains(start.child)) {
    return;  // Its parent hears of it once it was released and has ended.
  }
  // The child may exist: an earlier incarnation of this process may have started, even ended it.
  struct Job {
    engine::StartChild start;
    Result<storage::StoredTxn> stored = OutOfMemory();  // Until it could be read.
    Result<PlanPtr> plan = OutOfMemory();
  };
  auto job = std::make_shared<Job>(Job{std::move(start)});
  Offload(
      [&journal = journal_, &definitions = definitions_, job] {
        job->stored = journal.Load(job->start.child);
        if (!job->stored.ok() && job->stored.status().code() == StatusCode::kNotFound) {
          job->plan = definitions.Get(job->start.definition, job->start.version);
        }
      },
      [this, job, parent] {
        if (!job->stored.ok() && job->stored.status().code() == StatusCode::kNotFound) {
          StartChildWith(parent, std::move(job->start), std::move(job->plan));
          return;
        }
        const auto child =
            job->stored.ok() ? Rebuild(*job->stored) : Result<TxnPtr>(job->stored.status());
        if (!child.ok()) {
          ReplyToParent(parent, job->start,
                        engine::ReplyUnknown{{child.status().reason(), child.status().message()},
                                             std::nullopt});
        } else if ((*child)->state->finished()) {
          ReplyToParent(parent, job->start, ChildOutcome(*(*child)->state));
        } else if (const auto open = open_.find(job->start.child); open != open_.end()) {
          Adopt(open->second, std::move(job->start));
        }
        // Otherwise the child is being read back, and Resume tells its parent when it has ended.
      });
}

void Shard::StartChildWith(const Gid& parent, engine::StartChild start, Result<PlanPtr> plan) {
  if (!plan.ok()) {
    const Status& status = plan.status();
    const engine::Failure failure{status.reason(), status.message()};
    if (status.code() == StatusCode::kNotFound) {
      ReplyToParent(parent, start, engine::ReplyRefused{failure});
    } else {
      ReplyToParent(parent, start, engine::ReplyNotSent{failure, std::nullopt});
    }
    return;
  }
  if (const auto& schema = (*plan)->input) {
    if (const auto violations = schema->Validate(start.input.Read()); !violations.empty()) {
      ReplyToParent(parent, start,
                    engine::ReplyRefused{
                        {"child.input_invalid", "the child's input does not match its schema: " +
                                                    violations.front().message}});
      return;
    }
  }
  if (const auto found = open_.find(start.child); found != open_.end()) {
    Adopt(found->second, std::move(start));
    return;
  }
  if (IsUnwanted(parent, start)) {
    // That came to be while it was looked for, and there was nothing to stop.
    ReplyToParent(
        parent, start,
        engine::ReplyRefused{{"child.cancelled", "the parent aborted before the child had begun"}});
    return;
  }
  const Status refused = RefuseNew();
  if (refused.code() == StatusCode::kUnavailable) {
    ReplyToParent(parent, start, NotSentWhileStopping());
    return;
  }
  if (!refused.ok() && !MustGoOn(parent, start)) {
    // Were it to wait, a coordinator full of parents would wait for their children for ever.
    ReplyToParent(parent, start, engine::ReplyRefused{{refused.reason(), refused.message()}});
    return;
  }
  engine::Submitted submitted;
  submitted.gid = start.child;
  submitted.input = start.input;
  submitted.parent = engine::ParentLink{parent, start.command.branch};
  if (const auto found = open_.find(parent); found != open_.end()) {
    submitted.traceparent = found->second->state->traceparent;
  }
  const Gid child = start.child;
  Create(SubmitCommand{std::move(*plan), false, std::move(submitted), std::nullopt},
         [this, parent, start](Result<SubmitReply> created) {
           if (!created.ok() && !open_.contains(start.child)) {
             ReplyToParent(
                 parent, start,
                 engine::ReplyNotSent{{created.status().reason(), created.status().message()},
                                      std::nullopt});
           }
         });
  if (const auto found = open_.find(child); found != open_.end()) {
    found->second->parent_call = std::move(start);
  }
}

// The child's end answers `start` from now on.
void Shard::Adopt(const TxnPtr& child, engine::StartChild start) {
  const bool stops = child->state->parent && IsToStop(child->state->parent->gid, start);
  child->parent_call = std::move(start);
  if (stops) {
    Stop(child);
  }
}

// Its parent has begun to abort since it asked.
bool Shard::IsToStop(const Gid& parent, const engine::StartChild& start) const {
  const auto found = open_.find(parent);
  return found != open_.end() && found->second->state->status == engine::TxnStatus::kAborting &&
         start.command.role == engine::Role::kForward;
}

// Nor should it begin if an operator has ended its parent.
bool Shard::IsUnwanted(const Gid& parent, const engine::StartChild& start) const {
  const auto found = open_.find(parent);
  const bool ended = found == open_.end()
                         ? !reloading_.contains(parent) && !quarantined_.contains(parent)
                         : found->second->state->finished();
  return ended || IsToStop(parent, start);
}

// There is no way back for the parent that a refusal could take: it is past its pivot, or aborts
// and the child undoes something; or it is itself the child of one.
bool Shard::MustGoOn(const Gid& parent, const engine::StartChild& start) const {
  if (start.command.role != engine::Role::kForward) {
    return true;
  }
  const auto found = open_.find(parent);
  if (found == open_.end()) {
    return false;
  }
  const Txn& txn = *found->second;
  return txn.state->status == engine::TxnStatus::kCommitting ||
         (txn.state->parent && txn.parent_call &&
          MustGoOn(txn.state->parent->gid, *txn.parent_call));
}

// A refusal means it is past its pivot or finished: its end answers the parent either way.
void Shard::Stop(const TxnPtr& child) {
  Take(child, engine::AbortRequested{{kParentActor, "the parent transaction aborts"}}, {});
}

void Shard::ReplyToParent(const Gid& parent, const engine::StartChild& start, engine::Reply reply) {
  if (const auto found = open_.find(parent); found != open_.end()) {
    const TxnPtr txn = found->second;
    Take(txn, ReplyTo(start.command, start.attempt, std::move(reply)), {});
  }
}

void Shard::CarryOut(const TxnPtr& /*txn*/, engine::CancelChild& cancel) {
  if (const auto found = open_.find(cancel.child); found != open_.end()) {
    const TxnPtr child = found->second;
    Stop(child);
  }
  // Otherwise it is being looked for or read back; Adopt finds that nobody wants it any more.
}

void Shard::CarryOut(const TxnPtr& txn, engine::ArmTimer& arm) {
  if (!open_.contains(txn->state->gid)) {
    return;
  }
  const auto same = std::find_if(txn->timers.begin(), txn->timers.end(),
                                 [&arm](const auto& timer) { return timer.first == arm.branch; });
  const Timers::Handle handle = timers_.Insert(arm.at, TxnTimer{txn, arm.branch});
  if (same != txn->timers.end()) {
    timers_.Remove(same->second);
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
  WhenWritten(txn, [this, txn](const Status& status) {
    if (!status.ok()) {
      return;  // It is read back, and ends again.
    }
    open_.erase(txn->state->gid);
    open_count_.Set(open_.size());
    auto& ended = txn->state->status == engine::TxnStatus::kCommitted ? counters_.committed
                  : txn->state->status == engine::TxnStatus::kAborted ? counters_.aborted
                                                                      : counters_.mixed;
    ended.fetch_add(1, std::memory_order_relaxed);
  });
  blemishes_.erase(state.gid);
  for (Waiter& waiter : std::exchange(txn->waiters, {})) {
    timers_.Remove(waiter.timeout);
    waiter.done(View(*txn));
  }
  if (state.parent && txn->parent_call) {
    ReplyToParent(state.parent->gid, *txn->parent_call, ChildOutcome(state));
  }
}

void Shard::RemoveTimers(Txn& txn) {
  for (const auto& [branch, handle] : txn.timers) {
    timers_.Remove(handle);
  }
  txn.timers.clear();
  UpdateWake();
}

void Shard::CountIncident(Txn& txn, bool forgotten) {
  const bool incident = !forgotten && txn.state->has_incident();
  if (incident != txn.incident) {
    txn.incident = incident;
    open_incidents_.Set(open_incidents_.value() + (incident ? 1 : uint64_t(-1)));
  }
}

void Shard::UpdateWake() {
  const auto next = timers_.Next();
  if (next != wake_wish_) {
    wake_wish_ = next;
    keeper_.WakeAt(lease_->shard(), next);
  }
}

void Shard::OnWake() {
  wake_wish_.reset();
  const Instant now = host_.Now();
  while (auto due = timers_.PopDue(now)) {
    if (auto* timer = std::get_if<TxnTimer>(&*due)) {
      const TxnPtr txn = std::move(timer->txn);
      std::erase_if(txn->timers, [timer](const auto& t) { return t.first == timer->branch; });
      // What is due while the coordinator stops is due when it is back.
      if (!draining_) {
        Take(txn, engine::TimerFired{std::move(timer->branch)}, {});
      }
    } else if (const auto* waiting = std::get_if<WaiterTimer>(&*due)) {
      std::optional<Waiter> waiter = TakeWaiter(*waiting->txn, waiting->waiter);
      ENTENTE_CHECK(waiter.has_value());
      ShowWhenDurable(waiting->txn, std::move(waiter->done));
    } else if (const auto* reload = std::get_if<ReloadTimer>(&*due)) {
      Reload(reload->gid);
    } else if (std::holds_alternative<RoomTimer>(*due)) {
      LookForRoom();
    } else {
      lazy_flush_timer_.reset();
      flush_wanted_ = true;
      ScheduleFlush();
    }
  }
  UpdateWake();
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
  open_count_.Set(open_.size());
  Guarded(txn->state->gid, txn, [&] {
    engine::Decision decision =
        engine::Decide(*txn->plan, *txn->state, MakeInput(engine::Recovered{}));
    ENTENTE_CHECK(decision.status.ok());
    // The same calls are among the outstanding ones below.
    decision.effects.clear();
    const bool ends = std::any_of(
        decision.records.begin(), decision.records.end(),
        [](const engine::Record& one) { return std::holds_alternative<engine::Ended>(one.body); });
    if (ends) {
      decision.effects.emplace_back(engine::NotifyEnded{});
    }
    Apply(txn, std::move(decision), {}, /*riding=*/!ends);
    CountIncident(*txn);
    // As of now: what comes in before this is durable has effects of its own.
    CarryOutInTurn(txn, engine::Outstanding(*txn->plan, *txn->state));
  });
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
    recovery_.rebuilt.push_back(std::move(*txn));
  } else if (txn.status().reason() == kOutOfMemory) {
    recovery_.left_out.push_back(std::move(stored.gid));
  } else if (IsOurDefect(txn.status()) || txn.status().reason() == "store.bad_definition") {
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
  recovery_ = {};
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
    ReadBackLater(gid, options_.reload_delay);
  } else if (stored.status().code() == StatusCode::kNotFound) {
    // It failed before its accept was written, and that failed as well.
    for (Waiter& waiter : TakeWaiters(gid)) {
      waiter.done(stored.status());
    }
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
      reloading_.try_emplace(gid);
      HoldBack(gid, nullptr, status);
    } else if (status.reason() == "store.bad_definition") {
      Quarantine(std::move(stored), {status.reason(), status.message()});
    } else {
      Lose(status);
    }
    return;
  }
  std::vector<Waiter> waiters = TakeWaiters(gid);
  const TxnPtr back = std::move(txn).value();
  Resume(back);
  for (Waiter& waiter : waiters) {
    AddWaiter(back, {std::max(waiter.until - host_.Now(), Duration(0)), std::move(waiter.hangup)},
              std::move(waiter.done));
  }
  TellParentOf(*back);
}

std::vector<Shard::Waiter> Shard::TakeWaiters(const Gid& gid) {
  const auto found = reloading_.find(gid);
  if (found == reloading_.end()) {
    return {};
  }
  std::vector<Waiter> waiters = std::move(found->second.waiters);
  reloading_.erase(found);
  return waiters;
}

// The parent, if there is one, asked before the child left memory and waits for the answer.
void Shard::TellParentOf(const Txn& child) {
  if (!child.state->parent) {
    return;
  }
  const auto parent = open_.find(child.state->parent->gid);
  if (parent == open_.end()) {
    return;
  }
  const TxnPtr asker = parent->second;
  Guarded(asker->state->gid, asker, [&] {
    for (engine::Effect& effect : engine::Outstanding(*asker->plan, *asker->state)) {
      if (auto* start = std::get_if<engine::StartChild>(&effect);
          start != nullptr && start->child == child.state->gid) {
        CarryOutInTurn(asker, {std::move(effect)});
      }
    }
  });
}

}  // namespace entente::runtime
