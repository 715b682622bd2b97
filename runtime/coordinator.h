// Coordinator: everything a client may ask, in C++ terms. REST and gRPC are two thin codecs over
// it.
//
// Thread-safety: every method may be called from any thread, and never blocks. A callback runs
// once: on the calling worker's own thread when the call came from a worker (so an HTTP
// connection's handler is called back where the connection lives), else on some worker's thread.
//
// Lifetime: the Coordinator outlives its callers. What a callback receives by shared_ptr may be
// kept for as long as is wished; it never changes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/json_text.h"
#include "base/status.h"
#include "base/time.h"
#include "dsl/compiler.h"
#include "dsl/plan.h"
#include "engine/engine.h"
#include "runtime/wait.h"
#include "storage/journal.h"

namespace entente::runtime {

template <class T>
using Callback = std::function<void(Result<T>)>;

// One transaction at one revision, durable when it is handed out.
struct TxnView {
  std::shared_ptr<const dsl::Plan> plan;
  std::shared_ptr<const engine::TxnState> state;
  // Why it is quarantined, or empty. Then only what lists show is known of it: neither input nor
  // branches.
  std::string quarantine = {};
};

struct SubmitRequest {
  // Exactly one of `definition` and `inline_definition` is present.
  std::string definition;
  std::optional<uint32_t> version;               // Default: the newest.
  std::optional<std::string> inline_definition;  // JSON text.
  std::optional<Gid> gid;                        // Default: a new UUIDv7.
  JsonText input;
  std::vector<std::pair<std::string, std::string>> labels;
  std::optional<Duration> deadline;
  std::string traceparent;
  // Absent: answer when accepted. Present: answer when it ended, this long has passed, or the
  // client hung up.
  std::optional<Wait> wait;
};

struct SubmitReply {
  TxnView view;
  bool created = false;  // False: the same gid was submitted before with the same content.
};

// A transaction without a definition, which its client drives: it enlists branches, works with
// their participants, and commits or aborts.
struct BeginRequest {
  engine::Mode mode = engine::Mode::kTcc;
  std::optional<Gid> gid;              // Default: a new UUIDv7.
  std::optional<Duration> time_limit;  // Default: limits::kDefaultClientDrivenLimit.
  std::vector<std::pair<std::string, std::string>> labels;
  std::string traceparent;
};

struct EnlistReply {
  TxnView view;
  bool created = false;  // False: the same branch was enlisted before with the same content.
};

// What an operator asks; which fields count depends on the verb.
struct OperatorRequest {
  enum class Verb : uint8_t { kCancel, kPause, kResume, kRetry, kEdit, kSkip, kResolve, kComplete };
  Gid gid;
  Verb verb = Verb::kCancel;
  engine::Actor actor;
  // The revision the operator saw. When present and another one is current: kConflict, reason
  // transaction.revision_mismatch. Required for kEdit, kSkip, kResolve and kComplete.
  std::optional<Sequence> expected_revision;
  std::optional<BranchId> branch;                   // kRetry (optional), kEdit, kSkip, kComplete.
  engine::Edit edit;                                // kEdit: changed, and retried in one.
  JsonText output;                                  // kSkip, kComplete.
  std::optional<engine::Failure> refusal;           // kComplete: it was refused, without an effect.
  std::optional<engine::TxnStatus> forced_outcome;  // kResolve.
};

struct SignalRequest {
  std::string name;
  JsonText payload;
  std::string id;  // The sender's name for this very signal; empty: it has none.
};

struct HistoryEntry {
  Sequence revision;
  engine::Record record;
};
struct History {
  Gid gid;
  engine::Mode mode = engine::Mode::kSaga;
  std::vector<HistoryEntry> entries;
  std::shared_ptr<const dsl::Plan> plan;  // For the names of steps; may be null.
};

// A durable step of some transaction, for live views.
struct TxnEvent {
  Gid gid;
  std::string definition;
  engine::TxnStatus status = engine::TxnStatus::kActive;
  bool incident = false;
  HistoryEntry entry;
  std::shared_ptr<const dsl::Plan> plan;  // For the names of steps; may be null.
  std::string traceparent = {};           // The submitter's, or empty.
};

enum class EventForm : uint8_t { kJson, kProto };

// One event, for all who watch. Immutable but for `encoded`.
struct SharedEvent {
  TxnEvent event;
  // What the first watcher of a kind made of it, for the others of that kind. Set and looked for
  // only within sinks, which are called one after the other; never changed once set.
  mutable std::array<std::shared_ptr<const void>, 2> encoded = {};  // By EventForm.
};
using SharedEventPtr = std::shared_ptr<const SharedEvent>;
// Called with null: events were left out, because they came faster than they could be handed on.
using EventSink = std::function<void(const SharedEventPtr& event)>;

struct ParticipantStats {
  std::string name;        // As the definition names it.
  std::string definition;  // One of the definitions that names it.
  std::string address;
  std::string service;     // As the definition names it, if its SRV records name the address.
  std::string breaker;     // "closed", "open", "half-open"
  std::string blocked_by;  // Empty, "breaker", "backoff", "concurrency" or "rate".
  // When the gate lets the next call go; nothing where that is now, or up to a call's end.
  std::optional<Instant> blocked_until;
  uint64_t max_in_flight = 0;
  double calls_per_second = 0;  // At most; 0: any number.
  uint64_t in_flight = 0;
  uint64_t queued = 0;
  uint64_t calls = 0;  // Let go by the gate; those that wait there are not among them.
  uint64_t failures = 0;
  double error_rate = 0;      // Moving average, 0 to 1.
  double latency_millis = 0;  // Moving average.
  // Whose calls go next, of those that wait: each transaction once, at most kMaxWaitingShown.
  std::vector<Gid> waiting;
  static constexpr size_t kMaxWaitingShown = 10;
};

// Calls that could not be made because this machine had no descriptor, port or memory left.
struct LocalExhaustion {
  uint64_t times = 0;
  std::optional<Instant> last;
  std::string what;  // The latest one, for people.
};

// What /healthz, /readyz and /metrics tell.
struct Health {
  bool ready = false;
  std::string reason;  // Why not, when not ready.
  uint64_t open = 0;
  uint64_t queued_inputs = 0;
  std::optional<Duration> oldest_overdue;  // Age of the oldest timer that should have fired.
  // Branches that are due and held back by their participant's limits or breaker, and for how long
  // the first of them has been.
  uint64_t blocked = 0;
  std::optional<Duration> oldest_blocked;
  std::optional<Duration> store_lag;  // How long the oldest append has been waiting.
  bool store_failing = false;         // Its writes or its reads fail in a row.
  storage::StoreHealth store;         // A second or so old.
  std::string exhausted;              // What this machine lacks; empty: nothing of late.
};

struct Metrics {
  uint64_t accepted = 0, committed = 0, aborted = 0, mixed = 0, rejected = 0, incidents_raised = 0;
  uint64_t incidents_open = 0;  // Transactions that wait for an operator now.
  uint64_t inputs = 0, appends = 0, records = 0;
  // Handed to the participants' gates; of these let go and ended; of these without success.
  uint64_t calls_asked = 0, calls = 0, calls_failed = 0;
  uint64_t local_exhaustions = 0;  // Calls that waited because this machine lacked something.
  uint64_t held_back = 0;          // Turns that failed by a defect or for want of memory.
  uint64_t payload_bytes = 0, payload_bytes_limit = 0;  // Of open transactions, in memory.
  uint64_t message_type_bytes = 0;                      // Of gRPC participants.
  // Of definitions that came with open transactions, in memory.
  uint64_t inline_definition_bytes = 0, inline_definition_bytes_limit = 0;
  uint64_t parked = 0;              // Open transactions at rest, whose state is not in memory.
  uint64_t waiting_for_memory = 0;  // Open transactions for which the start found no room.
  uint64_t quarantined = 0;  // Transactions that are held back until an operator releases them.
};

// Stops the flow of events when destroyed. May be destroyed on any thread.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

class Coordinator {
 public:
  virtual ~Coordinator() = default;

