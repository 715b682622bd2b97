// The one thread that appends: it gathers what callers hand in while the last commit is under way,
// and commits all of it at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "net/postgres/session.h"
#include "storage/append_answers.h"
#include "storage/journal.h"
#include "storage/postgres/gathering.h"
#include "storage/postgres/group_rows.h"
#include "storage/postgres/leases.h"
#include "storage/postgres/options.h"
#include "storage/postgres/periods.h"
#include "storage/postgres/positions.h"

namespace entente::storage::postgres {

// Thread-safe.
//
// A group is one database transaction in two flights. The first locks the rows of the shards'
// leases that are still under the epochs of the appends: from there on nobody can take these shards
// before the transaction has ended, and appends of the others are refused. It also reads where the
// transactions stand that are not remembered. The second writes, with one statement for each table,
// and commits. Until COMMIT is sent a failure means that nothing was written; after it, only the
// server's word counts, and without it the outcome is unknown.
class GroupWriter {
 public:
  GroupWriter(const PostgresOptions& options, Leases& leases, Periods& periods);
  // Finishes what was handed in.
  ~GroupWriter();
  GroupWriter(const GroupWriter&) = delete;
  GroupWriter& operator=(const GroupWriter&) = delete;

  // As Journal::AppendEach.
  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable);

  // Writes something of its own, if the latest commits failed, to see whether one works again: to
  // all tables, and as much as what failed. There may be room for less, and one table may be well
  // where another is not.
  void TryAgain();

  // Refuses everything from now on with `status`, unless something else already does.
  void FailStop(const Status& status);
  [[nodiscard]] Status health() const;

  struct Record {
    uint64_t appends = 0;  // TxnAppends written.
    uint64_t commits = 0;
    uint64_t failed = 0;
    // A success that wrote less than what failed ends no row, nor does one that wrote nothing.
    uint64_t failed_in_row = 0;
    uint64_t most_failed_in_row = 0;  // As of any failure since the latest TakeRecord.
    size_t failed_bytes = 0;          // Of records, the most that failed in the row.
    std::string latest_failure;
    std::optional<Instant> latest_success;
  };
  [[nodiscard]] Record record() const;
  // The record; what it has of most_failed_in_row is not told again.
  [[nodiscard]] Record TakeRecord();

 private:
  struct Request {
    ShardId shard;
    Epoch epoch;
    Batch batch;
    std::shared_ptr<AppendAnswers> answers;  // Shared with what was handed in beside it.
    size_t place = 0;                        // There.
    Status status;                           // A refusal of this one.
    bool fenced = false;
  };
  struct Owned {
    Epoch epoch;
    int32_t period = 0;
  };

  void Loop();
  [[nodiscard]] bool AwaitWork();
  void Gather(std::unique_lock<std::mutex>& lock);
  void CommitInGroups();
  void CommitGroup(std::span<Request> group);
  [[nodiscard]] Status WriteGroup(std::span<Request> group, bool& again);
  void RefuseDoubtful(std::span<Request> group) const;
  [[nodiscard]] Status Open(pg::Connection& connection, std::span<Request> group,
                            const PeriodList& list);
  [[nodiscard]] static pg::Params FenceParams(std::span<Request> group, const std::string& owner);
  [[nodiscard]] std::optional<pg::Params> FindParams(std::span<Request> group);
  void ReadFence(std::span<Request> group, const pg::PgResult& fence);
  void ReadFound(const pg::PgResult& found);
  void StageAll(std::span<Request> group, GroupRows& rows);
  [[nodiscard]] Status Stage(const Request& request, Positions::Shard& shard);
  [[nodiscard]] Status Commit(pg::Connection& connection, GroupRows& rows, const PeriodList& list);
  void Settle(const Status& outcome);
  void DoubtGroup(std::span<const Request> group);
  void Note(const Status& outcome, size_t appends, size_t bytes);
  [[nodiscard]] int64_t NextPos(ShardId shard);
  void Probe();
  [[nodiscard]] Duration PatienceFor(size_t bytes) const;
  [[nodiscard]] Status WriteProbe(pg::Connection& connection, size_t bytes);

  const PostgresOptions options_;
  Leases& leases_;
  Periods& periods_;

  // The writer thread's own.
  pg::Session session_;
  Gathering gathering_;
  Positions positions_;
  std::vector<Request> group_;
  std::unordered_map<ShardId, Owned> owned_;  // Of the group's shards, locked.
  std::vector<std::pair<ShardId, Gid>> touched_;
  bool wrote_ = false;           // The group's rows, or has tried to.
  int64_t database_micros_ = 0;  // The database's clock at the latest fence.
  int64_t latest_micros_ = 0;    // Given to the latest transaction created.
  // Shards with a commit of unknown outcome, and the epoch that it was under: nothing may follow it
  // that was decided without knowing.
  std::unordered_map<ShardId, Epoch> doubtful_;

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Request> waiting_;
  size_t waiting_appends_ = 0;
  size_t gathers_ = 0;  // The writer is to be told when there are so many; 0: it does not wait.
  bool probe_ = false;
  bool idle_ = false;
  bool stopping_ = false;
  Status health_;
  Record record_;

  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace entente::storage::postgres
