// Shard: what clients ask, and what the engine makes of it.
#include "runtime/shard/shard.h"

#include <algorithm>
#include <utility>

#include "dsl/cel/budget.h"
#include "dsl/client_branches.h"
#include "engine/bounded.h"
#include "runtime/shard/shard_txn.h"
#include "runtime/shard/stored_view.h"

namespace entente::runtime {
namespace {

Status WhyInputIsRefused(const dsl::Plan& plan, const engine::Submitted& submitted,
                         const std::vector<dsl::Violation>& violations) {
  if (submitted.parent) {
    return InvalidArgument(kChildInputInvalid, "the child's input does not match its schema: " +
                                                   violations.front().message);
  }
  std::string message = "the input does not match the schema of definition '" + plan.name + "': ";
  for (size_t i = 0; i < violations.size(); ++i) {
    message += (i == 0 ? "" : "; ") +
               (violations[i].pointer.empty() ? std::string("the input") : violations[i].pointer) +
               ": " + violations[i].message;
  }
  return InvalidArgument("input.invalid", std::move(message));
}

// Answers a submit with what is shown of its transaction.
Callback<TxnView> SubmitAnswer(bool created, Callback<SubmitReply> done) {
  return [created, done = std::move(done)](Result<TxnView> view) {
    if (view.ok()) {
      done(SubmitReply{std::move(view).value(), created});
    } else {
      done(view.status());
    }
  };
}

}  // namespace

std::optional<engine::Decision> OpenWithin(uint64_t most, const dsl::Plan& plan,
                                           const engine::Input& input) {
  const auto& submitted = std::get<engine::Submitted>(input.event);
  if (plan.input) {
    // Read once, and looked at by one keyword after the other.
    constexpr uint64_t kLooks = 4;
    if (dsl::cel::Budget::CostOfJson(submitted.input.text()) * kLooks > most) {
      return std::nullopt;
    }
    const auto violations = plan.input->Validate(submitted.input.Read());
    if (!violations.empty()) {
      engine::Decision refused;
      refused.status = WhyInputIsRefused(plan, submitted, violations);
      return refused;
    }
  }
  return engine::DecideWithin(most, plan, {}, input);
}

engine::Input Shard::MakeInput(engine::Event event) {
  counters_.inputs.fetch_add(1, std::memory_order_relaxed);
  return {host_.Now(), host_.Entropy(), std::move(event)};
}

// A large transaction may not fit twice.
Result<TxnView> Shard::View(const Txn& txn) const {
  if (txn.state->finished()) {
    return TxnView{txn.plan, txn.state};
  }
  try {
    return TxnView{txn.plan, std::make_shared<const engine::TxnState>(*txn.state)};
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
}

Status Shard::RefuseNew() const {
  if (draining_) {
    return Unavailable("coordinator.draining",
                       "the coordinator is shutting down: try again, or another node");
  }
  return options_.places->HasRoom();
}

// What holds for the submits of clients alone: the child of a transaction that was accepted is part
// of what was accepted.
Status Shard::RefuseSubmit() const {
  if (recovering_) {
    return Recovering();
  }
  return HasMemoryForOne(options_);
}

void Shard::Submit(SubmitCommand command, Callback<SubmitReply> done) {
  const Gid& gid = command.submitted.gid;
  if (quarantined_.contains(gid)) {
    done(InQuarantine(gid));
    return;
  }
  if (const auto found = open_.find(gid); found != open_.end()) {
    AnswerResubmit(found->second, command, std::move(done));
    return;
  }
  if (IsParked(gid)) {
    const auto held = std::make_shared<SubmitCommand>(std::move(command));
    AskWhenBack(held->submitted.gid, done, [this, held, done] { Submit(std::move(*held), done); });
    return;
  }
  Status refused = RefuseSubmit();
  if (refused.ok()) {
    refused = RefuseNew();
  }
  if (!refused.ok()) {
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    done(std::move(refused));
    return;
  }
  if (command.caller_named) {
    LookUpThenCreate(std::move(command), std::move(done));
  } else {
    Create(std::move(command), std::move(done));
  }
}

void Shard::LookUpThenCreate(SubmitCommand command, Callback<SubmitReply> done) {
  const Gid gid = command.submitted.gid;
  const auto [entry, first] = looking_up_.try_emplace(gid);
  if (!first) {
    entry->second.emplace_back(std::move(command), std::move(done));
    return;
  }
  looking_up_count_.Set(looking_up_.size());
  struct Job {
    SubmitCommand command;
    Callback<SubmitReply> done;
    Result<storage::StoredTxn> stored = OutOfMemory();  // Until it could be read.
  };
  auto job = std::make_shared<Job>(Job{std::move(command), std::move(done)});
  Offload([&journal = journal_, gid, job] { job->stored = journal.Load(gid); },
          [this, gid, job] {
            OnLookedUp(gid, std::move(job->command), std::move(job->done), std::move(job->stored));
          },
          [job](const Status& lost) { job->done(lost); });
}

void Shard::OnLookedUp(const Gid& gid, SubmitCommand command, Callback<SubmitReply> done,
                       Result<storage::StoredTxn> stored) {
  auto queued = std::move(looking_up_.at(gid));
  looking_up_.erase(gid);
  looking_up_count_.Set(looking_up_.size());
  if (stored.ok()) {
    auto txn = Rebuild(*stored);
    if (!txn.ok()) {
      done(txn.status());
    } else if (!(*txn)->state->finished()) {
      done(Reloading(gid));
    } else {
      AnswerResubmit(*txn, command, std::move(done));
    }
  } else if (stored.status().code() == StatusCode::kNotFound) {
    Create(std::move(command), std::move(done));
  } else {
    done(stored.status());
  }
  for (auto& [next_command, next_done] : queued) {
    Submit(std::move(next_command), std::move(next_done));
  }
}

void Shard::AnswerResubmit(const TxnPtr& txn, const SubmitCommand& command,
                           Callback<SubmitReply> done) {
  if (txn->state->request_digest != command.submitted.request_digest) {
    done(AlreadyExists("transaction.content_differs",
                       "the gid '" + txn->state->gid.str() +
                           "' is taken by a transaction with other content: use another gid, or "
                           "submit exactly what was submitted first"));
    return;
  }
  Show(txn, command.wait, SubmitAnswer(false, std::move(done)));
}

void Shard::Create(SubmitCommand command, Callback<SubmitReply> done) {
  Opening opening{command.submitted.gid, std::make_shared<Txn>(),
                  command.submitted.parent.has_value(), std::move(command.wait), std::move(done)};
  Txn& txn = *opening.txn;
  txn.plan = std::move(command.plan);
  txn.parent_call = std::move(command.parent_call);
  if (options_.memory != nullptr) {
    txn.charge.TakeFrom(*options_.memory);
    txn.charge.Set(MemoryCharge::kTransactionBytes);
  }
  // Only of what is new: a definition may have changed since the same was submitted before.
  if (!command.children.ok()) {
    engine::Decision refused;
    refused.status = std::move(command.children);
    Open(opening, std::move(refused));
    return;
  }
  engine::Input input = MakeInput(std::move(command.submitted));
  std::optional<engine::Decision> decision;
  const auto decide = [&] { decision = OpenWithin(options_.most_at_once, *txn.plan, input); };
  if (!Guarded(opening.gid, opening.txn, decide)) {
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    opening.done(HeldBack(opening.gid));
  } else if (decision) {
    Open(opening, std::move(*decision));
  } else {
    OpenElsewhere(std::move(opening), std::move(input));
  }
}

// Accepts the transaction, or says why not.
void Shard::Open(const Opening& opening, engine::Decision decision) {
  const Gid& gid = opening.gid;
  const TxnPtr& txn = opening.txn;
  Status refused = HeldBack(gid);  // Unless it is refused in words, or accepted.
  std::function<void(Status)> reply;
  Guarded(gid, txn, [&] {
    if (!decision.status.ok()) {
      refused = std::move(decision.status);
      return;
    }
    open_.emplace(gid, txn);
    CountOpen();
    // A child was counted with what was accepted, or refused, by its parent.
    refused = opening.is_child ? Status() : options_.places->HasTaken();
    if (!refused.ok()) {
      open_.erase(gid);
      CountOpen();
      return;
    }
    counters_.accepted.fetch_add(1, std::memory_order_relaxed);
    ParkLater();
    auto answer = SubmitAnswer(true, opening.done);
    if (opening.wait) {
      // Told when the end is durable, or that the accept failed: either way through the waiter.
      AddWaiter(txn, *opening.wait, std::move(answer));
    } else {
      reply = [this, txn, answer = std::move(answer)](const Status& status) {
        if (status.ok()) {
          ShowWhenDurable(txn, answer);
        } else {
          answer(status);
        }
      };
    }
    Apply(txn, std::move(decision), std::move(reply));
  });
  if (!refused.ok()) {
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    opening.done(std::move(refused));
  } else if (reply) {
    reply(HeldBack(gid));
  }
}

// When it ended or after `wait`, if that is given; otherwise at once, as far as it is durable.
void Shard::Show(const TxnPtr& txn, std::optional<Wait> wait, Callback<TxnView> done) {
  if (wait && !txn->state->finished()) {
    AddWaiter(txn, *wait, std::move(done));
  } else {
    ShowWhenDurable(txn, std::move(done));
  }
}

void Shard::AddWaiter(const TxnPtr& txn, Wait wait, Callback<TxnView> done) {
  const uint64_t id = next_waiter_++;
  const Instant until = host_.Now() + wait.at_most;
  const Timers::Handle timeout = timers_.Insert(until, WaiterTimer{txn, id});
  if (wait.hangup != nullptr) {
    // It may come from any thread and at any time, after this shard too.
    wait.hangup->OnHappened(
        [&host = host_, run = std::function<void()>(InTurn([this, weak = std::weak_ptr(txn), id] {
                          if (const TxnPtr waited = weak.lock()) {
                            if (std::optional<Waiter> waiter = TakeWaiter(*waited, id)) {
                              timers_.Remove(waiter->timeout);
                              ShowWhenDurable(waited, std::move(waiter->done));
                            }
                          }
                        }))] {
          // Posted even when it comes from this thread: whoever waits is not answered from here.
          host.Post(run);
        });
  }
  txn->waiters.push_back(Waiter{id, std::move(done), until, timeout, std::move(wait.hangup)});
  UpdateWake();
}

// Nothing if it was answered meanwhile.
std::optional<Shard::Waiter> Shard::TakeWaiter(Txn& txn, uint64_t id) {
  const auto found = std::find_if(txn.waiters.begin(), txn.waiters.end(),
                                  [id](const Waiter& waiter) { return waiter.id == id; });
  if (found == txn.waiters.end()) {
    return std::nullopt;
  }
  std::optional<Waiter> waiter = std::move(*found);
  txn.waiters.erase(found);
  return waiter;
}

void Shard::Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) {
  if (const auto found = open_.find(gid); found != open_.end()) {
    Show(found->second, wait, std::move(done));
    return;
  }
  if (const auto held = quarantined_.find(gid); held != quarantined_.end()) {
    done(held->second.view);
    return;
  }
  if (wait && IsParked(gid)) {
    AskWhenBack(gid, done, [this, gid, wait, done] { Get(gid, wait, done); });
    return;
  }
  if (const auto reloading = reloading_.find(gid); wait && reloading != reloading_.end()) {
    // Open, and back in memory in a moment: whoever waits for its end waits through that too.
    reloading->second.waiters.push_back(Waiter{
        next_waiter_++, std::move(done), host_.Now() + wait->at_most, {}, std::move(wait->hangup)});
    return;
  }
  LoadThen(gid, done, [this, gid, done](const Result<storage::StoredTxn>& stored) {
    if (!stored.ok()) {
      done(stored.status().code() == StatusCode::kNotFound ? NoSuchTransaction(gid)
                                                           : stored.status());
      return;
    }
    auto txn = Rebuild(*stored);
    if (!txn.ok()) {
      done(txn.status());
    } else {
      done(View(**txn));
    }
  });
}

void Shard::GetHistory(const Gid& gid, Callback<History> done) {
  auto load = [this, gid, done = std::move(done)](const Status& status) {
    if (!status.ok()) {
      done(status);
      return;
    }
    if (options_.crash_marks != nullptr && options_.crash_marks->IsCondemned(gid.str())) {
      done(InQuarantine(gid));
      return;
    }
    auto history = std::make_shared<Result<History>>(OutOfMemory());
    Offload([&journal = journal_, &definitions = definitions_, gid,
             history] { *history = ReadHistory(journal, definitions, gid); },
            [history, done] { done(std::move(*history)); }, done);
  };
  // First let everything decided so far become durable: whoever subscribed before asking for the
  // history then misses nothing between the two.
  if (const auto found = open_.find(gid); found != open_.end()) {
    WhenDurable(found->second, std::move(load));
  } else {
    load(Status());
  }
}

void Shard::Deliver(const Gid& gid, engine::Event event, std::optional<Sequence> expected_revision,
                    Callback<TxnView> done) {
  if (quarantined_.contains(gid)) {
    DeliverToQuarantined(gid, std::move(event), expected_revision, std::move(done));
    return;
  }
  if (IsParked(gid)) {
    AskWhenBack(gid, done, [this, gid, event = std::move(event), expected_revision, done] {
      Deliver(gid, event, expected_revision, done);
    });
    return;
  }
  const auto found = open_.find(gid);
  if (found == open_.end()) {
    DeliverToStored(gid, std::move(event), std::move(done));
    return;
  }
  const TxnPtr txn = found->second;
  if (HasToWait(*txn)) {
    // Asked again then: the revision that is expected is the one it has when it is taken.
    auto take = [this, gid, event = std::move(event), expected_revision, done] {
      Deliver(gid, event, expected_revision, done);
    };
    txn->held.push_back({std::move(take), done});
    return;
  }
  if (expected_revision && *expected_revision != txn->state->revision) {
    done(MovedOn(gid, txn->state->revision, *expected_revision));
    return;
  }
  TakeNow(txn, std::move(event), [this, txn, done = std::move(done)](Status status) {
    if (!status.ok()) {
      done(std::move(status));
    } else {
      ShowWhenDurable(txn, done);
    }
  });
}

// Reads `gid` from the journal; `done` hears of it if the shard is gone by then.
void Shard::LoadThen(const Gid& gid, std::function<void(Status)> done,
                     std::function<void(Result<storage::StoredTxn>)> then) {
  auto stored = std::make_shared<Result<storage::StoredTxn>>(OutOfMemory());
  Offload([&journal = journal_, gid, stored] { *stored = journal.Load(gid); },
          [stored, then = std::move(then)] { then(std::move(*stored)); }, std::move(done));
}

// Not in memory: it is finished, and the engine says what that means for the event; or it is being
// read back.
void Shard::DeliverToStored(const Gid& gid, engine::Event event, Callback<TxnView> done) {
  LoadThen(gid, done,
           [this, gid, event = std::move(event),
            done](const Result<storage::StoredTxn>& stored) mutable {
             if (!stored.ok()) {
               done(stored.status().code() == StatusCode::kNotFound ? NoSuchTransaction(gid)
                                                                    : stored.status());
               return;
             }
             auto txn = Rebuild(*stored);
             if (!txn.ok()) {
               done(txn.status());
               return;
             }
             if (!(*txn)->state->finished()) {
               done(Reloading(gid));
               return;
             }
             const engine::Decision decision =
                 engine::Decide(*(*txn)->plan, *(*txn)->state, MakeInput(std::move(event)));
             if (!decision.status.ok()) {
               done(decision.status);
             } else {
               ENTENTE_CHECK(decision.records.empty());
               done(View(**txn));
             }
           });
}

// At once, or behind what waits for the transaction already.
void Shard::Take(const TxnPtr& txn, engine::Event event, std::function<void(Status)> reply) {
  if (HasToWait(*txn)) {
    auto take = [this, weak = std::weak_ptr(txn), event = std::move(event), reply] {
      if (const TxnPtr waited = weak.lock()) {
        Take(waited, event, reply);
      }
    };
    txn->held.push_back({std::move(take), reply});
  } else {
    TakeNow(txn, std::move(event), std::move(reply));
  }
}

void Shard::TakeNow(const TxnPtr& txn, engine::Event event, std::function<void(Status)> reply) {
  const Gid& gid = txn->state->gid;
  const bool taken = Guarded(gid, txn, [&] {
    engine::Input input = MakeInput(std::move(event));
    if (auto decision =
            engine::DecideWithin(options_.most_at_once, *txn->plan, *txn->state, input)) {
      Conclude(txn, std::move(*decision), std::move(reply));
    } else {
      DecideElsewhere(txn, std::move(input), std::exchange(reply, nullptr),
                      [this, txn](engine::Decision made, std::function<void(Status)>&& asker) {
                        Conclude(txn, std::move(made), std::move(asker));
                      });
    }
  });
  if (!taken && reply) {
    reply(HeldBack(gid));
  }
}

// `reply` is taken once it is certain to be called.
void Shard::Conclude(const TxnPtr& txn, engine::Decision decision,
                     std::function<void(Status)>&& reply) {
  if (decision.status.ok()) {
    Apply(txn, std::move(decision), std::move(reply));
    return;
  }
  counters_.rejected.fetch_add(1, std::memory_order_relaxed);
  if (reply) {
    // The refusal may rest on records that are not durable yet ("already finished").
    WhenDurable(txn, [reply = std::exchange(reply, nullptr), refused = decision.status](
                         const Status& status) { reply(status.ok() ? refused : status); });
  }
}

void Shard::Enlist(const Gid& gid, const std::string& branch,
                   const std::shared_ptr<std::vector<dsl::Problem>>& problems,
                   Callback<EnlistReply> done) {
  if (IsParked(gid)) {
    AskWhenBack(gid, done,
                [this, gid, branch, problems, done] { Enlist(gid, branch, problems, done); });
    return;
  }
  auto answer = [done](Result<TxnView> view, bool created) {
    if (!view.ok()) {
      done(view.status());
    } else {
      done(EnlistReply{std::move(view).value(), created});
    }
  };
  const auto found = open_.find(gid);
  if (found == open_.end() || !found->second->state->client_driven) {
    // It is refused, whatever the branch is; the engine says why.
    Deliver(gid, engine::EnlistRequested{}, std::nullopt,
            [answer](Result<TxnView> view) { answer(std::move(view), false); });
    return;
  }
  const TxnPtr txn = found->second;
  if (HasToWait(*txn)) {
    txn->held.push_back(
        {[this, gid, branch, problems, done] { Enlist(gid, branch, problems, done); }, done});
    return;
  }
  std::function<void(Status)> reply;
  const bool taken =
      Guarded(gid, txn, [&] { EnlistIn(txn, branch, *problems, std::move(answer), reply); });
  if (!taken && reply) {
    reply(HeldBack(gid));
  }
}

// `reply` holds the answer until it is certain to be called.
void Shard::EnlistIn(const TxnPtr& txn, const std::string& branch,
                     std::vector<dsl::Problem>& problems,
                     std::function<void(Result<TxnView>, bool created)> answer,
                     std::function<void(Status)>& reply) {
  reply = [answer](Status status) { answer(std::move(status), false); };
  const auto refuse = [&reply](Status status) { std::exchange(reply, nullptr)(std::move(status)); };
  auto compiled = dsl::CompileClientBranch(txn->plan->mode, branch);
  if (auto* mistakes = std::get_if<dsl::Problems>(&compiled)) {
    Status status = dsl::BranchProblemsToStatus(*mistakes);
    problems = std::move(*mistakes);
    refuse(std::move(status));
    return;
  }
  auto client_branch = std::get<dsl::ClientBranch>(std::move(compiled));
  engine::EnlistRequested request{BranchId(client_branch.step.id), client_branch.source};
  PlanPtr plan = txn->plan;
  const bool known = engine::FindBranch(*txn->state, request.branch) != nullptr;
  if (!known) {
    auto grown = dsl::WithBranch(*plan, std::move(client_branch));
    if (!grown.ok()) {
      refuse(grown.status());
      return;
    }
    plan = std::move(grown).value();
  }
  engine::Decision decision = engine::Decide(*plan, *txn->state, MakeInput(std::move(request)));
  if (decision.status.ok()) {
    txn->plan = std::move(plan);
    txn->sensitive.reset();  // The branch may have a participant with headers of its own.
  }
  reply = [this, txn, known, answer = std::move(answer)](Status status) {
    if (!status.ok()) {
      answer(std::move(status), false);
    } else {
      ShowWhenDurable(txn,
                      [answer, known](Result<TxnView> view) { answer(std::move(view), !known); });
    }
  };
  Conclude(txn, std::move(decision), std::move(reply));
}

void Shard::Drain(std::function<void()> drained) {
  draining_ = true;
  on_drained_ = std::move(drained);
  for (const auto& [gid, txn] : open_) {
    caller_.WithdrawWaiting(gid, Withdrawal::kAllCalls);
    for (Waiter& waiter : std::exchange(txn->waiters, {})) {
      timers_.Remove(waiter.timeout);
      ShowWhenDurable(txn, std::move(waiter.done));
    }
  }
  FlushSoon();
  CheckDrained();
}

}  // namespace entente::runtime
