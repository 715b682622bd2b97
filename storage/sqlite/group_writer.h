// The one thread that writes: it gathers what callers hand in while the last commit is in fsync,
// and appends all of it at once to the log. The tables follow, in larger commits.
#pragma once

#include <chrono>
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
#include "storage/append_answers.h"
#include "storage/journal.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/files/file_guard.h"
#include "storage/sqlite/files/log_file.h"
#include "storage/sqlite/leases.h"
#include "storage/sqlite/pending_log.h"
#include "storage/sqlite/sqlite_journal.h"
#include "storage/sqlite/txn_writer.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {

// The length in bytes to which SQLite cuts its write-ahead log, if a long read made it larger, once
// it has been moved.
inline size_t WalLimit(const SqliteOptions& options) {
  return 2 * options.wal_target_bytes;
}

// Thread-safe. Owns the log, and the only connection that writes, and runs every checkpoint on it:
// SQLite before 3.51.3 can corrupt its write-ahead log when one connection resets it while another
// one checkpoints.
//
// The order that keeps what was acknowledged: an entry of the log is synced before its appends are
// acknowledged and readers find them as pending. A projection writes all that is pending, and the
// number of the last entry, in one commit. Only after that commit does it cease to be pending, and
// only then is the log begun afresh. A crash before the commit finds tables and log as they were; a
// crash after it finds a log whose entries all have numbers that the tables know already.
//
// Fail-stop: after an I/O error or damage nothing is written any more, because what the disk holds
// is not known; the first such status answers everything later.
class GroupWriter {
 public:
  // Work of another kind, run between BEGIN IMMEDIATE and COMMIT on the writer's thread. A failure
  // is SQLite's, and rolls back.
  using Job = std::function<Status(Connection&, TxnWriter&)>;

  // Takes over the connection to the database at `path`, in WAL mode and with the schema in place;
  // opens the log, or makes one, moves what it holds into the tables, and starts the thread.
  // `words` must outlive the writer.
  // kFailedPrecondition store.log_missing, kDataLoss store.corrupt, and as SqliteStatus says.
  [[nodiscard]] static Result<std::unique_ptr<GroupWriter>> Start(
      std::unique_ptr<Connection> connection, Words& words, const std::string& path,
      const SqliteOptions& options);

  // Finishes what was handed in. A store that is well then has all in its tables, and no log.
  ~GroupWriter();
  GroupWriter(const GroupWriter&) = delete;
  GroupWriter& operator=(const GroupWriter&) = delete;

