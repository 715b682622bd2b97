// The meaning of each record, written once: Evolve folds it into a state, and a Draft folds it into
// the overlay of a decision in the making. Internal to the engine.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "base/status.h"
#include "engine/record.h"
#include "engine/state.h"
#include "engine/state_lookup.h"

namespace entente::engine {

// Store has:
//   TxnStatus status() const; void SetStatus(TxnStatus); void SetPaused(bool);
//   void SetDeadlineMissed(); void SetClosed(); bool held() const;
//   std::optional<BranchRef> Locate(const BranchId&);
//   BranchFacts& Branch(BranchRef);        to be changed
//   StepFacts& Step(size_t);               to be changed; created if the state does not reach there
//   void Expand(const StepExpanded&);      makes the branches, all blocked
//   void KeepOutput(BranchRef, const JsonText& output, const JsonText& answer);
//   void KeepSignal(const SignalReceived&); void DropSignal(const std::string& name);
//       keeps one behind those of its name, drops the first of them
//   void KeepSource(size_t step, const std::string&);   of an enlisted branch
//   void SetBack(Duration);                every instant that was counted from one of the clock's
//   void Weigh(size_t more, size_t less);  of the payloads, in bytes
//   void KeepCommit(); void KeepAbort(const AbortDecided&); void KeepHeld(const Held&);
//   void KeepEnd(const Ended&, Instant);

// The instants of a branch that were counted from one of the clock's.
inline void SetBack(BranchFacts& branch, Duration by) {
  for (std::optional<Instant>* at : {&branch.wake_at, &branch.deadline, &branch.forward_deadline,
                                     &branch.expires_at, &branch.forward_at}) {
    if (*at) {
      **at -= by;
    }
  }
}

template <class Store>
class Folder {
 public:
  Folder(Store& store, Instant at) : store_(store), at_(at) {}

  [[nodiscard]] Status Fold(const RecordBody& body) {
    return std::visit([this](const auto& record) { return Apply(record); }, body);
  }

 private:
  using P = BranchPhase;

  static Status Impossible(const std::string& what) {
    return DataLoss("journal.impossible_record",
                    "the journal holds a record that can not follow the ones before it (" + what +
                        "): it is corrupt; restore it from a backup");
  }
  static Status Impossible(std::string_view record, const BranchFacts& branch) {
    return Impossible(std::string(record) + " of branch '" + branch.id.str() + "' in phase " +
                      std::string(BranchPhaseName(branch.phase)));
  }

  template <class... Phases>
  [[nodiscard]] static bool In(const BranchFacts& branch, Phases... phases) {
    return ((branch.phase == phases) || ...);
  }

  // Finds the branch and applies `change` to it, which returns false if it can not be.
  template <class Change>
  Status Alter(std::string_view record, const BranchId& id, Change change) {
    const auto ref = store_.Locate(id);
    if (!ref) {
      return Impossible(std::string(record) + " of an unknown branch '" + id.str() + "'");
    }
    BranchFacts& branch = store_.Branch(*ref);
    const P before = branch.phase;
    if (!change(branch, *ref)) {
      return Impossible(record, branch);
    }
    if (branch.phase != before) {
      store_.Step(ref->step).phases.Move(before, branch.phase);
    }
    return {};
  }

  // No call is out, nothing is waited for.
  static void Rest(BranchFacts& branch, P phase) {
    branch.phase = phase;
    branch.wake_at.reset();
    branch.deadline.reset();
    branch.stuck_since.reset();
    branch.poll_url.clear();
    branch.signal.clear();
    branch.polls = 0;
  }
  void Settle(BranchFacts& branch, P phase) {
    Rest(branch, phase);
    branch.ended_at = at_;
  }
  void Tolerate(BranchFacts& branch, BranchRef ref, bool tolerated) {
    if (tolerated) {
      branch.tolerated = true;
      ++store_.Step(ref.step).tolerated;
    }
  }
  void SetEdit(BranchFacts& branch, std::shared_ptr<const BranchEdit> edit) {
    store_.Weigh(edit ? edit->bytes() : 0, branch.edit ? branch.edit->bytes() : 0);
    branch.edit = std::move(edit);
  }
  void Call(BranchFacts& branch, P phase) {
    Rest(branch, phase);
    ++branch.attempt;
    ++branch.budget_used;
    branch.run = branch.refusals;
    if (phase == P::kForward) {
      branch.forward_run = branch.run;
    }
  }

