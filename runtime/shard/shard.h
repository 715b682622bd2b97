// Shard: drives the open transactions of one ShardId, for as long as its lease holds.
//
// One object is one tenure. It is made when the shard was acquired, reads what is open (ReadOpen),
// carries on with it (ResumeOpen), and ends by Drain, when it is handed over, or by Drop, when it
// is lost. Whoever acquires the shard again makes another object. Families share a shard, so
// nothing that happens in one reaches into another.
//
// The loop, for each input: stamp it with time and entropy, Decide, Evolve, gather the records into
// the current batch; when everything that is ready was taken in, the keeper comes for the batch
// (TakeBatch) and hands it to the journal, together with those of its other shards; when it is
// durable (OnWritten), release the effects and answers that waited for it (CarryWritten). While one
// batch is being written the next one gathers. State in memory runs ahead of the journal by at most
// the two batches in hand, and nothing that depends on it leaves before it is durable: no effect,
// no answer, no event.
//
// OnWritten and CarryWritten are two, so that the next batches of all shards are with the journal
// while the effects of these are carried out, and neither waits for the other. What is durable
// counts as such only once it is carried out. Otherwise: a decision to pause is durable, and the
// calls that wait are to be withdrawn; another shard's turn comes in between and answers a client,
// who at once asks for a resume here; what that leads to overtakes the withdrawal, which then hits
// the calls that the resume made.
//
// Batches have numbers, and each transaction knows two of them, which prevent this:
//  - last_batch, of its latest records. An answer waits for it. Otherwise: a commit is decided in
//    batch 7, which is being written; a client asks for the state, is told "committing" at once,
//    the write fails, the shard reads the transaction back as active, and it aborts.
//  - forced_batch, of its latest forced decision. Effects of lazy decisions wait for it too.
//    Otherwise: an abort is decided in batch 7 (forced), then a late answer arrives whose record is
//    lazy and whose effect, an undo, goes out at once; the write fails or the process dies; what is
//    read back is not aborting, the step is called again and is answered from the participant's
//    memory of an operation that has been undone.
//  - While a transaction's records are in the batch in flight, it is not read back: what is read
//    would be without them, and would be decided anew on top of them.
// A batch that could not be written takes its transactions with it, and what was staged on top of
// them since: they are forgotten, and rebuilt from the journal as after a crash. Others go on.
//
// So is a transaction whose turn throws: what is staged of it is dropped, it is read back, and all
// others go on. One that fails again and again, or that was being driven whenever the process
// crashed, is quarantined: paused in the journal with an incident of its own, out of memory and
// not looked at any more, until an operator releases it.
//
// Parking. A transaction that only waits, for a signal, a distant timer or an operator, needs no
// state in memory: when more are there than kept_waiting, those that have rested for a while are
// forgotten but for their gid and the instant at which they are due, and are read back when that
// comes or somebody asks. That is a crash and a recovery of that one alone, of which nothing was in
// hand: none of its calls is out, and all of its records are durable.
//
// Pondering. Expressions and schemas are bounded, but not by what a thread that drives thousands of
// transactions may be held up for. A decision that takes more than most_at_once is begun again
// elsewhere, on the state as it is, which then has to stay so: whatever comes in for that
// transaction waits, in its order, and all others go on. Otherwise: a timer fires while the answer
// of a call is being looked at; it is decided first, and aborts; what the answer led to is then
// folded on top of that, which it does not follow, or goes on with what was undone. A transaction
// that is forgotten meanwhile, because an append failed or the shard was lost, loses what was
// pondered with all else that was staged; what waited is refused as if it had come then.
//
// The lease. Everything that runs later, be it a task, a durable append, the reply of a call, a
// timer or what a blocking thread has read, begins a Turn, which looks at the lease: once it could
// have ended, or the shard was dropped, nothing of it is done. That prevents: the process is
// stopped for longer than its lease, another node takes the shard, aborts a transaction and undoes
// its steps; this process goes on, finds the answer of a call in its socket, and confirms. Its
// append would be fenced; a call that an earlier append justified would not. The shard is lost, and
// drops itself and tells its keeper, when
//  - its lease has ended by the clock,
//  - an append is fenced: another owner has the shard, or this node took it anew,
//  - an append conflicts, or its outcome is unknown: what memory holds is not what the journal
//    holds, so the shard is acquired and read anew before it goes on,
//  - the journal holds what can not be.
// Only this shard is. Clients that wait for it are told shard.lost, which they may retry.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "engine/engine.h"
#include "engine/family/family.h"
#include "marks/crash_marks.h"
#include "observe/registry.h"
#include "runtime/coordinator.h"
#include "runtime/definitions/definitions.h"
#include "runtime/event_hub.h"
#include "runtime/exceptions.h"
#include "runtime/host.h"
#include "runtime/lease.h"
#include "runtime/participant_caller.h"
#include "runtime/shard/memory_budget.h"
#include "runtime/shard/open_places.h"
#include "runtime/shard/shard_counters.h"
#include "runtime/shard/timer_queue.h"
#include "storage/journal.h"

