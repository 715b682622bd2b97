#include "storage/sqlite/group_writer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <future>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "storage/journal_errors.h"
#include "storage/sqlite/definitions.h"
#include "storage/sqlite/files/wal_space.h"

namespace entente::storage::sqlite {
namespace {

// A SQLite transaction of a group stays within these, so that a flood can not make one commit, and
// everybody's wait for it, arbitrarily long.
constexpr size_t kMaxGroupBatches = 4096;

constexpr std::chrono::milliseconds kIdleBeforeCheckpoint(20);
constexpr std::chrono::seconds kBeforeProjectingAgain(1);

// What the log may hold beside the tables, when they can not follow because the disk is full.
constexpr size_t kMostPendingBytes = 2 * limits::kMaxGroupBytes;

// Of a write-ahead log with so many pages (SQLite's "WAL-mode File Format").
uint64_t WalBytes(size_t pages) {
  return pages == 0 ? 0 : 32 + pages * (24 + kPageBytes);
}

bool IsFatal(const Status& status) {
  return !status.ok() && status.code() != StatusCode::kUnavailable;
}

}  // namespace

GroupWriter::GroupWriter(std::unique_ptr<Connection> connection, Words& words,
                         const std::string& path, const SqliteOptions& options)
    : wal_target_pages_(std::max<size_t>(options.wal_target_bytes / kPageBytes, 1)),
      wal_idle_pages_(std::max<size_t>(options.wal_idle_bytes / kPageBytes, 1)),
      window_appends_(std::max<size_t>(options.log_window_appends, 1)),
      window_time_(options.log_window_time),
      log_bytes_(options.log_bytes),
      log_path_(path + kLogSuffix),
      vfs_(options.vfs),
      connection_(std::move(connection)),
      txns_(*connection_, words, pending_, options.cached_txns) {
  files_.wal.kept = WalLimit(options);
}

Result<std::unique_ptr<GroupWriter>> GroupWriter::Start(std::unique_ptr<Connection> connection,
                                                        Words& words, const std::string& path,
                                                        const SqliteOptions& options) {
  std::unique_ptr<GroupWriter> writer(new GroupWriter(std::move(connection), words, path, options));
  ENTENTE_RETURN_IF_ERROR(writer->Prepare());
  writer->thread_ = std::thread([raw = writer.get()] { raw->Loop(); });
  return writer;
}

Status GroupWriter::Prepare() {
  ENTENTE_RETURN_IF_ERROR(PrepareWal());
  ENTENTE_RETURN_IF_ERROR(begin_read_.Prepare(*connection_, "BEGIN"));
  ENTENTE_RETURN_IF_ERROR(begin_.Prepare(*connection_, "BEGIN IMMEDIATE"));
  ENTENTE_RETURN_IF_ERROR(commit_.Prepare(*connection_, "COMMIT"));
  ENTENTE_RETURN_IF_ERROR(rollback_.Prepare(*connection_, "ROLLBACK"));
  ENTENTE_RETURN_IF_ERROR(txns_.Prepare());
  ENTENTE_RETURN_IF_ERROR(OpenLog());
  files_.log.kept = log_->reserved();
  // A disk that is full at this moment may have room later; what is durable is read from the log
  // until then.
  const Status projected = Project();
  return IsFatal(projected) ? projected : Status();
}

Status GroupWriter::PrepareWal() {
  // A write-ahead log begun afresh leaves no frames of an earlier process among later ones. It is
  // not cut: syncing a file that does not grow costs one write less. Another program reading the
  // file, or a full disk, may be in the way, and is no reason not to start.
  sqlite3* const database = connection_->handle();
  const int code =
      sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  if (code != SQLITE_OK) {
    Status failure = connection_->Failure(code, "moving the write-ahead log into the database");
    if (IsFatal(failure)) {
      return failure;
    }
  }
  // As much as it usually needs; each commit sees to the rest.
  if (ReserveLogIndex(*connection_, 2 * wal_target_pages_).ok()) {
    index_pages_ = 2 * wal_target_pages_;
  }
  sqlite3_wal_hook(
      database,
      [](void* self, sqlite3*, const char*, int pages) {
        auto* const writer = static_cast<GroupWriter*>(self);
        writer->wal_pages_ = static_cast<size_t>(pages);
        writer->wrote_ = true;
        return SQLITE_OK;
      },
      this);
  return {};
}

// The database says which log belongs to it for as long as it needs one. A log is made, and
// durable, before the database names it; and the database ceases to name it before it is removed.
// So a log that is named and not there was taken away, with what it held.
Status GroupWriter::OpenLog() {
  log_number_ = txns_.logged();
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> named,
                           FindSetting(*connection_, kLogSetting));
  if (named) {
    std::vector<LogEntry> entries;
    ENTENTE_ASSIGN_OR_RETURN(
        log_, LogFile::Open(log_path_, vfs_, *named, LogRoom(), txns_.logged(), entries));
    log_number_ += entries.size();
    return txns_.LoadLog(entries);
  }
  const LogKey key = MakeLogKey();
  ENTENTE_ASSIGN_OR_RETURN(log_, LogFile::Create(log_path_, vfs_, key, LogRoom()));
  return InTransaction([&] { return PutSetting(*connection_, kLogSetting, key); });
}