  // Its operation is what happens or does not: a forward one, or a commit in one phase.
  static bool Decides(const BranchFacts& branch) {
    return branch.one_phase || RoleOf(branch.phase) == Role::kForward;
  }
  static bool IsUnfinishedOnePhase(const BranchFacts& branch) {
    return branch.one_phase &&
           In(branch, P::kFinish, P::kFinishBackoff, P::kFinishPending, P::kFinishStuck);
  }

  // The phase of the same role for each kind of place in it.
  static P Calling(Role role) {
    return role == Role::kForward ? P::kForward : role == Role::kUndo ? P::kUndo : P::kFinish;
  }
  static P Backoff(Role role) {
    return role == Role::kForward ? P::kForwardBackoff
           : role == Role::kUndo  ? P::kUndoBackoff
                                  : P::kFinishBackoff;
  }
  static P Pending(Role role) {
    return role == Role::kForward ? P::kForwardPending
           : role == Role::kUndo  ? P::kUndoPending
                                  : P::kFinishPending;
  }
  static P Settled(Role role) {
    return role == Role::kForward ? P::kDone : role == Role::kUndo ? P::kUndone : P::kFinished;
  }
  static P Stuck(Role role) {
    return role == Role::kForward ? P::kForwardStuck
           : role == Role::kUndo  ? P::kUndoStuck
                                  : P::kFinishStuck;
  }

  Status Apply(const Accepted&) { return Impossible("accepted, a second time"); }

  Status Apply(const StepExpanded& record) {
    if (record.step >= limits::kMaxSteps) {
      return Impossible("step-expanded of step number " + std::to_string(record.step));
    }
    const StepFacts& step = store_.Step(record.step);
    if (step.expanded || step.skipped) {
      return Impossible("step-expanded of '" + record.id + "', which is begun or skipped");
    }
    store_.Expand(record);
    return {};
  }

  Status Apply(const StepSkipped& record) {
    if (record.step >= limits::kMaxSteps) {
      return Impossible("step-skipped of step number " + std::to_string(record.step));
    }
    if (record.branch) {
      return Alter("step-skipped", *record.branch, [&](BranchFacts& branch, BranchRef) {
        if (!In(branch, P::kBlocked)) {
          return false;
        }
        Settle(branch, P::kSkipped);
        return true;
      });
    }
    StepFacts& step = store_.Step(record.step);
    // One that was begun has lost its race, and is not done therefore.
    if (step.skipped || step.for_each || step.phases.of(P::kDone) > 0) {
      return Impossible("step-skipped of a step that is done or skipped");
    }
    step.skipped = true;
    return {};
  }

  Status Apply(const OperationStarted& record) {
    return Alter("operation-started", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      switch (record.role) {
        case Role::kForward: return StartForward(branch, record);
        case Role::kUndo:
          if (!In(branch, P::kDone, P::kGaveUp, P::kEnlisted)) {
            return false;
          }
          SetUndoing(branch, ref);
          break;
        case Role::kFinish:
          if (!In(branch, P::kDone, P::kEnlisted) &&
              !(record.one_phase && In(branch, P::kBlocked))) {
            return false;
          }
          branch.may_have_happened = false;
          break;
      }
      branch.one_phase = record.one_phase;
      branch.by_operator = false;
      if (!branch.started_at) {
        branch.started_at = at_;
      }
      branch.attempt = branch.budget_used = branch.refusals = 0;
      branch.ended_at.reset();
      SetEdit(branch, nullptr);
      Call(branch, Calling(record.role));
      return true;
    });
  }

  // What is undone while nothing is decided makes room for another way to do the step. Whatever is
  // decided meanwhile, the undo stays the one that was begun.
  void SetUndoing(BranchFacts& branch, BranchRef ref) {
    branch.undo_without_output = branch.phase != P::kDone;
    branch.undone_for_another =
        store_.status() == TxnStatus::kActive && !store_.Step(ref.step).lost();
  }