namespace entente::runtime {

// The same for all shards of a worker.
struct ShardOptions {
  std::shared_ptr<OpenPlaces> places;  // Not null. Shared by all shards of the process.
  // How long a lazy record may wait for company before it is written.
  Duration lazy_flush_delay = std::chrono::milliseconds(20);
  // How long a transaction whose append failed waits before it is read back; twice as long with
  // each batch that fails after the first, up to the longest. Read back, it makes its calls again:
  // while a disk stays full that should not go on once a second.
  Duration reload_delay = std::chrono::seconds(1);
  Duration longest_reload_delay = std::chrono::seconds(16);
  // Parking, see below: how many open transactions stay in memory, how long one has rested before
  // it is parked, and how far the instant is for which one is.
  size_t kept_waiting = 512;
  Duration rest_before_parking = std::chrono::seconds(5);
  Duration shortest_parking = std::chrono::seconds(30);
  // What may be decided at once, in steps of evaluation: some milliseconds. More than that is
  // pondered.
  uint64_t most_at_once = 25'000;
  std::string coordinator_id = {};
  // See Notices.
  std::function<void(const Status&, size_t transactions)> on_rolled_back = {};
  std::function<void(const Gid&, const Status&)> on_held_back = {};
  std::function<void(const Gid&, const engine::Failure&)> on_quarantined = {};
  marks::CrashMarks* crash_marks = nullptr;  // May be null. Outlives the shard.
  MemoryBudget* memory = nullptr;            // As crash_marks. Shared by the shards of a process.
  observe::Recorder* recorder = nullptr;     // As crash_marks. The worker thread's own.
};

class Shard;

// Who keeps the shards of a thread. Called on that thread.
class ShardKeeper {
 public:
  virtual ~ShardKeeper() = default;

  // OnWake is wanted at `at` or soon after; replaces the shard's previous wish. Nothing: none is.
  virtual void WakeAt(ShardId shard, std::optional<Instant> at) = 0;

  // The shard drops itself, because of `why`: kFenced, kConflict, kUnknownOutcome, or kDataLoss.
  // After this no client finds it any more.
  virtual void OnLost(ShardId shard, const Status& why) = 0;

  // TakeBatch is wanted, when what is ready to run has joined the batch. Nothing of the shard is
  // being written.
  virtual void FlushSoon(ShardId shard) = 0;

  // As Journal::Append, beside the shard's batches. `done` is called on the keeper's thread, also
  // after the shard is gone.
  virtual void Append(const Lease& lease, storage::Batch batch,
                      std::function<void(const Status&)> done) = 0;
};

// All of them outlive the shard, and the host and the keeper whatever it handed to others.
struct ShardSurroundings {
  const ShardOptions& options;
  Host& host;  // Its wake-up belongs to the keeper.
  ShardKeeper& keeper;
  storage::Journal& journal;
  ParticipantCaller& caller;
  Definitions& definitions;
  EventHub& events;
  ShardCounters& counters;
};

// Why nothing new could be accepted now. Any thread.
[[nodiscard]] Status HasMemoryForOne(const ShardOptions& options);

// What clients are told while a shard reads what is open. Any thread.
[[nodiscard]] Status Recovering();

// What clients are told of a shard that is not here, or not any more: kUnavailable.
[[nodiscard]] Status ShardLost(ShardId shard);

// Kept by a shared_ptr, so that whatever comes late can tell whether it is still there. Everything
// on the host's own thread, where callbacks run too, but for ReadOpen.
class Shard final : public std::enable_shared_from_this<Shard> {
 public:
  Shard(std::shared_ptr<const Lease> lease, const ShardSurroundings& surroundings);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  [[nodiscard]] const Lease& lease() const { return *lease_; }

