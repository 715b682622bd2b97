// The journal contract: how a coordinator's shards keep what they decided.
//
// A Journal stores opaque, already encoded records (proto/ has their schema) and small summary rows
// for lists. It knows nothing of engines or plans.
//
// Leases: a shard has one owner at a time, who writes under the epoch that Acquire gave it. Acquire
// raises the epoch, and whatever was handed in under an earlier one is either durable by then or
// refused (kFenced), however late it arrives: so the owner who reads a shard after Acquire reads
// all that will ever be there but its own. A process that was paused, or cut off, and comes back to
// a shard that another has, can not write to it.
//
// Thread-safety: every method may be called from any thread. Callbacks run on a thread of the
// journal's own; they must be quick and must not call back into the journal synchronously (post to
// your own executor). Callbacks of one caller's Appends run in the order of the calls.
//
// Lifetime: a Journal outlives its callers. Destroying it waits for what was handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"

namespace entente::storage {

using Labels = std::vector<std::pair<std::string, std::string>>;

// One waiting-for-an-operator branch, as the incident inbox lists it.
struct IncidentRow {
  BranchId branch;
  std::string participant;  // Empty for a child or wait step.
  std::string operation;    // "compensate", ...
  std::string code;         // Failure code: incidents are grouped by (participant, code).
  std::string message;
  Instant since;
};

// What lists show and filter by. Written whole with every append that changes it; definition,
// version, mode, labels, created_at and parent are taken from the append that creates the
// transaction and stay what they were.
struct Summary {
  std::string definition;
  uint32_t version = 0;
  std::string mode;    // dsl::ModeName
  std::string status;  // engine::TxnStatusName
  bool open = true;    // Not finished: LoadOpen returns it.
  bool paused = false;
  std::vector<IncidentRow> incidents;  // Empty: no incident.
  Labels labels;
  Instant created_at;
  Instant updated_at;
  std::optional<Gid> parent;
  uint32_t attempts = 0;  // The largest attempt number of any branch.
  std::string error;      // The latest failure, or empty.
  // Finished, and never purged all the same: somebody may still come and ask.
  bool lasting = false;
};

// The records one transaction gained, in order. `first` is at least 1, the gid not empty: anything
// else is a defect of the caller and aborts the process.
struct TxnAppend {
  Gid gid;
  Sequence first;                    // Sequence of records[0]; 1 creates the transaction.
  std::vector<std::string> records;  // Encoded; never empty.
  std::optional<Summary> summary;    // Present when it changed; always for first == 1.
};

// One all-or-nothing append, of transactions of one shard.
struct Batch {
  std::vector<TxnAppend> appends;
};

// The batch of one shard, among others that are handed in at the same moment.
struct ShardBatch {
  ShardId shard;
  Epoch epoch;
  Batch batch;
};

// One transaction as read back.
struct StoredTxn {
  Gid gid;
  Summary summary;
  std::vector<std::string> records;  // All, in order from sequence 1.
};

struct SummaryRow {
  Gid gid;
  Summary summary;
};

struct Filter {
  std::optional<std::string> status;
  std::optional<std::string> mode;
  std::optional<std::string> definition;
  std::optional<std::pair<std::string, std::string>> label;
  std::optional<bool> incident;
  std::optional<Instant> since;  // created_at >= since
  std::optional<Instant> until;  // created_at < until
  std::optional<std::string> gid_prefix;
  std::optional<Gid> parent;
  std::optional<bool> paused;
  std::optional<Instant> unchanged_since;  // updated_at < unchanged_since
  std::optional<uint32_t> attempts;        // At least so many.
  std::optional<std::string> error;        // Within the latest failure; A is a, in ASCII.
  // Of one and the same incident.
  std::optional<std::string> participant;
  std::optional<std::string> code;
  std::optional<std::string> step;  // Any of its branches.
};

// The orders of a list; list_order.h says where a row stands in each.
enum class ListOrder {
  kNewest,     // By creation, as all others among rows that they do not tell apart.
  kOldest,     // By creation.
  kChanged,    // What changed last comes first.
  kUnchanged,  // What has stood still longest comes first.
  kAttempts,   // The most attempts come first.
};

// Of a list in another order than that of creation; some tenths of a second.
inline constexpr size_t kMaxSortedRows = 250'000;

// `cursor` is opaque, from the previous page of the same filter and order; empty for the first. A
// page may have fewer rows than `limit`, even none, and still a next_cursor: a sparse filter ends a
// page after a bounded amount of work.
//
// A row that changes between two pages of an order other than that of creation may move from one to
// the other, and so be on both or on neither.
struct Page {
  size_t limit = 50;
  std::string cursor;
  ListOrder order = ListOrder::kNewest;
  // Orders other than that of creation are not kept by an index, which every change would pay for:
  // the rows are sorted when they are asked for, and a list of more than these is refused.
  size_t most_sorted = kMaxSortedRows;
};
struct SummaryPage {
  std::vector<SummaryRow> rows;
  std::string next_cursor;  // Empty: no more.
};

struct DefinitionRow {
  std::string name;
  uint32_t version = 0;  // From 1, without gaps.
  std::string source;    // The document as it was put.
  std::string env;       // JSON object: what `env` resolved to.
  std::string digest;    // Of source and env.
  Instant created_at;
};

// The setting that says who a coordinator is to participants: a store that was copied forgets it at
// its first opening.
inline constexpr const char* kIdentitySetting = "coordinator-id";
// The setting that tokens of completions are signed with.
inline constexpr const char* kCompletionSecretSetting = "completion-secret";

// The reason of the kUnavailable with which Acquire says that another owner has the shard.
inline constexpr const char* kLeaseHeld = "lease.held";

// The reason of the refusal of a journal that keeps no notes.
inline constexpr const char* kNoNotes = "store.no_notes";

// What to do with a store that is a copy of another, or was moved, when it is opened.
enum class CopiedStore {
  kAsk,           // A new identity; refuse, and ask, if a store that is no backup has open ones.
  kNewIdentity,   // A new identity.
  kKeepIdentity,  // The original's, with later epochs: the original will never run again.
};

// How the store does, as health and metrics tell it.
struct StoreHealth {
  // Not ok: nothing is accepted any more, whatever is asked; the process has to stop.
  Status fatal;
  // Since the latest one that succeeded, writes and reads apart.
  uint64_t failed_writes_in_row = 0;
  uint64_t failed_reads_in_row = 0;
  std::string latest_failure;  // Of a write or a read; empty before the first.