  // Nothing of the ways that were taken so far stands, and another one may follow.
  [[nodiscard]] bool IsOpenForAnother(const BranchFacts& branch) const {
    const bool given_up =
        store_.status() == TxnStatus::kActive && In(branch, P::kGaveUp, P::kUndone);
    return !branch.tolerated && (branch.phase == P::kRefused || given_up);
  }

  bool StartForward(BranchFacts& branch, const OperationStarted& record) {
    const bool first = In(branch, P::kBlocked, P::kEnlisted) && record.alternative == 0;
    const bool next = IsOpenForAnother(branch) && record.alternative > branch.alternative;
    if (!first && !next) {
      return false;
    }
    branch.alternative = record.alternative;
    branch.attempt = branch.budget_used = branch.refusals = 0;
    branch.rounds = branch.rounds_used = 0;
    branch.may_have_happened = false;
    branch.undo_without_output = branch.undone_for_another = branch.given_up = false;
    branch.by_operator = false;
    branch.heuristic.reset();
    branch.forward_deadline = record.deadline;
    branch.forward_at = at_;
    if (first) {
      branch.started_at = at_;
    }
    branch.ended_at.reset();
    SetEdit(branch, nullptr);
    Call(branch, P::kForward);
    return true;
  }

  Status Apply(const WaitStarted& record) {
    return Alter("wait-started", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!In(branch, P::kBlocked, P::kForward, P::kWaiting)) {
        return false;
      }
      Rest(branch, P::kWaiting);
      branch.wake_at = record.until;
      branch.signal = record.signal;
      if (!branch.started_at) {
        branch.started_at = at_;
      }
      return true;
    });
  }

  Status Apply(const AttemptFailed& record) {
    return Alter("attempt-failed", record.branch, [&](BranchFacts& branch, BranchRef) {
      const bool not_yet = record.outcome == AttemptOutcome::kNotYet;
      if (!IsCalling(branch.phase) && !In(branch, P::kUndoPending, P::kFinishPending) &&
          !(not_yet && branch.phase == P::kForwardPending)) {
        return false;
      }
      if (not_yet) {
        // Each round has a budget of its own. What was done in this one is there.
        ++branch.rounds;
        ++branch.rounds_used;
        branch.budget_used = 0;
        branch.may_have_happened = true;
      }
      if (Decides(branch) && record.outcome == AttemptOutcome::kUnknown) {
        branch.may_have_happened = true;
      }
      branch.refusals += record.outcome == AttemptOutcome::kRefused ? 1 : 0;
      if (record.outcome == AttemptOutcome::kHeldBack && branch.budget_used > 0) {
        --branch.budget_used;
      }
      Rest(branch, Backoff(RoleOf(branch.phase)));
      branch.by_operator = false;  // That it was refused settles nothing, whoever said so.
      branch.wake_at = record.retry_at;
      branch.failure = record.failure;
      return true;
    });
  }

  Status Apply(const AttemptStarted& record) {
    return Alter("attempt-started", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsBackoff(branch.phase)) {
        return false;
      }
      Call(branch, Calling(RoleOf(branch.phase)));
      return true;
    });
  }

  Status Apply(const CallInterrupted& record) {
    return Alter("call-interrupted", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsCalling(branch.phase)) {
        return false;
      }
      // Not counted against the budget: it is not the participant that failed.
      ++branch.attempt;
      branch.may_have_happened = branch.may_have_happened || Decides(branch);
      return true;
    });
  }

  Status Apply(const OperationPending& record) {
    return Alter("operation-pending", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsCalling(branch.phase)) {
        return false;
      }
      Rest(branch, Pending(RoleOf(branch.phase)));
      branch.poll_url = record.poll_url;
      branch.wake_at = record.wake_at;
      branch.deadline = record.deadline;
      return true;
    });
  }

  Status Apply(const PollScheduled& record) {
    return Alter("poll-scheduled", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsPending(branch.phase)) {
        return false;
      }
      branch.wake_at = record.wake_at;
      if (record.failure) {
        branch.failure = record.failure;
      }
      ++branch.polls;
      return true;
    });
  }

  Status Apply(const OperationSucceeded& record) {
    return Alter("operation-succeeded", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      if (!IsCalling(branch.phase) && !IsBackoff(branch.phase) && !IsPending(branch.phase) &&
          !IsStuck(branch.phase) && branch.phase != P::kWaiting) {
        return false;
      }
      if (branch.phase == P::kWaiting && !branch.signal.empty()) {
        store_.DropSignal(branch.signal);
      }
      const bool decides = Decides(branch);
      Settle(branch, record.read_only ? P::kReadOnly : Settled(RoleOf(branch.phase)));
      if (decides) {
        store_.KeepOutput(ref, record.output, record.answer);
      }
      return true;
    });
  }

  Status Apply(const OperationRefused& record) {
    return Alter("operation-refused", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      // An alternative was to follow, and then it was too late for one.
      const bool no_more = IsOpenForAnother(branch) && record.tolerated;
      if (!In(branch, P::kBlocked, P::kForward, P::kForwardBackoff, P::kForwardPending,
              P::kWaiting) &&
          !IsUnfinishedOnePhase(branch) && !no_more) {
        return false;
      }
      Settle(branch, P::kRefused);
      branch.failure = record.failure;
      branch.given_up = record.given_up;
      Tolerate(branch, ref, record.tolerated);
      return true;
    });
  }

  Status Apply(const OperationGaveUp& record) {
    return Alter("operation-gave-up", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      const bool no_more = IsOpenForAnother(branch) && record.tolerated;
      if (!In(branch, P::kForward, P::kForwardBackoff, P::kForwardPending, P::kForwardStuck) &&
          !IsUnfinishedOnePhase(branch) && !no_more) {
        return false;
      }
      Settle(branch, P::kGaveUp);
      branch.may_have_happened = true;
      branch.failure = record.failure;
      Tolerate(branch, ref, record.tolerated);
      return true;
    });
  }

  Status Apply(const IncidentRaised& record) {
    return Alter("incident-raised", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      if (In(branch, P::kSkipped, P::kUndone, P::kFinished, P::kReadOnly) ||
          IsStuck(branch.phase)) {
        return false;
      }
      Role role = RoleOf(branch.phase);
      if (In(branch, P::kDone, P::kGaveUp, P::kEnlisted)) {
        // The operation that settles it could not even be begun.
        const bool undoes = branch.phase == P::kGaveUp || store_.Step(ref.step).lost() ||
                            store_.status() == TxnStatus::kAborting;
        role = undoes ? Role::kUndo : Role::kFinish;
        SetUndoing(branch, ref);
        branch.attempt = branch.budget_used = branch.refusals = branch.run = 0;
        branch.ended_at.reset();
        SetEdit(branch, nullptr);
      } else if (branch.one_phase ||
                 In(branch, P::kForward, P::kForwardBackoff, P::kForwardPending)) {
        // Its last call may be the one that worked: a later refusal proves nothing.
        branch.may_have_happened = true;
      }
      Rest(branch, Stuck(role));
      branch.by_operator = false;
      branch.stuck_since = at_;
      branch.failure = record.failure;
      return true;
    });
  }

  Status Apply(const CommitDecided&) {
    if (store_.status() != TxnStatus::kActive) {
      return Impossible("commit-decided in status " + std::string(TxnStatusName(store_.status())));
    }
    store_.SetStatus(TxnStatus::kCommitting);
    store_.KeepCommit();
    return {};
  }

  Status Apply(const AbortDecided& record) {
    if (store_.status() != TxnStatus::kActive) {
      return Impossible("abort-decided in status " + std::string(TxnStatusName(store_.status())));
    }
    store_.SetStatus(TxnStatus::kAborting);
    store_.KeepAbort(record);
    return {};
  }

  Status Apply(const Held& record) {
    if (store_.status() != TxnStatus::kActive || store_.held()) {
      return Impossible("held in status " + std::string(TxnStatusName(store_.status())));
    }
    store_.KeepHeld(record);
    return {};
  }

  Status Apply(const DeadlineMissed&) {
    store_.SetDeadlineMissed();
    return {};
  }

  Status Apply(const SignalReceived& record) {
    store_.KeepSignal(record);
    return {};
  }

  Status Apply(const Paused&) {
    store_.SetPaused(true);
    return {};
  }

  Status Apply(const Resumed&) {
    store_.SetPaused(false);
    return {};
  }

  Status Apply(const OperatorRetried& record) {
    return Alter("operator-retried", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsStuck(branch.phase) && !IsBackoff(branch.phase)) {
        return false;
      }
      Call(branch, Calling(RoleOf(branch.phase)));
      branch.budget_used = 1;
      branch.rounds_used = 0;
      // The step's own deadline is over or nearly so, or nobody would have had to act.
      branch.forward_deadline.reset();
      if (!branch.started_at) {
        branch.started_at = at_;
      }
      return true;
    });
  }

  Status Apply(const OperatorEdited& record) {
    return Alter("operator-edited", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!IsStuck(branch.phase) && !IsBackoff(branch.phase)) {
        return false;
      }
      BranchEdit edit = branch.edit ? *branch.edit : BranchEdit{};
      edit.body = record.body ? record.body : edit.body;
      edit.retry = record.retry ? record.retry : edit.retry;
      SetEdit(branch, std::make_shared<const BranchEdit>(std::move(edit)));
      return true;
    });
  }

  Status Apply(const OperatorSkipped& record) {
    return Alter("operator-skipped", record.branch, [&](BranchFacts& branch, BranchRef ref) {
      if (!IsStuck(branch.phase) && !IsBackoff(branch.phase) && !IsPending(branch.phase) &&
          branch.phase != P::kWaiting) {
        return false;
      }
      const bool decides = Decides(branch);
      Settle(branch, Settled(RoleOf(branch.phase)));
      branch.by_operator = true;
      if (decides) {
        store_.KeepOutput(ref, record.output, JsonText());
      }
      return true;
    });
  }

  Status Apply(const OperatorCompleted& record) {
    return Alter("operator-completed", record.branch, [&](BranchFacts& branch, BranchRef) {
      branch.by_operator = IsPending(branch.phase);
      return branch.by_operator;
    });
  }

  Status Apply(const BranchEnlisted& record) {
    if (record.step >= limits::kMaxSteps || store_.Step(record.step).expanded ||
        store_.status() != TxnStatus::kActive) {
      return Impossible("branch-enlisted of '" + record.branch.str() + "'");
    }
    store_.Expand(StepExpanded{record.step, record.branch.str(), false, {}});
    store_.KeepSource(record.step, record.source);
    BranchFacts& branch = store_.Branch({record.step, 0});
    store_.Step(record.step).phases.Move(branch.phase, P::kEnlisted);
    branch.phase = P::kEnlisted;
    branch.enlisted = true;
    branch.started_at = at_;
    branch.forward_at = at_;
    return {};
  }

  Status Apply(const ReservationExpires& record) {
    return Alter("reservation-expires", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (!In(branch, P::kDone, P::kEnlisted)) {
        return false;
      }
      branch.expires_at = record.expires;
      branch.wake_at = record.safe_until;
      return true;
    });
  }

  Status Apply(const ClockSetBack& record) {
    if (record.by <= Duration::zero()) {
      return Impossible("clock-set-back by " + std::to_string(record.by.count()));
    }
    store_.SetBack(record.by);
    return {};
  }

  Status Apply(const EnlistmentClosed&) {
    if (store_.status() != TxnStatus::kActive) {
      return Impossible("enlistment-closed in status " +
                        std::string(TxnStatusName(store_.status())));
    }
    store_.SetClosed();
    return {};
  }

  Status Apply(const HeuristicReported& record) {
    return Alter("heuristic-reported", record.branch, [&](BranchFacts& branch, BranchRef) {
      if (RoleOf(branch.phase) == Role::kForward) {
        return false;
      }
      branch.heuristic = record.outcome;
      branch.failure = record.failure;
      return true;
    });
  }

  Status Apply(const Ended& record) {
    const TxnStatus from = store_.status();
    const bool possible = (record.status == TxnStatus::kCommitted &&
                           (from == TxnStatus::kActive || from == TxnStatus::kCommitting)) ||
                          (record.status == TxnStatus::kAborted && from == TxnStatus::kAborting) ||
                          (record.status == TxnStatus::kMixed && record.forced.has_value());
    if (!possible) {
      return Impossible("ended " + std::string(TxnStatusName(record.status)) + " in status " +
                        std::string(TxnStatusName(from)));
    }
    store_.SetStatus(record.status);
    store_.KeepEnd(record, at_);
    return {};
  }

  Store& store_;
  Instant at_;
};

}  // namespace entente::engine