  // Reads every open transaction, and rebuilds it. Blocks, on any one thread; ends with
  // kUnavailable once `go_on` says no.
  [[nodiscard]] Status ReadOpen(const std::function<bool()>& go_on);

  // Called when ReadOpen has succeeded: carries on with what was read, a slice at a time so that
  // the host can do other things in between, and calls `resumed`, unless the shard is dropped
  // before. Until then nothing new is accepted; what is asked about an open transaction that is not
  // there yet is answered from the journal, or with kUnavailable.
  void ResumeOpen(std::function<void()> resumed);

  struct SubmitCommand {
    PlanPtr plan;
    bool caller_named = false;  // The gid may have been used before.
    engine::Submitted submitted;
    std::optional<Wait> wait;
    Status children = {};  // Why the child transactions it may run can not be, if they can not.
    std::optional<engine::StartChild> parent_call = {};  // Of a child.
  };
  void Submit(SubmitCommand command, Callback<SubmitReply> done);

  void Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done);
  void GetHistory(const Gid& gid, Callback<History> done);

  // Hands `event` to the transaction; answers when what it led to is durable.
  void Deliver(const Gid& gid, engine::Event event, std::optional<Sequence> expected_revision,
               Callback<TxnView> done);

  // Adds a branch to a client-driven transaction; `branch` is its description as JSON text. When it
  // does not compile, `problems` (shared with the caller) receives every mistake.
  void Enlist(const Gid& gid, const std::string& branch,
              const std::shared_ptr<std::vector<dsl::Problem>>& problems,
              Callback<EnlistReply> done);

  // Begins to hand the shard over. From now on nothing is accepted and no call is begun; what is in
  // flight is recorded as it returns. `drained` runs when no call is out and everything is written,
  // or the shard was dropped. Clients that wait are answered with the state so far.
  void Drain(std::function<void()> drained);

  // Forgets everything: no effect, no record and no event leaves any more. Clients that wait are
  // told ShardLost; calls that wait for their participant are withdrawn. The keeper has it off its
  // table by then.
  void Drop();

  // What the keeper was asked for by FlushSoon: takes the gathered batch, if there is anything in
  // it, which is in flight from now on until OnWritten says what became of it. In a turn, as the
  // two below.
  [[nodiscard]] std::optional<storage::Batch> TakeBatch();

  // The batch in flight is durable, or was not written, or nobody knows. If it is durable,
  // CarryWritten follows before the next OnWritten; the next batch may be taken in between.
  void OnWritten(const Status& status);

  // Carries out what waited for the durable batch, in the order in which it was decided.
  void CarryWritten();

  // What the keeper was asked for by WakeAt. In a turn. Drives at most `slice` of the transactions
  // that are due, and asks to be woken for the others.
  void OnWake(size_t slice);

  // What the methods for clients, and OnWake, run in. If it is none the shard is lost, and its
  // keeper knows of it by then. Within a turn another one may begin, when a client that was
  // answered asks again at once: the lease is looked at by the outer one alone, so that what an
  // answer was given from is not gone when the answer returns.
  class Turn {
   public:
    explicit Turn(Shard& shard);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    explicit operator bool() const { return begun_; }

   private:
    Shard& shard_;  // Kept by whoever began the turn.
    bool begun_;
  };

 private:
  struct Txn;
  using TxnPtr = std::shared_ptr<Txn>;  // Shared by the table, timers and the batches in hand.