size_t GroupWriter::LogRoom() const {
  // The tables need what is left more: a log without room of its own grows as it needs to.
  std::error_code unknown;
  const auto disk = std::filesystem::space(std::filesystem::path(log_path_).parent_path(), unknown);
  return unknown ? 0 : std::min<size_t>(log_bytes_, disk.available / 8);
}

void GroupWriter::RemoveLog() {
  const Status forgotten =
      InTransaction([this] { return RemoveSetting(*connection_, kLogSetting); });
  log_.reset();
  if (forgotten.ok()) {
    // One that stays is in nobody's way.
    LogFile::Remove(log_path_, vfs_);
  }
}

GroupWriter::~GroupWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
  if (!health_.ok()) {
    // Closing would checkpoint. After a failure the files stay as they are, for the next start to
    // recover from.
    sqlite3_db_config(connection_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
}

Result<Epoch> GroupWriter::Acquire(ShardId shard) {
  Epoch epoch;
  ENTENTE_RETURN_IF_ERROR(Run(
      [&](Connection& connection, TxnWriter&) -> Status {
        ENTENTE_ASSIGN_OR_RETURN(epoch, leases_.Acquire(connection, shard));
        return {};
      },
      [this](const Status& status) { leases_.Settled(status.ok()); }));
  return epoch;
}

Status GroupWriter::Renew(ShardId shard, Epoch epoch) {
  ENTENTE_RETURN_IF_ERROR(health());
  return leases_.Check(shard, epoch);
}

Status GroupWriter::Release(ShardId shard, Epoch epoch) {
  // A lost lease is no failure of the store.
  Status released;
  ENTENTE_RETURN_IF_ERROR(Run([&](Connection&, TxnWriter&) {
    released = leases_.Release(shard, epoch);
    return Status();
  }));
  return released;
}

void GroupWriter::AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) {
  const auto answers = std::make_shared<AppendAnswers>(batches.size(), std::move(on_durable));
  std::vector<Request> requests;
  requests.reserve(batches.size());
  for (ShardBatch& one : batches) {
    CheckWellFormed(one.shard, one.batch);
    const bool fits = RecordBytes(one.batch) <= limits::kMaxAppendBytes;
    requests.push_back({one.shard, one.epoch, std::move(one.batch), answers, requests.size(),
                        fits ? Status() : AppendTooLarge()});
  }
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    ENTENTE_CHECK(!stopping_);
    waiting_.insert(waiting_.end(), std::make_move_iterator(requests.begin()),
                    std::make_move_iterator(requests.end()));
    notify = std::exchange(idle_, false);
  }
  if (notify) {
    arrived_.notify_one();
  }
}

Status GroupWriter::Settle() {
  if (pending_.IsEmpty()) {
    return {};
  }
  return Run([](Connection&, TxnWriter&) { return Status(); }, {}, true);
}

Status GroupWriter::Run(Job job, std::function<void(const Status&)> settled, bool settle) {
  // Shared: whoever waits may be gone before set_value returns.
  const auto promise = std::make_shared<std::promise<Status>>();
  {
    const std::lock_guard lock(mutex_);
    ENTENTE_CHECK(!stopping_);
    waiting_jobs_.push_back(
        {std::move(job), settle, [promise, settled = std::move(settled)](Status status) {
           if (settled) {
             settled(status);
           }
           promise->set_value(std::move(status));
         }});
    idle_ = false;
  }
  arrived_.notify_one();
  return promise->get_future().get();
}

