// ShardDriver: drives every open transaction of the shards that one worker owns.
//
// The loop, for each input: stamp it with time and entropy, Decide, Evolve, gather the records into
// the current batch; when everything that is ready was taken in, hand the batch to the journal;
// when it is durable, release the effects and answers that waited for it. While one batch is being
// written the next one gathers.
//
// State in memory runs ahead of the journal by at most the two batches in hand. Nothing that
// depends on it leaves before it is durable: no effect, no answer, no event. A batch is handed to
// the journal shard by shard; if it could not be written for one of them, that shard's transactions
// are forgotten and rebuilt from the journal, as after a crash, and the others go on.
//
// So is a transaction whose turn throws: what is staged of it is dropped, it is read back, and all
// others go on. One that fails again and again, or that was being driven whenever the process
// crashed, is quarantined: paused in the journal with an incident of its own, out of memory and
// not looked at any more, until an operator releases it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/runtime/coordinator.h"
#include "coordinator/runtime/definitions.h"
#include "coordinator/runtime/event_hub.h"
#include "coordinator/runtime/host.h"
#include "coordinator/runtime/memory_budget.h"
#include "coordinator/runtime/participant_caller.h"
#include "coordinator/runtime/timer_queue.h"
#include "engine/engine.h"
#include "marks/crash_marks.h"
#include "storage/journal.h"

namespace entente::runtime {

struct ShardDriverOptions {
  std::map<ShardId, Epoch> shards;  // Those it drives, with the epochs they are owned under.
  size_t max_open = 0;              // Above it submits are refused...
  size_t max_open_in_all = 0;       // ...by a message that names the limit of all drivers together.
  // How long a lazy record may wait for company before it is written.
  Duration lazy_flush_delay = std::chrono::milliseconds(20);
  // How long a transaction whose append failed waits before it is read back; twice as long with
  // each batch that fails after the first, up to the longest. Read back, it makes its calls again:
  // while a disk stays full that should not go on once a second.
  Duration reload_delay = std::chrono::seconds(1);
  Duration longest_reload_delay = std::chrono::seconds(16);
  std::string coordinator_id = {};
  // See Notices.
  std::function<void(const Status&, size_t transactions)> on_rolled_back = {};
  std::function<void(const Gid&, const Status&)> on_held_back = {};
  std::function<void(const Gid&, const engine::Failure&)> on_quarantined = {};
  marks::CrashMarks* crash_marks = nullptr;  // May be null. Outlives the driver.
  MemoryBudget* memory = nullptr;            // As crash_marks. Shared by the drivers of a process.
};

// Read by other threads while the driver runs.
struct DriverCounters {
  std::atomic<uint64_t> open{0}, calls_in_flight{0}, accepted{0}, committed{0}, aborted{0},
      mixed{0}, rejected{0}, incidents{0}, inputs{0}, appends{0}, records{0}, calls_asked{0},
      calls{0}, calls_failed{0}, open_incidents{0}, held_back{0}, quarantined{0}, recovered{0},
      waiting_for_memory{0};
  std::atomic<int64_t> next_timer_micros{0};    // 0: no timer is armed.
  std::atomic<int64_t> append_since_micros{0};  // 0: no append is under way.
};

// Everything on the host's own thread, except counters(). Callbacks run there too.
// All references must outlive the driver; the host must not run its tasks after it is destroyed.
class ShardDriver {
 public:
  // `on_fatal` is told once when the journal can no longer be trusted: the process has to stop.
  ShardDriver(ShardDriverOptions options, Host& host, storage::Journal& journal,
              ParticipantCaller& caller, Definitions& definitions, EventHub& events,
              std::function<void(Status)> on_fatal);
  ~ShardDriver();
  ShardDriver(const ShardDriver&) = delete;
  ShardDriver& operator=(const ShardDriver&) = delete;

  // Rebuilds every open transaction and carries on with it. Blocks; once, before anything else.
  [[nodiscard]] Status Recover();

  // The same in two parts, while the host runs already. ReadOpen blocks, on any one thread, and
  // ends with kUnavailable once `go_on` says no. ResumeOpen, called when it has succeeded, carries
  // on with what was read, a slice at a time so that the host can do other things in between, and
  // calls `resumed`. Until then nothing new is accepted; what is asked about an open transaction
  // that is not there yet is answered from the journal, or with kUnavailable.
  [[nodiscard]] Status ReadOpen(const std::function<bool()>& go_on);
  void ResumeOpen(std::function<void()> resumed);

