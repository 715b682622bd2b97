#include "storage/sqlite/sqlite_journal.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "base/limits.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/definitions.h"
#include "storage/sqlite/files/file_guard.h"
#include "storage/sqlite/files/log_file.h"
#include "storage/sqlite/files/store_identity.h"
#include "storage/sqlite/files/wal_check.h"
#include "storage/sqlite/files/wal_space.h"
#include "storage/sqlite/group_writer.h"
#include "storage/sqlite/query.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/reader_pool.h"
#include "storage/sqlite/rewriting.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {
namespace {

// Transactions per commit of a purge, so that appends never wait long behind one.
constexpr size_t kPurgeChunk = 128;

constexpr size_t kLeastTried = size_t{64} << 10;

class SqliteJournal : public Journal, public NoteLog, public Rewriting, public OpenedQuery {
 public:
  SqliteJournal(std::unique_ptr<FileGuard> guard, std::unique_ptr<Words> words,
                std::unique_ptr<GroupWriter> writer, const SqliteOptions& options)
      : guard_(std::move(guard)),
        words_(std::move(words)),
        writer_(std::move(writer)),
        readers_(guard_->path(), options.vfs, *words_, std::max<size_t>(options.max_readers, 1)) {}

  Result<Epoch> Acquire(ShardId shard) override { return writer_->Acquire(shard); }

  Status Renew(ShardId shard, Epoch epoch) override { return writer_->Renew(shard, epoch); }