  struct TxnTimer {
    TxnPtr txn;
    std::optional<BranchId> branch;
  };
  struct WaiterTimer {
    TxnPtr txn;
    uint64_t waiter = 0;
  };
  struct ReloadTimer {
    Gid gid;
  };
  struct FlushTimer {};
  struct RoomTimer {};
  // A held child looks again at what became of its parent.
  struct FollowTimer {
    Gid child;
    Instant at;  // A later one of the same child counts instead.
  };
  struct ParkTimer {};
  using OwnTimer =
      std::variant<WaiterTimer, ReloadTimer, FlushTimer, RoomTimer, ParkTimer, FollowTimer>;
  using Timers = TimerQueue<OwnTimer>;
  using DueTimers = TimerQueue<TxnTimer>;
  using ParkedTimers = TimerQueue<const Gid*>;  // Keys of parked_.

  struct Waiter {
    uint64_t id = 0;
    Callback<TxnView> done;
    Instant until;
    Timers::Handle timeout;
    std::shared_ptr<Hangup> hangup;  // May be null.
  };

  // What waits for one batch to be durable.
  struct Release {
    TxnPtr txn;
    std::vector<engine::Effect> effects;
    std::vector<TxnEvent> events;
    std::function<void(Status)> reply;         // May be empty.
    Withdrawal withdraws = Withdrawal::kNone;  // Of the calls that wait for their participant.
  };
  struct GatheringBatch {
    uint64_t number = 1;
    std::vector<TxnPtr> touched;
    std::vector<Release> releases;
    Instant since = {};  // When the first was touched.
  };

  // What came in for a transaction about which something is pondered.
  struct HeldInput {
    std::function<void()> take;
    std::function<void(Status)> refuse;  // May be empty.
  };

  // A transaction that is not accepted yet.
  struct Opening {
    Gid gid;
    TxnPtr txn;
    bool is_child = false;
    std::optional<Wait> wait;
    Callback<SubmitReply> done;
  };

  // Open, and not in memory: an append of it failed, or a turn, or it was parked until a moment
  // ago.
  struct Absent {
    std::vector<Waiter> waiters;                      // For its end.
    uint64_t in_batch = 0;                            // The latest batch that holds records of it.
    bool unparked = false;                            // In a moment it is back.
    std::vector<std::function<void(Status)>> askers;  // Who ask again then. Only if `unparked`.
  };

  // Open, at rest, and out of memory until it is due or asked for.
  struct Parked {
    std::optional<ParkedTimers::Handle> wake;
    bool incident = false;  // It is counted among those that wait for an operator.
  };
  struct Resting {
    Gid gid;
    std::optional<Instant> until;  // Nothing: until somebody asks.
    bool incident;
  };

  // shard.cpp: the tenure.
  template <class Work>
  [[nodiscard]] auto InTurn(Work work);
  void Offload(std::function<void()> work, std::function<void()> then,
               std::function<void(Status)> lost = {});
  [[nodiscard]] std::function<void()> InTurnOr(std::function<void()> then,
                                               std::function<void(Status)> lost);
  void Lose(const Status& why);
  [[nodiscard]] bool HoldsNow() const;
  [[nodiscard]] std::vector<std::function<void()>> TakeClients();