  struct SubmitCommand {
    PlanPtr plan;
    bool caller_named = false;  // The gid may have been used before.
    engine::Submitted submitted;
    std::optional<Wait> wait;
    Status children = {};  // Why the child transactions it may run can not be, if they can not.
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

  // From now on nothing is accepted and no call is begun; what is in flight is recorded as it
  // returns. `drained` runs when no call is out and everything is written. Clients that wait are
  // answered with the state so far.
  void Drain(std::function<void()> drained);

  // Why something new would be refused now, as far as that can be told from any thread.
  [[nodiscard]] Status RefusalNow() const;

  [[nodiscard]] const DriverCounters& counters() const { return counters_; }

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
  using Timers =
      TimerQueue<std::variant<TxnTimer, WaiterTimer, ReloadTimer, FlushTimer, RoomTimer>>;

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
  };

  // shard_driver.cpp: inputs.
  void Create(SubmitCommand command, Callback<SubmitReply> done);
  void AnswerResubmit(const TxnPtr& txn, const SubmitCommand& command, Callback<SubmitReply> done);
  void LookUpThenCreate(SubmitCommand command, Callback<SubmitReply> done);
  void OnLookedUp(const Gid& gid, SubmitCommand command, Callback<SubmitReply> done,
                  Result<storage::StoredTxn> stored);
  void DeliverToStored(const Gid& gid, engine::Event event, Callback<TxnView> done);
  void Take(const TxnPtr& txn, engine::Event event, std::function<void(Status)> reply);
  void Conclude(const TxnPtr& txn, engine::Decision decision, std::function<void(Status)>&& reply);
  void Show(const TxnPtr& txn, std::optional<Wait> wait, Callback<TxnView> done);
  void AddWaiter(const TxnPtr& txn, Wait wait, Callback<TxnView> done);
  [[nodiscard]] static std::optional<Waiter> TakeWaiter(Txn& txn, uint64_t id);
  void EnlistIn(const TxnPtr& txn, const std::string& branch, std::vector<dsl::Problem>& problems,
                std::function<void(Result<TxnView>, bool created)> answer,
                std::function<void(Status)>& reply);
  [[nodiscard]] Status RefuseNew() const;
  [[nodiscard]] Status RefuseSubmit() const;
  [[nodiscard]] Status TooManyOpen() const;
  [[nodiscard]] engine::Input MakeInput(engine::Event event);
  [[nodiscard]] Result<TxnView> View(const Txn& txn) const;

  // shard_batch.cpp: decisions, batches, durability.
  void Apply(const TxnPtr& txn, engine::Decision decision, std::function<void(Status)>&& reply,
             bool riding = false);
  void CarryOutInTurn(const TxnPtr& txn, std::vector<engine::Effect> effects);
  [[nodiscard]] GatheringBatch& BatchOf(uint64_t number);
  void Touch(const TxnPtr& txn);
  void ShowWhenDurable(const TxnPtr& txn, Callback<TxnView> done);
  void WhenDurable(const TxnPtr& txn, std::function<void(Status)> run);
  void ScheduleFlush();
  void Flush();
  using RefusedShards = std::vector<std::pair<ShardId, Status>>;
  void OnWritten(const RefusedShards& refused);
  void Carry(Release& release);
  [[nodiscard]] static GatheringBatch TakeOut(GatheringBatch& batch, ShardId shard);
  void RollBack(GatheringBatch failed, const Status& status);
  void Forget(const TxnPtr& txn, const Status& status, Duration delay);
  [[nodiscard]] Duration ReloadDelay() const;
  [[nodiscard]] storage::TxnAppend TakeAppend(Txn& txn);
  void Fail(const Status& status);
  void CheckDrained();