void GroupWriter::FailStop(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (health_.ok()) {
    health_ = status;
  }
}

Status GroupWriter::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

WriterStats GroupWriter::stats() {
  WriterStats stats;
  {
    const std::lock_guard lock(mutex_);
    stats = stats_;
  }
  clockid_t clock{};
  timespec used{};
  if (pthread_getcpuclockid(thread_.native_handle(), &clock) == 0 &&
      clock_gettime(clock, &used) == 0) {
    stats.cpu_nanoseconds = int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
  }
  return stats;
}

void GroupWriter::Loop() {
  while (AwaitWork()) {
    CommitInGroups();
    for (PendingJob& pending : jobs_) {
      RunJob(pending);
    }
    jobs_.clear();
    ProjectIfDue();
    CheckpointIfLarge();
  }
  // A store that was stopped in good order is whole without a log.
  if (health().ok() && Project().ok()) {
    RemoveLog();
  }
}

bool GroupWriter::AwaitWork() {
  const auto has_work = [this] { return stopping_ || !waiting_.empty() || !waiting_jobs_.empty(); };
  const Time idle_since = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  stats_.appends = txns_.appends();
  while (!has_work()) {
    idle_ = true;
    const std::optional<Time> chore = health_.ok() ? NextChore(idle_since) : std::nullopt;
    if (!chore) {
      arrived_.wait(lock);
    } else if (!arrived_.wait_until(lock, *chore, has_work)) {
      idle_ = false;
      lock.unlock();
      DoChore();
      lock.lock();
    }
  }
  idle_ = false;
  group_.swap(waiting_);
  jobs_.swap(waiting_jobs_);
  return !group_.empty() || !jobs_.empty();
}

// What is to be done while nobody wants anything: the tables brought up to date, and a write-ahead
// log moved, for which a pause is the best time.
std::optional<GroupWriter::Time> GroupWriter::NextChore(Time idle_since) const {
  std::optional<Time> chore;
  if (pending_.appends() > 0) {
    chore = std::max(pending_.since() + window_time_, project_not_before_);
  }
  if (wal_pages_ >= settled_pages_ + wal_idle_pages_) {
    const Time checkpoint = idle_since + kIdleBeforeCheckpoint;
    chore = std::min(chore.value_or(checkpoint), checkpoint);
  }
  return chore;
}

void GroupWriter::DoChore() {
  if (IsProjectionDue()) {
    ProjectIfDue();
  } else if (wal_pages_ >= settled_pages_ + wal_idle_pages_) {
    Checkpoint();
  }
}

bool GroupWriter::IsProjectionDue() const {
  if (pending_.appends() == 0) {
    return false;
  }
  const Time now = std::chrono::steady_clock::now();
  const bool wanted = pending_.appends() >= window_appends_ || log_->end() >= log_bytes_ ||
                      now >= pending_.since() + window_time_;
  return wanted && now >= project_not_before_;
}

void GroupWriter::ProjectIfDue() {
  if (!IsProjectionDue()) {
    return;
  }
  // Appends go on without the tables: they must not wait for whoever holds those locked.
  sqlite3_busy_timeout(connection_->handle(), 0);
  const Status projected = Project();
  sqlite3_busy_timeout(connection_->handle(), kBusyMilliseconds);
  if (!projected.ok()) {
    project_not_before_ = std::chrono::steady_clock::now() + kBeforeProjectingAgain;
  }
}

Status GroupWriter::Project() {
  if (pending_.appends() == 0) {
    return {};
  }
  ENTENTE_RETURN_IF_ERROR(health());
  Status status = InTransaction([this] { return txns_.Project(); });
  projection_failed_ = !status.ok();
  Note(status);
  return status;
}

Status GroupWriter::InTransaction(const std::function<Status()>& work) {
  ENTENTE_RETURN_IF_ERROR(DropSnapshot());
  Status status = begin_.Run("beginning a commit");
  if (status.ok()) {
    status = work();
  }
  if (status.ok()) {
    status = Commit();
  }
  return status.ok() ? status : Abandon(std::move(status));
}