  uint64_t failed_commits = 0;         // Since the start.
  std::optional<Instant> last_commit;  // Absent before the first.

  // Bytes; absent for a store without files.
  struct Space {
    uint64_t database = 0;
    uint64_t database_free = 0;  // Of it, pages that hold nothing and will be used again.
    uint64_t log = 0;
    uint64_t disk_free = 0;  // To this process.
  };
  std::optional<Space> space;
};

// Outcome of an Append, a PutDefinition:
//   ok              durable.
//   kFenced         stale epoch: nothing was written; the shard is another owner's.
//   kConflict       stale sequence: nothing was written; `message` names the gid.
//   kAlreadyExists  an append with first == 1 met an existing gid: nothing was written.
//   kUnavailable    nothing was written (disk full, busy); may be repeated.
//   kUnknownOutcome it may or may not have been written: reload before going on.
//   kResourceExhausted  more than limits::kMaxAppendBytes of records: nothing was written.
//   kDataLoss       the store is corrupt; it accepts nothing more (fail-stop).
// A transaction may occur more than once in a batch, with consecutive sequences.
using AppendCallback = std::function<void(Status)>;

// The outcome of each batch, in their order.
using AppendEachCallback = std::function<void(std::vector<Status>)>;

class Journal {
 public:
  virtual ~Journal() = default;

  // Makes this journal the shard's owner, under an epoch above all earlier ones of the shard. Also
  // of a shard that is its own already. kUnavailable, kLeaseHeld, while another owner's lease
  // lasts. kUnknownOutcome and kDataLoss as of an Append after which nothing is accepted any more.
  // Blocks.
  [[nodiscard]] virtual Result<Epoch> Acquire(ShardId shard) = 0;

