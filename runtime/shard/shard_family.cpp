// Shard: parents and their children. What becomes of them is decided by engine/family; this finds
// out how they stand.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "engine/family/family.h"
#include "runtime/definitions/children.h"
#include "runtime/shard/shard.h"
#include "runtime/shard/shard_txn.h"

namespace entente::runtime {
namespace {

using engine::ChildStanding;
using engine::FamilyAction;
using engine::Obstacle;
using engine::ParentStanding;

// Empty for one that has none.
Gid ParentGidOf(const Gid& child) {
  const size_t end = child.str().rfind('~');
  return end == std::string::npos ? Gid() : Gid(child.str().substr(0, end));
}

engine::Failure ToFailure(const Status& status) {
  return {status.reason(), status.message()};
}

// How long a held child waits until it looks whether its parent has ended without a word.
constexpr Duration kFollowPause = std::chrono::minutes(5);

}  // namespace

size_t ChildDepth(const Gid& gid) {
  return static_cast<size_t>(std::count(gid.str().begin(), gid.str().end(), '~'));
}

bool Shard::IsAway(const Gid& gid) const {
  return reloading_.contains(gid) || quarantined_.contains(gid) || parked_.contains(gid) ||
         opening_.contains(gid);
}

ChildStanding Shard::StandingOfChild(const Gid& child) const {
  if (const auto found = open_.find(child); found != open_.end()) {
    const engine::TxnState& state = *found->second->state;
    return state.finished()        ? ChildStanding::kEnded
           : state.awaits_parent() ? ChildStanding::kHeld
                                   : ChildStanding::kOpen;
  }
  return IsAway(child) ? ChildStanding::kAway : ChildStanding::kUnknown;
}

ParentStanding Shard::StandingOfParent(const Gid& parent, const engine::StartChild& call) const {
  const auto found = open_.find(parent);
  if (found == open_.end()) {
    return engine::StandingOfAbsent(IsAway(parent), call);
  }
  const Txn& txn = *found->second;
  const bool family_must_go_on =
      txn.state->parent && txn.parent_call &&
      StandingOfParent(txn.state->parent->gid, *txn.parent_call) == ParentStanding::kMustHave;
  return engine::StandingOf(*txn.state, call, family_must_go_on);
}

void Shard::CarryOut(const TxnPtr& txn, engine::StartChild& start) {
  if (draining_) {
    return;
  }
  if (ChildDepth(start.child) > limits::kMaxChildDepth) {
    const engine::Failure failure{"child.too_deep", "child transactions are nested deeper than " +
                                                        std::to_string(limits::kMaxChildDepth) +
                                                        " levels"};
    host_.Post(InTurn([this, parent = txn->state->gid, start = std::move(start), failure] {
      ReplyToParent(parent, start, engine::WhyNotBegun(Obstacle::kTooDeep, failure));
    }));
    return;
  }
  MeetChild(txn->state->gid, std::move(start), {});
}

// `found` is what was read of the child, if somebody has looked; what memory knows comes first.
void Shard::MeetChild(const Gid& parent, engine::StartChild start, FoundChild found) {
  ChildStanding standing = StandingOfChild(start.child);
  if (standing == ChildStanding::kUnknown) {
    standing = found.standing;
  } else if (standing == ChildStanding::kEnded || standing == ChildStanding::kHeld) {
    found.txn = open_.at(start.child);
    found.txn->parent_call = start;  // Should it be stopped before it could answer, its end does.
  }
  const FamilyAction action = engine::Meet(standing, StandingOfParent(parent, start));
  switch (action) {
    case FamilyAction::kLookFor: LookForChild(parent, std::move(start)); break;
    case FamilyAction::kBegin:
    case FamilyAction::kBeginAnyhow:
      BeginChild(parent, std::move(start), std::move(found.plan),
                 action == FamilyAction::kBeginAnyhow);
      break;
    case FamilyAction::kRefuse: ReplyToParent(parent, start, engine::Unwanted()); break;
    case FamilyAction::kMiss:
      if (const auto asker = open_.find(parent); asker != open_.end()) {
        ReplyToParent(parent, start, engine::Missed(*asker->second->state, start));
      }
      break;
    case FamilyAction::kAdopt:
    case FamilyAction::kAdoptAndStop: {
      const TxnPtr child = open_.at(start.child);
      child->parent_call = std::move(start);
      if (action == FamilyAction::kAdoptAndStop) {
        Take(child, engine::StopChild(), {});
      }
      break;
    }
    case FamilyAction::kAnswer:
      // One that is still in memory has ended or is held, and its last records may be on their way.
      WhenDurable(found.txn, [this, child = found.txn, parent,
                              start = std::move(start)](const Status& status) {
        if (status.ok() && (child->state->finished() || child->state->awaits_parent())) {
          ReplyToParent(parent, start, engine::AnswerOf(*child->state, start));
        }
      });
      break;
    case FamilyAction::kAwait: break;
  }
}

// An earlier incarnation of this process, or another owner, may have begun it, even ended it.
void Shard::LookForChild(const Gid& parent, engine::StartChild start) {
  struct Job {
    engine::StartChild start;
    Result<storage::StoredTxn> stored = OutOfMemory();  // Until it could be read.
    Result<PlanPtr> plan = OutOfMemory();
  };
  auto job = std::make_shared<Job>(Job{std::move(start)});
  Offload(
      [&journal = journal_, &definitions = definitions_, job] {
        job->stored = journal.Load(job->start.child);
        if (job->stored.status().code() == StatusCode::kNotFound && !job->start.undoes) {
          job->plan = definitions.Get(job->start.definition, job->start.version);
        }
      },
      [this, job, parent] {
        if (job->stored.status().code() == StatusCode::kNotFound) {
          MeetChild(parent, std::move(job->start),
                    {ChildStanding::kAbsent, nullptr, std::move(job->plan)});
          return;
        }
        auto child =
            job->stored.ok() ? Rebuild(*job->stored) : Result<TxnPtr>(job->stored.status());
        if (!child.ok()) {
          ReplyToParent(parent, job->start,
                        engine::WhyNotBegun(Obstacle::kNotReadable, ToFailure(child.status())));
          return;
        }
        const bool ended = (*child)->state->finished();
        MeetChild(parent, std::move(job->start),
                  {ended ? ChildStanding::kEnded : ChildStanding::kAway, std::move(*child),
                   OutOfMemory()});
      });
}

void Shard::BeginChild(const Gid& parent, engine::StartChild start, Result<PlanPtr> plan,
                       bool anyhow) {
  const auto obstacle = [&](Obstacle what, engine::Failure why) {
    ReplyToParent(parent, start, engine::WhyNotBegun(what, std::move(why)));
  };
  if (!plan.ok()) {
    obstacle(plan.status().code() == StatusCode::kNotFound ? Obstacle::kNoDefinition
                                                           : Obstacle::kNotReadable,
             ToFailure(plan.status()));
    return;
  }
  if (start.holds) {
    if (const Status undoable = CheckUndoable(**plan); !undoable.ok()) {
      obstacle(Obstacle::kNotUndoable, ToFailure(undoable));
      return;
    }
  }
  const Status refused = RefuseNew();
  if (refused.code() == StatusCode::kUnavailable) {
    obstacle(Obstacle::kStopping, NotMadeWhileStopping());
    return;
  }
  if (!refused.ok() && !anyhow) {
    obstacle(Obstacle::kFull, ToFailure(refused));
    return;
  }
  engine::Submitted submitted;
  submitted.gid = start.child;
  submitted.input = start.input;
  submitted.deadline = start.deadline;
  submitted.parent = engine::ParentLink{parent, start.command.branch, start.holds};
  if (const auto found = open_.find(parent); found != open_.end()) {
    submitted.traceparent = found->second->state->traceparent;
  }
  SubmitCommand command{std::move(*plan), false, std::move(submitted), std::nullopt};
  command.parent_call = start;
  Create(std::move(command), [this, parent, start](const Result<SubmitReply>& created) {
    if (!created.ok() && !open_.contains(start.child)) {
      const std::string_view why = created.status().reason();
      const bool bad_input = why == kChildInputInvalid || why == "input.deadline_invalid";
      ReplyToParent(parent, start,
                    engine::WhyNotBegun(bad_input ? Obstacle::kBadInput : Obstacle::kFailed,
                                        ToFailure(created.status())));
    }
  });
}

void Shard::ReplyToParent(const Gid& parent, const engine::StartChild& start, engine::Reply reply) {
  if (const auto found = open_.find(parent); found != open_.end()) {
    const TxnPtr txn = found->second;
    Take(txn,
         engine::BranchReplied{start.command.branch, start.command.role, start.command.alternative,
                               start.attempt, std::move(reply)},
         {});
  }
}

void Shard::CarryOut(const TxnPtr& /*txn*/, engine::CancelChild& cancel) {
  if (const auto found = open_.find(cancel.child); found != open_.end()) {
    const TxnPtr child = found->second;
    Take(child, engine::StopChild(), {});
  }
  // Otherwise it is being looked for or read back: when they meet, its parent does not want it.
}

// What it did can still be undone, so it has not ended; but its parent's step has.
void Shard::CarryOut(const TxnPtr& txn, engine::NotifyHeld& /*held*/) {
  if (!txn->state->awaits_parent()) {
    return;  // Stopped before this was durable: its end is the answer.
  }
  RemoveTimers(*txn);
  // A call that undoes it is answered by its end, which is on its way.
  if (txn->parent_call && !txn->parent_call->undoes) {
    ReplyToParent(txn->state->parent->gid, *txn->parent_call,
                  engine::AnswerOf(*txn->state, *txn->parent_call));
  }
  FollowParent(txn);
}

// `parent` has ended, durably: so do the children that it holds.
void Shard::TellHeldChildren(const Txn& parent) {
  for (const Gid& gid : engine::HeldChildren(*parent.plan, *parent.state)) {
    if (const auto found = open_.find(gid); found != open_.end()) {
      const TxnPtr child = found->second;
      Take(child,
           engine::FateOfHeld(parent.plan->mode, *parent.state, gid, child->state->parent->branch),
           {});
    }
    // Otherwise it has ended, or asks when it is back.
  }
}

// A held child whose parent is not in memory asks what became of that: it may have ended while the
// child was away, or just before the process that drove both did. One that is open tells its
// children when it ends, and from here on finds this one in memory; should it fail half way, the
// child looks again.
void Shard::FollowParent(const TxnPtr& child) {
  const engine::TxnState& state = *child->state;
  if (!state.awaits_parent() || draining_) {
    return;
  }
  if (recovering_) {
    recovery_.held_children.push_back(child);  // Its parent may be among those yet to come.
    return;
  }
  FollowAgain(child, kFollowPause);
  const Gid parent = state.parent->gid;
  const auto known = open_.find(parent);
  const bool open = known != open_.end() && !known->second->state->finished();
  if (open || parked_.contains(parent) || quarantined_.contains(parent)) {
    return;
  }
  // Thousands of elements may have one parent: it is read once for all of them.
  std::vector<Gid>& followers = followers_[parent];
  followers.push_back(state.gid);
  if (followers.size() > 1) {
    return;
  }
  try {
    LookForFate(parent);
  } catch (...) {
    followers_.erase(parent);  // Nobody reads it.
    throw;
  }
}

void Shard::FollowAgain(const TxnPtr& child, Duration delay) {
  child->follow_at = host_.Now() + delay;
  timers_.Insert(*child->follow_at, FollowTimer{child->state->gid, *child->follow_at});
  UpdateWake();
}

void Shard::LookForFate(const Gid& parent) {
  const auto stored = std::make_shared<Result<storage::StoredTxn>>(OutOfMemory());
  Offload([&journal = journal_, parent, stored] { *stored = journal.Load(parent); },
          [this, parent, stored] {
            const std::vector<Gid> followers = std::move(followers_.extract(parent).mapped());
            const auto found = stored->ok() ? Rebuild(**stored) : Result<TxnPtr>(stored->status());
            for (const Gid& gid : followers) {
              if (const auto open = open_.find(gid); open != open_.end()) {
                const TxnPtr child = open->second;
                Guarded(gid, child, [&] { EndAsParent(child, found); });
              }
            }
          });
}

// `parent` is what was read of it.
void Shard::EndAsParent(const TxnPtr& child, const Result<TxnPtr>& parent) {
  if (!child->state->awaits_parent()) {
    return;
  }
  if (parent.status().code() == StatusCode::kNotFound) {
    LoseParent(child);
  } else if (!parent.ok()) {
    // Want of memory, or of the store, passes. All else is looked at again by the timer that is
    // set.
    if (parent.status().code() == StatusCode::kUnavailable) {
      FollowAgain(child, options_.reload_delay);
    }
  } else if ((*parent)->state->finished()) {
    const engine::TxnState& ended = *(*parent)->state;
    Take(child,
         engine::FateOfHeld(ended.mode, ended, child->state->gid, child->state->parent->branch),
         {});
  }
}

// The parent ended so long ago that it is not kept, or the journal lacks it. How it ended is not
// for us to guess: what it undid would stand.
void Shard::LoseParent(const TxnPtr& child) {
  const Gid gid = child->state->gid;
  const engine::Failure why{
      std::string(kParentNotFound),
      "the parent by which it is held is not in the journal, so that nobody knows how that ended: "
      "find out whether it committed or aborted, then resolve this one by hand"};
  blemishes_[gid].sentence = why;
  HoldBack(gid, child, FailedPrecondition(why.code, why.message));
}

// The child is back, or turned out not to be: its parent, if there is one, may have asked before
// and wait.
void Shard::TellParentOf(const Gid& child) {
  const auto parent = open_.find(ParentGidOf(child));
  if (parent == open_.end()) {
    return;
  }
  const TxnPtr asker = parent->second;
  Guarded(asker->state->gid, asker, [&] {
    if (auto call = engine::CallFor(*asker->plan, *asker->state, child)) {
      CarryOutInTurn(asker, {std::move(*call)});
    }
  });
}

}  // namespace entente::runtime