// What an append is checked against is looked up in one snapshot, kept from commit to commit: this
// connection is the only one that writes, and every look-up by itself would lock and unlock.
Status GroupWriter::KeepSnapshot() {
  return sqlite3_get_autocommit(connection_->handle()) == 0 ? Status()
                                                            : begin_read_.Run("beginning to read");
}

Status GroupWriter::DropSnapshot() {
  return sqlite3_get_autocommit(connection_->handle()) == 0 ? commit_.Run("ending to read")
                                                            : Status();
}

void GroupWriter::CommitInGroups() {
  std::span<Request> rest(group_);
  while (!rest.empty()) {
    size_t count = 0;
    size_t bytes = 0;
    while (count < std::min(rest.size(), kMaxGroupBatches) && bytes < limits::kMaxGroupBytes) {
      bytes += RecordBytes(rest[count].batch);
      ++count;
    }
    CommitGroup(rest.first(count), bytes);
    rest = rest.subspan(count);
  }
  group_.clear();
}

void GroupWriter::CommitGroup(std::span<Request> group, size_t bytes) {
  Status failure = health();
  if (failure.ok() && pending_.bytes() > kMostPendingBytes) {
    failure = Project();
  }
  if (failure.ok()) {
    failure = WriteGroup(group);
  }
  Note(failure, bytes);
  for (Request& request : group) {
    // If the commit failed, so did the look-ups that a refusal was based on.
    request.answers->Put(request.place, failure.ok() ? std::move(request.status) : failure);
  }
}

Status GroupWriter::WriteGroup(std::span<Request> group) {
  Status failure = KeepSnapshot();
  for (Request& request : group) {
    if (!failure.ok()) {
      return Abandon(std::move(failure));
    }
    if (request.status.ok()) {
      request.status = leases_.Check(request.shard, request.epoch);
    }
    if (request.status.ok()) {
      failure = txns_.Log(request.batch, request.status);
    }
  }
  return failure.ok() ? AppendToLog() : Abandon(std::move(failure));
}

Status GroupWriter::AppendToLog() {
  if (!txns_.has_entry()) {
    return {};
  }
  // A reader may have found damage since the group began; then nothing more may be acknowledged.
  Status status = health();
  if (status.ok()) {
    status = log_->Append(log_number_ + 1, txns_.entry());
  }
  if (!status.ok()) {
    txns_.LogFailed();
    if (IsFatal(status)) {
      FailStop(status);
    }
    return status;
  }
  wrote_ = true;
  txns_.Logged(++log_number_, std::chrono::steady_clock::now());
  const std::lock_guard lock(mutex_);
  ++stats_.commits;
  return {};
}

Status GroupWriter::Commit() {
  ENTENTE_RETURN_IF_ERROR(txns_.Flush());
  // A reader may have found damage since the work began; then nothing more may be acknowledged.
  ENTENTE_RETURN_IF_ERROR(health());
  ENTENTE_RETURN_IF_ERROR(ReserveIndex());
  ENTENTE_RETURN_IF_ERROR(commit_.Run("committing"));
  txns_.Committed();
  if (log_ != nullptr && pending_.appends() == 0) {
    ForgetFiles();
    log_->Restart();
  }
  const std::lock_guard lock(mutex_);
  ++stats_.table_commits;
  return {};
}

Status GroupWriter::ReserveIndex() {
  // Nothing is spilled, so that what the commit will add to the log is all in the cache.
  int cached_bytes = 0;
  int peak = 0;
  sqlite3_db_status(connection_->handle(), SQLITE_DBSTATUS_CACHE_USED, &cached_bytes, &peak, 0);
  const size_t pages = wal_pages_ + static_cast<size_t>(cached_bytes) / kPageBytes + 1;
  if (pages > index_pages_) {
    ENTENTE_RETURN_IF_ERROR(ReserveLogIndex(*connection_, pages));
    index_pages_ = pages;
  }
  return {};
}