  // shard_inputs.cpp: inputs.
  void Create(SubmitCommand command, Callback<SubmitReply> done);
  void Open(const Opening& opening, engine::Decision decision);
  void AnswerResubmit(const TxnPtr& txn, const SubmitCommand& command, Callback<SubmitReply> done);
  void LookUpThenCreate(SubmitCommand command, Callback<SubmitReply> done);
  void OnLookedUp(const Gid& gid, SubmitCommand command, Callback<SubmitReply> done,
                  Result<storage::StoredTxn> stored);
  void LoadThen(const Gid& gid, std::function<void(Status)> done,
                std::function<void(Result<storage::StoredTxn>)> then);
  void DeliverToStored(const Gid& gid, engine::Event event, Callback<TxnView> done);
  void Take(const TxnPtr& txn, engine::Event event, std::function<void(Status)> reply);
  void TakeNow(const TxnPtr& txn, engine::Event event, std::function<void(Status)> reply);
  void Conclude(const TxnPtr& txn, engine::Decision decision, std::function<void(Status)>&& reply);
  void Show(const TxnPtr& txn, std::optional<Wait> wait, Callback<TxnView> done);
  void AddWaiter(const TxnPtr& txn, Wait wait, Callback<TxnView> done);
  [[nodiscard]] static std::optional<Waiter> TakeWaiter(Txn& txn, uint64_t id);
  void EnlistIn(const TxnPtr& txn, const std::string& branch, std::vector<dsl::Problem>& problems,
                std::function<void(Result<TxnView>, bool created)> answer,
                std::function<void(Status)>& reply);
  [[nodiscard]] Status RefuseNew() const;
  [[nodiscard]] Status RefuseSubmit() const;
  [[nodiscard]] engine::Input MakeInput(engine::Event event);
  [[nodiscard]] Result<TxnView> View(const Txn& txn) const;

  // shard_pondering.cpp: what takes long is worked out elsewhere.
  using Deliberation = std::function<void(const dsl::Plan&, const engine::TxnState&)>;
  using Conclusion = std::function<void(engine::Decision, std::function<void(Status)>&& reply)>;
  [[nodiscard]] static bool HasToWait(Txn& txn);
  void DecideElsewhere(const TxnPtr& txn, engine::Input input, std::function<void(Status)> reply,
                       Conclusion then);
  void Ponder(const TxnPtr& txn, Deliberation work, std::function<void()> then,
              std::function<void(Status)> refuse);
  void OnPondered(const TxnPtr& txn, const Status& defect, const std::function<void()>& then,
                  const std::function<void(Status)>& refuse);
  void TakeHeld(const TxnPtr& txn);
  static void RefuseHeld(Txn& txn, const Status& status);
  void OpenElsewhere(Opening opening, engine::Input input);
  void OnOpened(const Opening& opening, std::optional<engine::Decision> decision,
                const Status& defect);

  // shard_batch.cpp: decisions, batches, durability.
  void Apply(const TxnPtr& txn, engine::Decision decision, std::function<void(Status)>&& reply,
             bool riding = false);
  void CarryOutInTurn(const TxnPtr& txn, std::vector<engine::Effect> effects);
  [[nodiscard]] GatheringBatch& BatchOf(uint64_t number);
  void Touch(const TxnPtr& txn);
  void ShowWhenDurable(const TxnPtr& txn, Callback<TxnView> done);
  void WhenDurable(const TxnPtr& txn, std::function<void(Status)> run);
  void FlushSoon();
  void Carry(Release& release);
  void RollBack(GatheringBatch& failed, const Status& status);
  static void TakeAbandoned(GatheringBatch& batch, std::vector<Release>& taken);
  void Forget(const TxnPtr& txn, const Status& status, Duration delay);
  [[nodiscard]] Duration ReloadDelay() const;
  [[nodiscard]] storage::TxnAppend TakeAppend(Txn& txn);
  void MeasureHandedIn(const storage::Batch& batch, Instant now) const;
  void MeasureWritten(Instant handed_in) const;
  void CheckDrained();