  // Makes the lease last again, where leases end by themselves. kFenced if another owner has the
  // shard by now. Blocks.
  [[nodiscard]] virtual Status Renew(ShardId shard, Epoch epoch) = 0;

  // How long a lease lasts from the moment on at which Acquire or Renew was called. Nothing: until
  // another owner acquires the shard.
  [[nodiscard]] virtual std::optional<Duration> lease_time() const { return std::nullopt; }

  // Gives the shard up, at once rather than when its lease ends: nothing that is not durable when
  // this returns is accepted under `epoch` any more. kFenced if it was lost already. Blocks.
  [[nodiscard]] virtual Status Release(ShardId shard, Epoch epoch) = 0;

  // All or nothing; `on_durable` runs once, only after fsync or commit. Every transaction of the
  // batch belongs to `shard` (ShardOf): anything else is a defect and aborts the process. Does not
  // block on I/O. After kUnknownOutcome the shard has to be acquired and read anew; where the
  // outcome can not become known while the process lives, and after kDataLoss, the journal refuses
  // every later Append, and Acquire, the same way. A stale epoch refuses this batch and no other.
  virtual void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) = 0;

  // Append of each batch, with one answer when the outcomes of all are known: that of one says
  // nothing of another. No batch and no answer wakes a thread by itself, so that many shards of one
  // caller cost little more than one. At least one batch.
  virtual void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable);

  // Reads every open transaction of the shard, each exactly once, in no particular order, and hands
  // them to `sink` on the calling thread. Blocks. Stops at the first failure of `sink` and returns
  // it.
  [[nodiscard]] virtual Status LoadOpen(ShardId shard,
                                        const std::function<Status(StoredTxn)>& sink) = 0;

  // Reads one transaction, open or finished. kNotFound, reason transaction.not_found. Blocks.
  [[nodiscard]] virtual Result<StoredTxn> Load(const Gid& gid) = 0;

  // A page of summary rows. kInvalidArgument: query.bad_cursor for a cursor that is not ours;
  // query.sort_too_wide for more rows to sort than page.most_sorted, of those that the filter lets
  // through or of those that had to be looked at for it. Blocks.
  [[nodiscard]] virtual Result<SummaryPage> Query(const Filter& filter, const Page& page) = 0;

  // Stores a new version of a definition, or returns the newest one if its digest is the same.
  // `row.version` is ignored; the result has it. Blocks until durable.
  [[nodiscard]] virtual Result<DefinitionRow> PutDefinition(DefinitionRow row) = 0;

  // The version asked for, or the newest. kNotFound, reason definition.not_found. Blocks.
  [[nodiscard]] virtual Result<DefinitionRow> GetDefinition(const std::string& name,
                                                            std::optional<uint32_t> version) = 0;

  // The newest version of every name, by name; or all versions of one name, newest first. Blocks.
  [[nodiscard]] virtual Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) = 0;

  // A small value that belongs to the store itself (its secret key, for example). Returns the value
  // already stored under `name`, or stores `value` durably and returns it. Blocks.
  [[nodiscard]] virtual Result<std::string> GetOrPutSetting(const std::string& name,
                                                            const std::string& value) = 0;

  // Small texts by name, of what the coordinator does beside transactions. Put replaces the one of
  // that name, or without `text` removes it; durable when it returns. List gives all whose name
  // begins with `prefix`, by name. Block. kFailedPrecondition kNoNotes: this journal keeps none.
  [[nodiscard]] virtual Status PutNote(const std::string& name,
                                       const std::optional<std::string>& text);
  [[nodiscard]] virtual Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
      const std::string& prefix);

  // Deletes at most `limit` finished transactions whose last update is before `before`, with their
  // records; returns how many. Never touches an open or a lasting one. Blocks.
  [[nodiscard]] virtual Result<size_t> Purge(Instant before, size_t limit) = 0;

  // Looks at the store's files: one that was deleted, replaced or cut under it makes the store fail
  // for good. While the latest write failed it also tries one of its own, so that a store nobody
  // writes to any more because it fails is found well again. Meant to be called every second or so,
  // by one thread. Blocks.
  [[nodiscard]] virtual StoreHealth CheckHealth() = 0;
};

}  // namespace entente::storage
