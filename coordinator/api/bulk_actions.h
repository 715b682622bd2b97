// Actions on every transaction that matches a filter, one by one, in the background.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "coordinator/identity/scope.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::api {

struct BulkRequest {
  using Verb = runtime::OperatorRequest::Verb;
  Verb verb = Verb::kRetry;  // kRetry, kPause, kResume or kCancel.
  std::string query;         // The filter, as the query of a list; what is shown of it.
  storage::Filter filter;    // The same, read.
  engine::Actor actor;
  identity::Scope scope;  // Of who asked: the rest is left alone.
};

enum class BulkState : uint8_t { kRunning, kStopped, kFinished };
[[nodiscard]] std::string_view BulkStateName(BulkState state);  // "running", ...

struct BulkRefusal {
  std::string gid;  // Empty: of the list itself, which ended it.
  std::string code;
  std::string message;
};

struct BulkAction {
  std::string id;  // Empty of a preview.
  BulkRequest request;
  BulkState state = BulkState::kRunning;
  // Open transactions that matched when it began, exact up to limits::kMaxPageSize; `more`: at
  // least so many.
  uint32_t matched = 0;
  bool more = false;
  uint64_t done = 0;
  uint64_t refused = 0;
  std::vector<BulkRefusal> refusals;  // The first kMaxRefusals.
  Instant created_at;
  std::optional<Instant> ended_at;
  std::string cursor;  // Of the next page; how far it is.
};

// What is asked about bulk actions.
struct BulkCall {
  enum class Verb : uint8_t { kList, kGet, kBegin, kPreview, kStop };
  Verb verb = Verb::kList;
  std::string id;                      // kGet, kStop.
  std::optional<BulkRequest> request;  // kBegin, kPreview.
};
using BulkDone = std::function<void(Result<std::vector<BulkAction>>)>;

// Who is asked. Thread-safe; outlives whoever asks.
class BulkDesk {
 public:
  virtual ~BulkDesk() = default;
  // Never blocks. `done` gets one action, or all of a list; once, at once or on the thread that
  // asked, if that is a worker's, else on any.
  virtual void Handle(BulkCall call, BulkDone done) = 0;
};

// Runs a task on some thread.
using Executor = std::function<void(std::function<void()>)>;

struct BulkOptions {
  std::function<Instant()> now;
  // How to come back to the thread that asks; what it returns may be empty: any thread will do.
  std::function<Executor()> here = [] { return Executor(); };
  // Whether they are still this process's to work on: where several share a store, another one goes
  // on with them. Nothing is kept any more then.
  std::function<bool()> is_ours = [] { return true; };
};

inline constexpr size_t kMaxBulkRefusals = 100;
inline constexpr size_t kMaxBulkRunning = 10;
inline constexpr size_t kMaxBulkKept = 100;

// Works through each action by the ordinary operator's action on one transaction after the other,
// oldest action first: so each leaves its own record with who and why, and is refused where it
// would be refused alone. Transactions that began after the action did are left alone.
//
// An action and how far it is are kept in the journal, after every page of a list. A process that
// is killed goes on after the last such page, and may act twice on the transactions of one page:
// pausing, resuming and cancelling twice is doing it once, and a retry that comes twice calls
// under the same key.
//
// What the coordinator can not take just now (it drains, its store fails, too much work) is waited
// for. Thread-safety: every method may be called from any thread; but Preview, Begin and Stop block
// on the coordinator and the journal, so a worker asks by Handle. The coordinator and the journal
// outlive it.
class BulkActions final : public BulkDesk {
 public:
  BulkActions(runtime::Coordinator& coordinator, storage::Journal& journal, BulkOptions options);
  ~BulkActions() override;
  BulkActions(const BulkActions&) = delete;
  BulkActions& operator=(const BulkActions&) = delete;

  // Reads what is kept, and goes on with what was running. Once, before anything else.
  [[nodiscard]] Status Start();
  // Ends its threads; what was running goes on at the next start. Before the coordinator drains,
  // whose answers they wait for. Nothing that is posted runs any more.
  void End();

  void Handle(BulkCall call, BulkDone done) override;

  // What it would act upon, without doing it.
  [[nodiscard]] Result<BulkAction> Preview(BulkRequest request);
  // Durable when it returns. kResourceExhausted bulk.too_many: kMaxBulkRunning run already.
  [[nodiscard]] Result<BulkAction> Begin(BulkRequest request);
  // No further transaction is touched. kNotFound bulk.not_found; one that has ended stays so.
  [[nodiscard]] Result<BulkAction> Stop(const std::string& id);
  [[nodiscard]] Result<BulkAction> Get(const std::string& id) const;
  [[nodiscard]] std::vector<BulkAction> List() const;  // Newest first.

 private:
  [[nodiscard]] Result<std::vector<BulkAction>> Answer(const BulkCall& call);
  void Post(std::function<void()> task);
  void Loop();
  // The id of the action to work on, or nothing once it is to end.
  [[nodiscard]] std::optional<uint64_t> AwaitWork();
  void ServeDesk();
  void RunPage(uint64_t id);
  // False: it was stopped, or this process ends.
  [[nodiscard]] bool ActOn(uint64_t id, const storage::SummaryRow& row);
  [[nodiscard]] bool MayGoOn(uint64_t id) const;
  void GiveUpUnlessForNow(uint64_t id, const Status& status);
  [[nodiscard]] Status Keep(uint64_t id);
  void Forget();
  // Waits a moment for what could not be done just now. False: this process ends.
  [[nodiscard]] bool Pause();
  [[nodiscard]] Result<storage::SummaryPage> Page(const storage::Filter& filter, size_t limit,
                                                  const std::string& cursor) const;
  [[nodiscard]] BulkAction* Find(const std::string& id);

  runtime::Coordinator& coordinator_;
  storage::Journal& journal_;
  const BulkOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, BulkAction> actions_;  // By number.
  uint64_t next_ = 1;
  std::optional<uint64_t> working_;  // Never forgotten meanwhile.
  std::deque<std::function<void()>> posted_;
  bool ending_ = false;
  std::thread thread_;
  std::thread desk_;
};

// How it is kept.
[[nodiscard]] std::string EncodeBulk(const BulkAction& action);
[[nodiscard]] Result<BulkAction> DecodeBulk(const std::string& text);

// "retry", "pause", "resume", "cancel"; nothing for another one.
[[nodiscard]] std::optional<BulkRequest::Verb> BulkVerbNamed(std::string_view name);
[[nodiscard]] std::string_view BulkVerbName(BulkRequest::Verb verb);

// kNotFound bulk.not_found.
[[nodiscard]] Status NoSuchBulk(const std::string& id);

// The filter that a list's query says: at least one parameter, and none of a page.
[[nodiscard]] Result<storage::Filter> BulkFilterOf(const std::string& query);

}  // namespace entente::api