  // shard_effects.cpp: effects, timers, recovery.
  [[nodiscard]] Epoch EpochOf(const Gid& gid) const;
  void CarryOut(const TxnPtr& txn, std::vector<engine::Effect> effects);
  void CarryOut(const TxnPtr& txn, engine::CallBranch& call);
  void CarryOut(const TxnPtr& txn, engine::PollBranch& poll);
  void CarryOut(const TxnPtr& txn, engine::StartChild& start);
  void CarryOut(const TxnPtr& txn, engine::CancelChild& cancel);
  void CarryOut(const TxnPtr& txn, engine::ArmTimer& arm);
  void CarryOut(const TxnPtr& txn, engine::NotifyEnded& ended);
  void WhenWritten(const TxnPtr& txn, std::function<void(Status)> run);
  void OnReply(const Gid& gid, engine::BranchReplied replied);
  void StartChildWith(const Gid& parent, engine::StartChild start, Result<PlanPtr> plan);
  void Adopt(const TxnPtr& child, engine::StartChild start);
  [[nodiscard]] bool IsToStop(const Gid& parent, const engine::StartChild& start) const;
  [[nodiscard]] bool IsUnwanted(const Gid& parent, const engine::StartChild& start) const;
  [[nodiscard]] bool MustGoOn(const Gid& parent, const engine::StartChild& start) const;
  void Stop(const TxnPtr& child);
  void ReplyToParent(const Gid& parent, const engine::StartChild& start, engine::Reply reply);
  void RemoveTimers(Txn& txn);
  void CountIncident(Txn& txn, bool forgotten = false);
  void UpdateWake();
  void OnWake();
  [[nodiscard]] Result<TxnPtr> Rebuild(const storage::StoredTxn& stored);
  void Resume(const TxnPtr& txn);
  void Reload(const Gid& gid);
  void OnReloaded(const Gid& gid, Result<storage::StoredTxn> stored);
  void TakeBack(storage::StoredTxn stored);
  [[nodiscard]] std::vector<Waiter> TakeWaiters(const Gid& gid);
  void ReadBackLater(const Gid& gid, Duration delay);
  void TellParentOf(const Txn& child);
  [[nodiscard]] Status TakeRead(storage::StoredTxn stored);
  void ResumeSlice();
  void LookForRoom();

  // shard_guard.cpp: what goes wrong with one transaction stays with it.
  template <class Work>
  bool Guarded(const Gid& gid, const TxnPtr& txn, const Work& work);
  void HoldBack(const Gid& gid, const TxnPtr& txn, const Status& defect);
  Duration Blame(const Gid& gid, const Status& defect);
  [[nodiscard]] bool IsInFlight(const Gid& gid) const;
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
    size_t next = 0;  // Of `rebuilt`.
    std::function<void()> resumed;
  };

  const ShardDriverOptions options_;
  Host& host_;
  storage::Journal& journal_;
  ParticipantCaller& caller_;
  Definitions& definitions_;
  EventHub& events_;
  std::function<void(Status)> on_fatal_;

  std::unordered_map<Gid, TxnPtr> open_;
  // Submits that wait for the store to say whether their gid is taken, and those queued behind
  // them.
  std::unordered_map<Gid, std::vector<std::pair<SubmitCommand, Callback<SubmitReply>>>> looking_up_;
  // Open transactions that are not in memory because an append failed, with those who wait for
  // them.
  std::unordered_map<Gid, std::vector<Waiter>> reloading_;
  // How often driving an open transaction failed, and why it is to be quarantined once that is too
  // often.
  struct Blemish {
    int defects = 0;
    int shortages = 0;
    std::optional<engine::Failure> sentence;
  };
  std::unordered_map<Gid, Blemish> blemishes_;
  // Open transactions that are held back until an operator releases them, as far as they can be
  // shown without looking into them.
  struct Quarantined {
    TxnView view;
    bool being_written = false;  // So that it is not read back without it.
  };
  std::unordered_map<Gid, Quarantined> quarantined_;

  // Open transactions for which there was no memory at the start, among those of reloading_.
  std::deque<Gid> left_out_;
  Recovery recovery_;
  std::atomic<bool> recovering_{true};

  Timers timers_;
  std::optional<Instant> wake_wish_;
  std::optional<Timers::Handle> lazy_flush_timer_;

  GatheringBatch gathering_;
  std::optional<GatheringBatch> in_flight_;
  uint64_t durable_batch_ = 0;
  bool flush_posted_ = false;
  bool flush_wanted_ = false;  // Something in `gathering_` waits for it.

  uint64_t next_waiter_ = 1;
  bool failed_ = false;
  int rollbacks_in_row_ = 0;  // Of batches that the store had no room for.
  bool draining_ = false;
  std::function<void()> on_drained_;
  DriverCounters counters_;
};

}  // namespace entente::runtime
