// The one thread that writes: it gathers what callers hand in while the last commit is in fsync,
// and commits all of it at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "storage/journal.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/leases.h"
#include "storage/sqlite/sqlite_journal.h"
#include "storage/sqlite/txn_writer.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// Thread-safe. Owns the only connection that writes, and runs every checkpoint on it: SQLite before
// 3.51.3 can corrupt the log when one connection resets it while another one checkpoints.
//
// Fail-stop: after an I/O error or damage nothing is written any more, because what the disk holds
// is not known; the first such status answers everything later.
class GroupWriter {
 public:
  // Work of another kind, run between BEGIN IMMEDIATE and COMMIT on the writer's thread. A failure
  // is SQLite's, and rolls back.
  using Job = std::function<Status(Connection&, TxnWriter&)>;

  // Takes over the connection, in WAL mode and with the schema in place; empties the log and starts
  // the thread. `words` must outlive the writer.
  [[nodiscard]] static Result<std::unique_ptr<GroupWriter>> Start(
      std::unique_ptr<Connection> connection, Words& words, const SqliteOptions& options);

  // Finishes what was handed in.
  ~GroupWriter();
  GroupWriter(const GroupWriter&) = delete;
  GroupWriter& operator=(const GroupWriter&) = delete;

  // As the methods of Journal.
  [[nodiscard]] Result<Epoch> Acquire(ShardId shard);
  [[nodiscard]] Status Renew(ShardId shard, Epoch epoch);
  [[nodiscard]] Status Release(ShardId shard, Epoch epoch);
  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable);

  // Runs `job` and waits until it is committed. Must not be called from a callback.
  // `settled`, if given, is told on the writer's thread, before anything else is written.
  [[nodiscard]] Status Run(Job job, std::function<void(const Status&)> settled = {});

  // Refuses everything from now on with `status`, unless something else already does.
  void FailStop(const Status& status);

  // Ok, or what everything is refused with.
  [[nodiscard]] Status health() const;

  [[nodiscard]] WriterStats stats();

  // What commits came to, those of jobs too.
  struct Record {
    uint64_t failed = 0;
    uint64_t failed_in_row = 0;
    std::string latest_failure;
    size_t failed_bytes = 0;  // Of records, in the latest one that failed.
    std::optional<Instant> latest_success;
    size_t log_pages = 0;  // In the log after the latest success.
  };
  [[nodiscard]] Record record() const;

 private:
  struct Request {
    ShardId shard;
    Epoch epoch;
    Batch batch;
    AppendCallback on_durable;
    Status status;
  };
  struct PendingJob {
    Job job;
    std::function<void(Status)> done;  // On the writer's thread, after COMMIT or ROLLBACK.
  };

  GroupWriter(std::unique_ptr<Connection> connection, Words& words, const SqliteOptions& options);

  [[nodiscard]] Status Prepare();
  void Loop();
  // False when there is nothing left to do, ever.
  [[nodiscard]] bool AwaitWork();
  void CommitInGroups();
  void CommitGroup(std::span<Request> group, size_t bytes);
  [[nodiscard]] Status WriteGroup(std::span<Request> group);
  void RunJob(PendingJob& pending);
  [[nodiscard]] Status Commit();
  [[nodiscard]] Status ReserveIndex();
  void Note(const Status& outcome, size_t bytes = 0);
  // Takes back the open SQLite transaction; returns what its callers are told.
  [[nodiscard]] Status Abandon(Status failure);
  void CheckpointIfLarge();
  void Checkpoint();

  const size_t wal_target_pages_;
  const size_t wal_idle_pages_;
  std::unique_ptr<Connection> connection_;
  Leases leases_;
  TxnWriter txns_;
  Statement begin_;
  Statement commit_;
  Statement rollback_;

  // The writer thread's own.
  std::vector<Request> group_;
  std::vector<PendingJob> jobs_;
  size_t wal_pages_ = 0;      // In the log after the latest commit.
  size_t settled_pages_ = 0;  // In the log at the latest checkpoint; 0 once it begins afresh.
  size_t index_pages_ = 0;    // Of a log that its index has room for.

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Request> waiting_;
  std::vector<PendingJob> waiting_jobs_;
  bool idle_ = false;  // The thread waits and wants to be notified.
  bool stopping_ = false;
  Status health_;
  WriterStats stats_;
  Record record_;

  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace entente::storage::sqlite
