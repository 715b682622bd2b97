// What a mode is: transition tables, written as data. Internal to the engine, but for tests, which
// enumerate every cell.
//
// The transaction table says what each kind of input means in each status. Inputs that concern a
// branch go on to the branch table: what each event means in each phase, while the transaction is
// driven forward, while what was decided is finished, and while it is undone. Every cell is an
// action, a no-op or a rejection; there is no default.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/core/draft.h"
#include "engine/family/family.h"
#include "engine/input.h"

namespace entente::engine {

// A status, or that there is no transaction yet.
enum class TxnRow : uint8_t {
  kNone,
  kActive,
  kCommitting,
  kCommitted,
  kAborting,
  kAborted,
  kMixed,
};
inline constexpr size_t kTxnRows = 7;
std::string_view TxnRowName(TxnRow row);
[[nodiscard]] TxnRow RowOf(const TxnState& state);

enum class TxnEvent : uint8_t {
  kSubmitted,
  kReply,
  kCompletion,
  kBranchTimer,
  kDeadlineDue,
  kDeadlineEarly,  // The timer fired before the deadline, or there is none.
  kAbort,
  kSignal,
  kPause,
  kResume,
  kRetry,
  kSkip,
  kResolve,
  kRecovered,
  kEnlist,
  kCommit,
  kLetGo,
};
inline constexpr size_t kTxnEvents = 17;
std::string_view TxnEventName(TxnEvent event);
[[nodiscard]] TxnEvent Classify(const TxnState& state, const Input& input);

// Which way the transaction goes.
enum class Course : uint8_t {
  kDriving,    // Forward, step by step.
  kFinishing,  // Every branch did its part; each is told to make it final.
  kUndoing,
};
inline constexpr size_t kCourses = 3;
std::string_view CourseName(Course course);

enum class BranchEvent : uint8_t {
  kDone,     // Of any attempt at the current operation: it proves that it happened.
  kRefused,  // This and the next three: of the current attempt only.
  kUnknown,
  kNotSent,
  kPending,
  kStray,  // A reply to anything else.
  kTimerDue,
  kTimerEarly,  // A timer that was replaced, or whose reason is gone.
  kCompletionDone,
  kCompletionRefused,
  kCompletionStray,  // Of another operation or alternative.
  kSignal,
  kOperatorRetry,
  kOperatorSkip,
  kInterrupted,   // Recovery found the call in flight.
  kAbortDecided,  // Just now, in this very decision.
  // The participant settled the branch by itself: as was decided, or otherwise.
  kHeuristicAgrees,
  kHeuristicDiffers,
};
inline constexpr size_t kBranchEvents = 18;
std::string_view BranchEventName(BranchEvent event);
[[nodiscard]] BranchEvent Classify(const BranchFacts& branch, const BranchReplied& replied);
[[nodiscard]] BranchEvent Classify(const BranchFacts& branch, const CompletionReceived& received);

inline constexpr size_t kBranchPhases = static_cast<size_t>(BranchPhase::kReadOnly);

struct ModeTable;

// One Decide under way.
struct Turn {
  const ModeTable& table;
  Draft& draft;
  const Event& event;

  // Of the steps that lead to the outcome.
  [[nodiscard]] Course course() const;
  // Of a branch: what has its time once the outcome is decided is driven forward either way, and
  // what lost its race is undone either way.
  [[nodiscard]] Course course(BranchRef ref) const;
};

enum class CellKind : uint8_t { kAct, kIgnore, kReject };

template <class Action>
struct Cell {
  CellKind kind = CellKind::kIgnore;
  Action action = nullptr;
  std::string_view name;  // Of the action, or the code of the rejection.
};
using TxnAction = void (*)(Turn&);
using BranchAction = void (*)(Turn&, BranchRef);
using TxnCell = Cell<TxnAction>;
using BranchCell = Cell<BranchAction>;

using TxnTable = std::array<std::array<TxnCell, kTxnEvents>, kTxnRows>;
using BranchRow = std::array<BranchCell, kBranchEvents>;
using BranchTable = std::array<BranchRow, kBranchPhases>;  // kBlocked, the first phase, at 0.

struct ModeTable {
  Mode mode;
  TxnTable txn;
  std::array<Course, kTxnRows> courses;  // By status; of the finished ones it does not matter.
  std::array<BranchTable, kCourses> branch;
  // Starts whatever has become due by the records so far, and ends the transaction if nothing is
  // left to do. Runs after every action; changes nothing when nothing is due.
  void (*advance)(Turn&);
  // Why no abort can be decided just now although the transaction is ACTIVE: the code of the
  // refusal, or empty if one can.
  std::string_view (*in_doubt)(const Draft&);
  // What follows the decision only carries it out: answers to it and the end may be lost in a
  // crash, since recovery carries it out again (durability.h). False: the end is a decision.
  bool lazy_settling = false;

  [[nodiscard]] const TxnCell& at(TxnRow row, TxnEvent event) const {
    return txn[static_cast<size_t>(row)][static_cast<size_t>(event)];
  }
  [[nodiscard]] const BranchCell& at(Course course, BranchPhase phase, BranchEvent event) const {
    return branch[static_cast<size_t>(course)][static_cast<size_t>(phase) - 1]
                 [static_cast<size_t>(event)];
  }
  [[nodiscard]] Course CourseOf(TxnStatus status) const {
    return courses[static_cast<size_t>(status)];
  }
};

inline Course Turn::course() const {
  return table.CourseOf(draft.status());
}
inline Course Turn::course(BranchRef ref) const {
  if (draft.plan_step(ref).race && draft.step(ref.step).lost()) {
    return Course::kUndoing;
  }
  return draft.plan_step(ref).stage == dsl::Stage::kMain ? course() : Course::kDriving;
}

[[nodiscard]] const ModeTable& TableOf(Mode mode);

// Looks the cell up and does what it says.
void Dispatch(Turn& turn, BranchRef ref, BranchEvent event);
void Dispatch(Turn& turn, TxnRow row, TxnEvent event);

// The refusal that a code in the tables stands for.
[[nodiscard]] Status Refusal(std::string_view code, const Gid& gid, const BranchId& branch = {});

// Told of every cell that is looked up, on the thread that looks: for tests.
class CellObserver {
 public:
  virtual ~CellObserver() = default;
  virtual void OnCell(Mode mode, TxnRow row, TxnEvent event) = 0;
  virtual void OnCell(Mode mode, Course course, BranchPhase phase, BranchEvent event) = 0;
  virtual void OnCell(ChildStanding child, ParentStanding parent) = 0;
};

void TellObserver(ChildStanding child, ParentStanding parent);

// For the calling thread; null ends it. Not owned. Returns the one before.
CellObserver* SetCellObserver(CellObserver* observer);

}  // namespace entente::engine