  // 16 hexadecimal digits that belong to its store: what it decided, no other coordinator knows.
  [[nodiscard]] virtual const std::string& id() const = 0;

  // kNotFound definition.not_found; kInvalidArgument (gid.invalid, input.invalid, definition.*);
  // kAlreadyExists transaction.content_differs: the gid is taken by other content;
  // kResourceExhausted overloaded; kUnavailable store.unavailable or coordinator.draining.
  virtual void Submit(SubmitRequest request, Callback<SubmitReply> done) = 0;

  // As Submit: the same gid with the same content is the same transaction. When its time limit has
  // passed without a commit it aborts. kInvalidArgument (gid.invalid, transaction.bad_time_limit).
  virtual void Begin(BeginRequest request, Callback<SubmitReply> done) = 0;

  // Announces a branch before its participant is worked with; `branch` is the JSON text that
  // dsl/client_branches.h describes. Durable when answered. Repeating it changes nothing.
  // kInvalidArgument branch.invalid, and then `problems` holds every mistake; kAlreadyExists
  // branch.content_differs; kFailedPrecondition transaction.committing, .aborted, .finished,
  // .not_client_driven; kResourceExhausted transaction.too_many_branches; kNotFound.
  virtual void Enlist(
      const Gid& gid, std::string branch,
      std::function<void(Result<EnlistReply>, std::vector<dsl::Problem> problems)> done) = 0;