  // shard_effects.cpp: effects, timers, recovery.
  [[nodiscard]] CallContext ContextOf(const Txn& txn) const;
  [[nodiscard]] bool MayCall();
  void CarryOut(const TxnPtr& txn, std::vector<engine::Effect> effects);
  void CarryOut(const TxnPtr& txn, engine::CallBranch& call);
  void CarryOut(const TxnPtr& txn, engine::PollBranch& poll);
  void CarryOut(const TxnPtr& txn, engine::StartChild& start);
  void CarryOut(const TxnPtr& txn, engine::CancelChild& cancel);
  void CarryOut(const TxnPtr& txn, engine::ArmTimer& arm);
  void CarryOut(const TxnPtr& txn, engine::NotifyEnded& ended);
  void CarryOut(const TxnPtr& txn, engine::NotifyHeld& held);
  void WhenWritten(const TxnPtr& txn, std::function<void(Status)> run);
  void OnReply(const Gid& gid, engine::BranchReplied replied);
  void RemoveTimers(Txn& txn);
  void CountIncident(Txn& txn, bool forgotten = false);
  void CountEnded(const Txn& txn, Instant heard_at);
  void NoteBlocked(Txn& txn, const BranchId& branch, engine::Role role, bool blocked);
  void ForgetBlocked(Txn& txn, bool all);
  void UpdateWake();
  void OnTimer(const OwnTimer& timer);
  [[nodiscard]] Result<TxnPtr> Rebuild(const storage::StoredTxn& stored);
  void Resume(const TxnPtr& txn);
  void GoOn(const TxnPtr& txn, engine::Decision decision);
  void Reload(const Gid& gid);
  void OnReloaded(const Gid& gid, Result<storage::StoredTxn> stored);
  void TakeBack(storage::StoredTxn stored);
  [[nodiscard]] Absent TakeAbsent(const Gid& gid);
  void ReadBackLater(const Gid& gid, Duration delay);
  [[nodiscard]] Status TakeRead(storage::StoredTxn stored);
  void ResumeSlice();
  void LookForRoom();

  // shard_parking.cpp: what only waits is not kept in memory.
  void CountOpen();
  void CountParked();
  void ParkLater();
  [[nodiscard]] bool IsWorthParking(const std::optional<Instant>& until) const;
  [[nodiscard]] bool MayPark(const Txn& txn) const;
  void ParkSlice();
  void AddParked(const Resting& one);
  void Unpark(const Gid& name, std::function<void(Status)> asker);
  [[nodiscard]] bool IsParked(const Gid& gid) const;
  void AskWhenBack(const Gid& gid, std::function<void(Status)> done, std::function<void()> again);
  void UnparkDue(Instant now, size_t slice);
  [[nodiscard]] std::optional<Instant> NextParkedDue() const;
  [[nodiscard]] std::optional<Resting> StaysParked(const Txn& txn) const;
  void ParkRead();

  // shard_family.cpp: parents and children.
  struct FoundChild {
    engine::ChildStanding standing = engine::ChildStanding::kUnknown;
    TxnPtr txn = nullptr;                  // Of kEnded and kHeld.
    Result<PlanPtr> plan = OutOfMemory();  // Of kAbsent.
  };
  [[nodiscard]] bool IsAway(const Gid& gid) const;
  [[nodiscard]] engine::ChildStanding StandingOfChild(const Gid& child) const;
  [[nodiscard]] engine::ParentStanding StandingOfParent(const Gid& parent,
                                                        const engine::StartChild& call) const;
  void MeetChild(const Gid& parent, engine::StartChild start, FoundChild found);
  void LookForChild(const Gid& parent, engine::StartChild start);
  void BeginChild(const Gid& parent, engine::StartChild start, Result<PlanPtr> plan, bool anyhow);
  void ReplyToParent(const Gid& parent, const engine::StartChild& start, engine::Reply reply);
  void TellParentOf(const Gid& child);
  void TellHeldChildren(const Txn& parent);
  void FollowParent(const TxnPtr& child);
  void FollowAgain(const TxnPtr& child, Duration delay);
  void LookForFate(const Gid& parent);
  void EndAsParent(const TxnPtr& child, const Result<TxnPtr>& parent);
  void LoseParent(const TxnPtr& child);

  // shard_guard.cpp: what goes wrong with one transaction stays with it.
  template <class Work>
  bool Guarded(const Gid& gid, const TxnPtr& txn, const Work& work);
  void HoldBack(const Gid& gid, const TxnPtr& txn, const Status& defect);
  Duration Blame(const Gid& gid, const Status& defect);
  [[nodiscard]] std::optional<engine::Failure> WhyNotToDrive(
      const storage::StoredTxn& stored) const;
  void Quarantine(storage::StoredTxn stored, engine::Failure why);
  void DeliverToQuarantined(const Gid& gid, engine::Event event,
                            std::optional<Sequence> expected_revision, Callback<TxnView> done);
  void SetFree(const Gid& gid, engine::Event event, Result<storage::StoredTxn> stored,
               Callback<TxnView> done);