  // As the methods of Journal.
  [[nodiscard]] Result<Epoch> Acquire(ShardId shard);
  [[nodiscard]] Status Renew(ShardId shard, Epoch epoch);
  [[nodiscard]] Status Release(ShardId shard, Epoch epoch);
  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable);

  // Waits until the tables have all that was durable before the call.
  [[nodiscard]] Status Settle();

  // What is durable and not in the tables.
  [[nodiscard]] const PendingLog& pending() const { return pending_; }

  // Runs `job` and waits until it is committed. Must not be called from a callback.
  // `settled`, if given, is told on the writer's thread, before anything else is written. With
  // `settle` the job finds everything that is durable in the tables; it is one commit with it.
  [[nodiscard]] Status Run(Job job, std::function<void(const Status&)> settled = {},
                           bool settle = false);

  // Refuses everything from now on with `status`, unless something else already does.
  void FailStop(const Status& status);

  // Ok, or what everything is refused with.
  [[nodiscard]] Status health() const;

  [[nodiscard]] WriterStats stats();

  // What commits came to, those of jobs too. One that had nothing to write says nothing of the
  // disk, and is not among them.
  struct Record {
    uint64_t failed = 0;
    // Until one succeeds that is as large as the latest that failed: while a disk is full, what is
    // small finds room now and then, and says nothing of what is asked for.
    uint64_t failed_in_row = 0;
    uint64_t most_failed_in_row = 0;  // As of any failure since the latest TakeRecord.
    std::string latest_failure;
    size_t failed_bytes = 0;  // Of records, in the latest that failed; 0 after failed_in_row was.
    std::optional<Instant> latest_success;
  };
  [[nodiscard]] Record record() const;
  // For one caller, who looks now and then: between two looks successes and failures may alternate.
  [[nodiscard]] Record TakeRecord();

  // Looks whether the log has room for so many bytes, as a job.
  [[nodiscard]] Status TryLog(size_t bytes);
  // What failed could be written by now: nothing in a row is, unless more failed since `before`.
  void FoundWell(const Record& before);

  // What the files of both logs hold. They may be cut back to `kept` bytes whenever `rounds`, which
  // counts their begins, changes: it does so before the file does.
  struct Files {
    FileGuard::Written wal;
    FileGuard::Written log;
    uint64_t rounds = 0;
  };
  [[nodiscard]] Files files() const;

 private:
  struct Request {
    ShardId shard;
    Epoch epoch;
    Batch batch;
    std::shared_ptr<AppendAnswers> answers;  // Shared with what was handed in beside it.
    size_t place = 0;                        // There.
    Status status;
  };
  struct PendingJob {
    Job job;
    bool settle = false;               // The tables must have what is in the log first.
    std::function<void(Status)> done;  // On the writer's thread, after COMMIT or ROLLBACK.
  };

  GroupWriter(std::unique_ptr<Connection> connection, Words& words, const std::string& path,
              const SqliteOptions& options);

  [[nodiscard]] Status Prepare();
  [[nodiscard]] Status PrepareWal();
  [[nodiscard]] Status OpenLog();
  [[nodiscard]] size_t LogRoom() const;
  void RemoveLog();
  void Loop();
  // False when there is nothing left to do, ever.
  [[nodiscard]] bool AwaitWork();
  using Time = std::chrono::steady_clock::time_point;
  [[nodiscard]] std::optional<Time> NextChore(Time idle_since) const;
  void DoChore();
  void CommitInGroups();
  void CommitGroup(std::span<Request> group, size_t bytes);
  [[nodiscard]] Status WriteGroup(std::span<Request> group);
  [[nodiscard]] Status AppendToLog();
  void RunJob(PendingJob& pending);
  [[nodiscard]] bool IsProjectionDue() const;
  // In the background: does not wait for other programs' locks, and is tried again later.
  void ProjectIfDue();
  [[nodiscard]] Status Project();
  // Runs `work` as one SQLite transaction.
  [[nodiscard]] Status InTransaction(const std::function<Status()>& work);
  [[nodiscard]] Status KeepSnapshot();
  [[nodiscard]] Status DropSnapshot();
  [[nodiscard]] Status Commit();
  [[nodiscard]] Status ReserveIndex();
  void Note(const Status& outcome, size_t bytes = 0);
  void NoteFiles();
  // Before either log may be cut back.
  void ForgetFiles();
  // Takes back the open SQLite transaction; returns what its callers are told.
  [[nodiscard]] Status Abandon(Status failure);
  void CheckpointIfLarge();
  void Checkpoint();

  const size_t wal_target_pages_;
  const size_t wal_idle_pages_;
  const size_t window_appends_;
  const Duration window_time_;
  const size_t log_bytes_;
  const std::string log_path_;
  const std::string vfs_;
  std::unique_ptr<Connection> connection_;
  Leases leases_;
  PendingLog pending_;
  TxnWriter txns_;
  std::unique_ptr<LogFile> log_;
  uint64_t log_number_ = 0;  // Of the latest entry.
  Statement begin_read_;
  Statement begin_;
  Statement commit_;
  Statement rollback_;

  // The writer thread's own.
  std::vector<Request> group_;
  std::vector<PendingJob> jobs_;
  size_t wal_pages_ = 0;      // In the write-ahead log after the latest commit.
  size_t settled_pages_ = 0;  // The same at the latest checkpoint; 0 once it begins afresh.
  size_t index_pages_ = 0;    // Of a write-ahead log that its index has room for.
  Time project_not_before_;   // After a failure.
  bool projection_failed_ = false;
  bool wrote_ = false;  // Since the latest Note: to the log, or to the write-ahead log.

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Request> waiting_;
  std::vector<PendingJob> waiting_jobs_;
  bool idle_ = false;  // The thread waits and wants to be notified.
  bool stopping_ = false;
  Status health_;
  WriterStats stats_;
  Record record_;
  Files files_;

  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace entente::storage::sqlite