  // Both answer when that is durable, or with `wait` when the transaction ended or this long has
  // passed; both may be repeated at any time. A commit may still turn into an abort (a no vote, an
  // expired reservation): the view's status tells. kFailedPrecondition: of a commit
  // transaction.aborted; of an abort transaction.committing, .finished, .commit_in_doubt.
  virtual void Commit(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) = 0;
  virtual void Abort(const Gid& gid, engine::Actor actor, std::optional<Wait> wait,
                     Callback<TxnView> done) = 0;

  // With `wait`: answers when it ended or this long has passed. kNotFound transaction.not_found.
  virtual void Get(const Gid& gid, std::optional<Wait> wait, Callback<TxnView> done) = 0;
  virtual void GetHistory(const Gid& gid, Callback<History> done) = 0;
  virtual void List(storage::Filter filter, storage::Page page,
                    Callback<storage::SummaryPage> done) = 0;

  // kFailedPrecondition transaction.finished, transaction.past_pivot, ...; kConflict.
  virtual void Operate(OperatorRequest request, Callback<TxnView> done) = 0;
  // With an id, the same signal sent again changes nothing, whatever became of it since.
  // kNotFound signal.not_found; kInvalidArgument signal.payload_invalid: nothing was stored;
  // kFailedPrecondition signal.too_late, .not_taken_yet, .content_differs, transaction.aborting,
  // .finished.
  virtual void Signal(const Gid& gid, SignalRequest request, Callback<TxnView> done) = 0;

  // The outcome of a pending operation. kNotFound completion.unknown_token for a token that is not
  // ours; kFailedPrecondition completion.too_late.
  virtual void Complete(std::string token,
                        std::variant<engine::ReplyDone, engine::ReplyRefused> outcome,
                        Callback<TxnView> done) = 0;

  // kInvalidArgument definition.invalid; `problems` (never null) receives every mistake.
  virtual void PutDefinition(
      std::string name, std::string source,
      std::function<void(Result<storage::DefinitionRow>, std::vector<dsl::Problem>)> done) = 0;
  // Compiles without storing anything; `done` gets every mistake, none when valid.
  virtual void ValidateDefinition(std::string source,
                                  std::function<void(std::vector<dsl::Problem>)> done) = 0;
  virtual void GetDefinition(std::string name, std::optional<uint32_t> version,
                             Callback<storage::DefinitionRow> done) = 0;
  virtual void ListDefinitions(std::optional<std::string> name,
                               Callback<std::vector<storage::DefinitionRow>> done) = 0;

  // Calls `sink` (on a thread for that alone, quickly, never blocking) for each record made durable
  // from now on, and for some just before; of one transaction, or of all that are driven here.
  [[nodiscard]] virtual std::unique_ptr<Subscription> Subscribe(std::optional<Gid> gid,
                                                                EventSink sink) = 0;

  // As Subscribe of all, whichever coordinator of the store drives them; of those of one
  // transaction that changes hands, some may be told out of turn. `begun` is called once, as every
  // callback or from within: what happens from then on is told, or that some was left out.
  [[nodiscard]] virtual std::unique_ptr<Subscription> SubscribeEverywhere(
      EventSink sink, std::function<void()> begun) {
    auto subscription = Subscribe(std::nullopt, std::move(sink));
    begun();
    return subscription;
  }

  // The transaction that a completion token is of; nothing for what is no token of this store.
  // Never blocks.
  [[nodiscard]] virtual std::optional<Gid> TransactionOf(const std::string& token) = 0;

  // Runs `work`, which may block, on a thread for such work, and then `done` as every callback.
  virtual void Offload(std::function<void()> work, std::function<void()> done) = 0;

  [[nodiscard]] virtual std::vector<ParticipantStats> Participants() = 0;
  [[nodiscard]] virtual Health GetHealth() = 0;
  [[nodiscard]] virtual Metrics GetMetrics() = 0;
};

}  // namespace entente::runtime