  Status Release(ShardId shard, Epoch epoch) override { return writer_->Release(shard, epoch); }

  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) override {
    std::vector<ShardBatch> one;
    one.push_back({shard, epoch, std::move(batch)});
    AppendEach(std::move(one), AnswerOfOne(std::move(on_durable)));
  }

  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) override {
    writer_->AppendEach(std::move(batches), std::move(on_durable));
  }

  Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) override {
    Result<std::unique_ptr<Reader>> reader = readers_.OpenOwn();
    if (!reader.ok()) {
      return Judged(reader.status());
    }
    std::vector<TxnAppend> pending = writer_->pending().FindAll(shard);
    // A failure of the sink is the caller's own, and says nothing about the store.
    Status refused;
    const Status status = (*reader)->LoadOpen(shard, std::move(pending), [&](StoredTxn txn) {
      refused = sink(std::move(txn));
      return refused;
    });
    return refused.ok() ? Judged(status) : refused;
  }

  Result<StoredTxn> Load(const Gid& gid) override {
    // Before the tables: what leaves the log in between is in them by then.
    std::optional<TxnAppend> pending = writer_->pending().Find(gid);
    if (pending && pending->first.value() == 1) {
      return StoredTxn{gid, std::move(*pending->summary), std::move(pending->records)};
    }
    return Read<StoredTxn>([&](Reader& reader) { return reader.Load(gid, pending); });
  }

  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    return QueryOpened(filter, page, {});
  }

  Result<SummaryPage> QueryOpened(const Filter& filter, const Page& page,
                                  const OpenRow& open) override {
    const Status settled = writer_->Settle();
    // While a full disk keeps the tables from following, they are shown as they are.
    if (!settled.ok() && settled.code() != StatusCode::kUnavailable) {
      return settled;
    }
    return Read<SummaryPage>([&](Reader& reader) { return RunQuery(reader, filter, page, open); });
  }

  Result<DefinitionRow> PutDefinition(DefinitionRow row) override {
    return Write<DefinitionRow>([&](Connection& connection, TxnWriter&) {
      return sqlite::PutDefinition(connection, std::move(row));
    });
  }

  Result<DefinitionRow> GetDefinition(const std::string& name,
                                      std::optional<uint32_t> version) override {
    return Read<DefinitionRow>(
        [&](Reader& reader) { return sqlite::GetDefinition(reader.connection(), name, version); });
  }

  Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) override {
    return Read<std::vector<DefinitionRow>>(
        [&](Reader& reader) { return sqlite::ListDefinitions(reader.connection(), name); });
  }

  Result<std::string> GetOrPutSetting(const std::string& name, const std::string& value) override {
    return Write<std::string>([&](Connection& connection, TxnWriter&) {
      return sqlite::GetOrPutSetting(connection, name, value);
    });
  }

  Status PutNote(const std::string& name, const std::optional<std::string>& text) override {
    return Write<bool>([&](Connection& connection, TxnWriter&) -> Result<bool> {
             ENTENTE_RETURN_IF_ERROR(sqlite::PutNote(connection, name, text));
             return true;
           })
        .status();
  }

  Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
      const std::string& prefix) override {
    return Read<std::vector<std::pair<std::string, std::string>>>(
        [&](Reader& reader) { return sqlite::ListNotes(reader.connection(), prefix); });
  }

  Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
      const NoteRange& range) override {
    return Read<std::vector<std::pair<std::string, std::string>>>(
        [&](Reader& reader) { return sqlite::ListNoteRange(reader.connection(), range); });
  }

  Result<size_t> RemoveNotes(const NoteRange& range) override {
    return Write<size_t>(
        [&](Connection& connection, TxnWriter&) { return sqlite::RemoveNotes(connection, range); });
  }

  Result<std::string> RewriteSome(const std::string& cursor, const ChangeText& change) override {
    return Write<std::string>(
        [&](Connection& connection, TxnWriter&) {
          return sqlite::RewriteSome(connection, cursor, change);
        },
        true);
  }

  Result<size_t> Purge(Instant before, size_t limit) override {
    size_t purged = 0;
    while (purged < limit) {
      const size_t chunk = std::min(limit - purged, kPurgeChunk);
      ENTENTE_ASSIGN_OR_RETURN(
          const size_t deleted,
          Write<size_t>([&](Connection&, TxnWriter& txns) { return txns.Purge(before, chunk); },
                        true));
      purged += deleted;
      if (deleted < chunk) {
        break;
      }
    }
    return purged;
  }

  StoreHealth CheckHealth() override {
    if (const Status files = CheckFiles(); !files.ok()) {
      writer_->FailStop(files);
    }
    TryWrite();
    StoreHealth health;
    health.space = Space();
    const GroupWriter::Record writes = writer_->TakeRecord();
    health.fatal = writer_->health();
    // Small writes may find room between large ones that do not.
    health.failed_writes_in_row = std::max(writes.failed_in_row, writes.most_failed_in_row);
    health.failed_commits = writes.failed;
    health.last_commit = writes.latest_success;
    health.latest_failure = writes.latest_failure;
    const std::lock_guard lock(reads_mutex_);
    health.failed_reads_in_row = failed_reads_in_row_;
    if (failed_reads_in_row_ > 0) {
      health.latest_failure = failed_read_;
    }
    return health;
  }

  [[nodiscard]] WriterStats stats() const { return writer_->stats(); }

  // That the files are those of the first call, whole. For one thread at a time.
  Status CheckFiles() {
    for (;;) {
      const GroupWriter::Files files = writer_->files();
      Status checked = guard_->CheckUnchanged(files.wal, files.log);
      // What was found against a log that was just begun afresh is looked for once more.
      if (checked.ok() || writer_->files().rounds == files.rounds) {
        return checked;
      }
    }
  }

 private:
  // As much as what failed, at least an ordinary append, in the tables and in the log: a full disk
  // has room for less now and then, and one of the two may have it where the other has not.
  void TryWrite() {
    const GroupWriter::Record record = writer_->record();
    if (record.failed_in_row == 0) {
      return;
    }
    const size_t bytes = std::clamp(record.failed_bytes, kLeastTried, limits::kMaxGroupBytes);
    const std::string put = "REPLACE INTO setting(name, value) VALUES('probe', randomblob(" +
                            std::to_string(bytes) + "))";
    for (const char* sql : {put.c_str(), "DELETE FROM setting WHERE name = 'probe'"}) {
      const Status tried = writer_->Run(
          [sql](Connection& connection, TxnWriter&) { return connection.Execute(sql); });
      if (!tried.ok()) {
        return;
      }
    }
    if (writer_->Settle().ok() && writer_->TryLog(bytes).ok()) {
      writer_->FoundWell(record);
    }
  }

  std::optional<StoreHealth::Space> Space() {
    StoreHealth::Space space;
    const Result<int64_t> free_pages = Read<int64_t>(
        [](Reader& reader) { return reader.connection().QueryInteger("PRAGMA freelist_count"); });
    std::error_code unknown;
    const auto disk = std::filesystem::space(guard_->path(), unknown);
    space.database = FileSize(guard_->path());
    space.database_free = free_pages.ok() ? static_cast<uint64_t>(*free_pages) * kPageBytes : 0;
    space.log = FileSize(guard_->path() + "-wal") + FileSize(guard_->path() + kLogSuffix);
    space.disk_free = unknown ? 0 : disk.available;
    return space;
  }

  // Damage that a reader meets stops the writer too. An I/O error of a reader changed nothing, so
  // the read may be repeated.
  Status Judged(Status status) {
    if (status.code() == StatusCode::kDataLoss) {
      writer_->FailStop(status);
    }
    if (status.code() == StatusCode::kUnknownOutcome) {
      status = Unavailable("store.unavailable", status.message());
    }
    const std::lock_guard lock(reads_mutex_);
    if (status.code() == StatusCode::kUnavailable) {
      ++failed_reads_in_row_;
      failed_read_ = status.message();
    } else {
      failed_reads_in_row_ = 0;
    }
    return status;
  }

  template <class T, class Function>
  Result<T> Read(Function function) {
    Result<ReaderPool::Lease> lease = readers_.Acquire();
    if (!lease.ok()) {
      return Judged(lease.status());
    }
    Result<T> result = function(**lease);
    const Status status = Judged(result.status());
    return status.ok() ? std::move(result) : Result<T>(status);
  }

  template <class T, class Function>
  Result<T> Write(Function function, bool settle = false) {
    std::optional<T> value;
    ENTENTE_RETURN_IF_ERROR(writer_->Run(
        [&](Connection& connection, TxnWriter& txns) -> Status {
          ENTENTE_ASSIGN_OR_RETURN(value, function(connection, txns));
          return {};
        },
        {}, settle));
    return std::move(*value);
  }

  const std::unique_ptr<FileGuard> guard_;  // First, so that it is released last.
  const std::unique_ptr<Words> words_;      // On the heap: the writer refers to it already.
  const std::unique_ptr<GroupWriter> writer_;
  ReaderPool readers_;

  std::mutex reads_mutex_;
  uint64_t failed_reads_in_row_ = 0;
  std::string failed_read_;
};

