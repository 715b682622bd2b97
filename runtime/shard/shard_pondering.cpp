// Shard: what takes long is worked out elsewhere, while the transaction stays as it is.
#include <utility>

#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

// On the thread for what takes long, which then drives `gid` as far as a crash is concerned.
template <class Work>
Status RunElsewhere(const Gid& gid, const Work& work) {
  const marks::WorkScope scope(gid.str());
  try {
    work();
    return {};
  } catch (...) {
    return DescribeException();
  }
}

}  // namespace

// Whoever asks from within an answer does not overtake what waits.
bool Shard::HasToWait(Txn& txn) {
  return !std::exchange(txn.admitted, false) && (txn.pondered || !txn.held.empty());
}

void Shard::DecideElsewhere(const TxnPtr& txn, engine::Input input,
                            std::function<void(Status)> reply, Conclusion then) {
  struct Job {
    engine::Input input;
    std::function<void(Status)> reply;
    engine::Decision decision = {};
  };
  const auto job = std::make_shared<Job>(Job{std::move(input), std::move(reply)});
  Ponder(
      txn,
      [job](const dsl::Plan& plan, const engine::TxnState& state) {
        job->decision = engine::Decide(plan, state, job->input);
      },
      [job, then = std::move(then)] { then(std::move(job->decision), std::move(job->reply)); },
      [job](Status status) {
        if (job->reply) {
          std::exchange(job->reply, nullptr)(std::move(status));
        }
      });
}

// `then` in a turn, or `refuse`, which may be empty, with why not.
void Shard::Ponder(const TxnPtr& txn, Deliberation work, std::function<void()> then,
                   std::function<void(Status)> refuse) {
  txn->pondered = true;
  ++pondering_;
  counters_.pondered.fetch_add(1, std::memory_order_relaxed);
  const auto defect = std::make_shared<Status>(OutOfMemory());  // Until it was worked out.
  // Both are its own: the transaction may be forgotten meanwhile.
  auto elsewhere = [defect, work = std::move(work), plan = txn->plan, state = txn->state] {
    *defect = RunElsewhere(state->gid, [&] { work(*plan, *state); });
  };
  auto back = [this, txn, defect, then = std::move(then), refuse] {
    OnPondered(txn, *defect, then, refuse);
  };
  host_.Compute(std::move(elsewhere), InTurnOr(std::move(back), refuse));
}

void Shard::OnPondered(const TxnPtr& txn, const Status& defect, const std::function<void()>& then,
                       const std::function<void(Status)>& refuse) {
  --pondering_;
  txn->pondered = false;
  const Gid gid = txn->state->gid;
  Status refused;
  if (txn->abandoned) {
    refused = Reloading(gid);
  } else if (!defect.ok()) {
    HoldBack(gid, txn, defect);
    refused = HeldBack(gid);
  } else if (!Guarded(gid, txn, then)) {
    refused = HeldBack(gid);
  }
  if (!refused.ok() && refuse) {
    refuse(std::move(refused));
  }
  TakeHeld(txn);
  CheckDrained();
}

// In its order, until one of them has to be pondered as well.
void Shard::TakeHeld(const TxnPtr& txn) {
  while (!dropped_ && !txn->pondered && !txn->abandoned && !txn->held.empty()) {
    const HeldInput next = std::move(txn->held.front());
    txn->held.pop_front();
    txn->admitted = true;
    next.take();
    txn->admitted = false;
  }
}

void Shard::RefuseHeld(Txn& txn, const Status& status) {
  for (const HeldInput& one : std::exchange(txn.held, {})) {
    if (one.refuse) {
      one.refuse(status);
    }
  }
}

// Who submits the same meanwhile waits as behind a look-up; a child is away for its parent.
void Shard::OpenElsewhere(Opening opening, engine::Input input) {
  looking_up_.try_emplace(opening.gid);
  looking_up_count_.Set(looking_up_.size());
  opening_.insert(opening.gid);
  ++pondering_;
  counters_.pondered.fetch_add(1, std::memory_order_relaxed);
  struct Job {
    Opening opening;
    engine::Input input;
    std::optional<engine::Decision> decision = std::nullopt;
    Status defect = OutOfMemory();  // Until it was worked out.
  };
  const auto job = std::make_shared<Job>(Job{std::move(opening), std::move(input)});
  auto elsewhere = [job] {
    job->defect = RunElsewhere(job->opening.gid, [&job] {
      job->decision = OpenWithin(UINT64_MAX, *job->opening.txn->plan, job->input);
    });
  };
  // A child is lost with its parent, who asks again.
  std::function<void(Status)> lost;
  if (!job->opening.is_child) {
    lost = [job](const Status& why) { job->opening.done(why); };
  }
  auto back = [this, job] { OnOpened(job->opening, std::move(job->decision), job->defect); };
  host_.Compute(std::move(elsewhere), InTurnOr(std::move(back), std::move(lost)));
}

void Shard::OnOpened(const Opening& opening, std::optional<engine::Decision> decision,
                     const Status& defect) {
  --pondering_;
  opening_.erase(opening.gid);
  auto queued = std::move(looking_up_.at(opening.gid));
  looking_up_.erase(opening.gid);
  looking_up_count_.Set(looking_up_.size());
  if (decision) {
    Open(opening, std::move(*decision));
  } else {
    HoldBack(opening.gid, opening.txn, defect);
    counters_.rejected.fetch_add(1, std::memory_order_relaxed);
    opening.done(HeldBack(opening.gid));
  }
  for (auto& [next_command, next_done] : queued) {
    Submit(std::move(next_command), std::move(next_done));
  }
  if (opening.is_child) {
    TellParentOf(opening.gid);  // Who may have asked for it again meanwhile.
  }
  CheckDrained();
}

}  // namespace entente::runtime