void GroupWriter::Note(const Status& outcome, size_t bytes) {
  if (std::exchange(wrote_, false)) {
    NoteFiles();
  } else if (outcome.ok()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (outcome.ok()) {
    // Appends may go on for a while where the tables can not follow; the store is not well then.
    const bool tables_fail = projection_failed_ && pending_.appends() > 0;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    if (!tables_fail && bytes >= record_.failed_bytes) {
      record_.failed_in_row = 0;
      record_.failed_bytes = 0;
    }
    record_.latest_success = InstantFromMicros(std::chrono::floor<Duration>(now).count());
  } else {
    ++record_.failed;
    ++record_.failed_in_row;
    record_.most_failed_in_row = std::max(record_.most_failed_in_row, record_.failed_in_row);
    record_.latest_failure = outcome.message();
    record_.failed_bytes = bytes != 0 ? bytes : record_.failed_bytes;
  }
}

GroupWriter::Record GroupWriter::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

GroupWriter::Record GroupWriter::TakeRecord() {
  const std::lock_guard lock(mutex_);
  Record record = record_;
  record_.most_failed_in_row = 0;
  return record;
}

Status GroupWriter::TryLog(size_t bytes) {
  return Run([this, bytes](Connection&, TxnWriter&) { return log_->TryRoom(bytes); });
}

void GroupWriter::FoundWell(const Record& before) {
  const std::lock_guard lock(mutex_);
  if (record_.failed == before.failed) {
    record_.failed_in_row = 0;
    record_.failed_bytes = 0;
  }
}

void GroupWriter::NoteFiles() {
  const std::lock_guard lock(mutex_);
  files_.wal.bytes = WalBytes(wal_pages_);
  files_.log.bytes = log_->end();
}

void GroupWriter::ForgetFiles() {
  const std::lock_guard lock(mutex_);
  ++files_.rounds;
  files_.wal.bytes = std::min(files_.wal.bytes, files_.wal.kept);
  files_.log.bytes = std::min(files_.log.bytes, files_.log.kept);
}

GroupWriter::Files GroupWriter::files() const {
  const std::lock_guard lock(mutex_);
  return files_;
}

Status GroupWriter::Abandon(Status failure) {
  txns_.LogFailed();
  // SQLite may have rolled back by itself already.
  if (sqlite3_get_autocommit(connection_->handle()) == 0) {
    const Status rolled_back = rollback_.Run("rolling back");
    if (!rolled_back.ok()) {
      failure = UnknownOutcome("store.io_error", rolled_back.message());
    }
  }
  if (!IsFatal(failure)) {
    const Status reloaded = txns_.RolledBack();
    if (reloaded.ok()) {
      return failure;
    }
    // Without a fresh picture of the store the next append could be checked against a wrong one.
    failure = IsFatal(reloaded) ? reloaded : UnknownOutcome("store.io_error", reloaded.message());
  }
  FailStop(failure);
  return failure;
}

void GroupWriter::RunJob(PendingJob& pending) {
  Status status = health();
  if (status.ok()) {
    status = InTransaction([&]() -> Status {
      if (pending.settle) {
        ENTENTE_RETURN_IF_ERROR(txns_.Project());
      }
      return pending.job(*connection_, txns_);
    });
  }
  Note(status);
  pending.done(std::move(status));
}

void GroupWriter::CheckpointIfLarge() {
  if (wal_pages_ < settled_pages_) {
    settled_pages_ = 0;
  }
  // A checkpoint that could not move all of a log (a reader still needs it, the disk is full) is
  // worth another try only when the log has grown noticeably.
  const size_t growth = settled_pages_ == 0 ? wal_target_pages_ : wal_target_pages_ / 2 + 1;
  if (wal_pages_ >= settled_pages_ + growth) {
    Checkpoint();
  }
}

void GroupWriter::Checkpoint() {
  if (!health().ok() || !DropSnapshot().ok()) {
    return;
  }
  // The next commit may begin the write-ahead log afresh, and cut it.
  ForgetFiles();
  const int code = sqlite3_wal_checkpoint_v2(connection_->handle(), "main",
                                             SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  settled_pages_ = wal_pages_;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.checkpoints;
  }
  if (code != SQLITE_OK) {
    const Status failure = connection_->Failure(code, "moving the write-ahead log");
    if (IsFatal(failure)) {
      FailStop(failure);
    }
  }
}

}  // namespace entente::storage::sqlite