Status Configure(Connection& connection, const std::string& path, const SqliteOptions& options) {
  // secure_delete would overwrite every freed cell, and spilling would write pages twice.
  ENTENTE_RETURN_IF_ERROR(
      connection.Execute("PRAGMA secure_delete=OFF; PRAGMA cache_spill=OFF;"
                         "PRAGMA cache_size=-32768; PRAGMA page_size=4096"));
  ENTENTE_ASSIGN_OR_RETURN(const std::string mode, connection.QueryText("PRAGMA journal_mode=WAL"));
  if (mode != "wal") {
    return Unavailable("store.unavailable", path + " can not be used with a write-ahead log (it " +
                                                "stays in mode '" + mode +
                                                "'); use a local file system");
  }
  const std::string rest =
      "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=" + std::to_string(WalLimit(options));
  return connection.Execute(rest.c_str());
}

Result<std::unique_ptr<Connection>> OpenWriter(const std::string& path,
                                               const SqliteOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(
      std::unique_ptr<Connection> connection,
      Connection::Open(path, Connection::Access::kReadWrite, options.vfs, kBusyMilliseconds));
  // Before the first write, which in somebody else's database would be a lot worse than an error.
  ENTENTE_ASSIGN_OR_RETURN(const int64_t objects,
                           connection->QueryInteger("SELECT count(*) FROM sqlite_master"));
  if (objects > 0) {
    ENTENTE_RETURN_IF_ERROR(EnsureSchema(*connection, path));
  }
  ENTENTE_RETURN_IF_ERROR(Configure(*connection, path, options));
  ENTENTE_RETURN_IF_ERROR(EnsureSchema(*connection, path));
  return connection;
}

// After the tables have what the log held: whether something is open counts.
Status Identify(GroupWriter& writer, const std::string& path, const FileGuard& guard,
                const SqliteOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string home, HomeOf(guard.database()));
  Result<std::string> told = std::string();
  ENTENTE_RETURN_IF_ERROR(writer.Run([&](Connection& connection, TxnWriter&) {
    told = SettleIdentity(connection, path, home, options.copied);
    // A refusal is no failure of the store, and wrote nothing.
    const bool refused = told.status().code() == StatusCode::kFailedPrecondition;
    return refused ? Status() : told.status();
  }));
  if (told.ok() && !told->empty() && options.on_copy) {
    options.on_copy(*told);
  }
  return told.status();
}

}  // namespace

Result<std::unique_ptr<Journal>> OpenSqliteJournal(const std::string& path,
                                                   const SqliteOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<FileGuard> guard, FileGuard::Acquire(path));
  const std::string& file = guard->path();
  ENTENTE_RETURN_IF_ERROR(CheckDatabaseFile(file));
  ENTENTE_RETURN_IF_ERROR(CheckWal(file + "-wal"));
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenWriter(file, options));
  auto words = std::make_unique<Words>();
  ENTENTE_RETURN_IF_ERROR(words->Load(*connection));
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<GroupWriter> writer,
                           GroupWriter::Start(std::move(connection), *words, file, options));
  ENTENTE_RETURN_IF_ERROR(Identify(*writer, path, *guard, options));
  ReserveLog(file + "-wal", options.wal_target_bytes);
  guard->TakeSpareRoom();
  auto journal = std::make_unique<SqliteJournal>(std::move(guard), std::move(words),
                                                 std::move(writer), options);
  ENTENTE_RETURN_IF_ERROR(journal->CheckFiles());
  return std::unique_ptr<Journal>(std::move(journal));
}

WriterStats GetWriterStats(const Journal& journal) {
  const auto* sqlite = dynamic_cast<const SqliteJournal*>(&journal);
  return sqlite == nullptr ? WriterStats{} : sqlite->stats();
}

}  // namespace entente::storage::sqlite