  // What was read at the start and is not driven yet.
  struct Recovery {
    std::vector<storage::StoredTxn> held;  // To be quarantined, or tried once more.
    std::vector<TxnPtr> rebuilt;
    std::vector<Gid> left_out;
    std::vector<Resting> resting;
    std::vector<TxnPtr> held_children;  // Whose parents may still come.
    size_t next = 0;                    // Of `rebuilt`.
    std::function<void()> resumed;
  };

  const std::shared_ptr<const Lease> lease_;
  const ShardOptions& options_;
  Host& host_;
  ShardKeeper& keeper_;
  storage::Journal& journal_;
  ParticipantCaller& caller_;
  Definitions& definitions_;
  EventHub& events_;
  ShardCounters& counters_;

  std::unordered_map<Gid, TxnPtr> open_;
  // Submits that wait for the store to say whether their gid is taken, and those queued behind
  // them.
  std::unordered_map<Gid, std::vector<std::pair<SubmitCommand, Callback<SubmitReply>>>> looking_up_;
  std::unordered_map<Gid, Absent> reloading_;
  std::unordered_set<Gid> opening_;  // Pondered before they are accepted.
  size_t pondering_ = 0;             // Decisions that are worked out elsewhere.
  // How often driving an open transaction failed, and why it is to be quarantined once that is too
  // often.
  struct Blemish {
    int defects = 0;
    int shortages = 0;
    std::optional<engine::Failure> sentence;
  };
  std::unordered_map<Gid, Blemish> blemishes_;
  // Parents that are being read, and the held children that wait for what became of them.
  std::unordered_map<Gid, std::vector<Gid>> followers_;
  // Open transactions that are held back until an operator releases them, as far as they can be
  // shown without looking into them.
  struct Quarantined {
    TxnView view;
    bool being_written = false;  // So that it is not read back without it.
  };
  std::unordered_map<Gid, Quarantined> quarantined_;

  // Open transactions for which there was no memory at the start, among those of reloading_.
  std::deque<Gid> left_out_;
  Recovery recovery_;  // The reading thread's until ResumeOpen.
  bool recovering_ = true;

  std::unordered_map<Gid, Parked> parked_;
  ParkedTimers parked_due_;
  static constexpr size_t kMostUnparking = 64;
  size_t unparking_ = 0;                      // Being read.
  size_t park_cursor_ = 0;                    // The bucket of open_ that ParkSlice looks at next.
  std::optional<Timers::Handle> park_timer_;  // Set while ParkSlice is at it, too.

  Timers timers_;
  DueTimers due_;  // Of transactions: may be far behind, which the others must not be.
  std::optional<Earliest::Entry> next_due_;
  std::optional<Instant> wake_wish_;
  std::optional<Instant> wake_not_before_;
  std::optional<Timers::Handle> lazy_flush_timer_;

  GatheringBatch gathering_;
  std::optional<GatheringBatch> in_flight_;
  std::optional<Earliest::Entry> append_since_;  // Of in_flight_.
  std::optional<GatheringBatch> written_;        // Durable, and not carried out yet.
  // Of the batches up to this one, what memory still has is durable.
  uint64_t durable_batch_ = 0;
  bool flush_wanted_ = false;  // Something in `gathering_` waits for it.
  bool flush_asked_ = false;   // Of the keeper, who has not come for the batch yet.

  uint64_t next_waiter_ = 1;
  int rollbacks_in_row_ = 0;  // Of batches that the store had no room for.
  bool draining_ = false;
  std::function<void()> on_drained_;
  int turns_ = 0;
  std::atomic<bool> dropped_{false};  // The reading thread looks at it too.

  GaugeShare open_count_;
  GaugeShare looking_up_count_;
  GaugeShare calls_in_flight_;
  GaugeShare open_incidents_;
  GaugeShare quarantined_count_;
  GaugeShare waiting_for_memory_;
  GaugeShare blocked_count_;
  GaugeShare parked_count_;
  MemoryCharge parked_charge_;
};

}  // namespace entente::runtime
