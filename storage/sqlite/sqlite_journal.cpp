#include "storage/sqlite/sqlite_journal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "storage/sqlite/connection.h"
#include "storage/sqlite/definitions.h"
#include "storage/sqlite/file_guard.h"
#include "storage/sqlite/group_writer.h"
#include "storage/sqlite/query.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/reader_pool.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/wal_check.h"
#include "storage/sqlite/wal_space.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {
namespace {

// How long a commit waits for another program that has locked the file.
constexpr int kBusyMilliseconds = 2'000;

// Transactions per commit of a purge, so that appends never wait long behind one.
constexpr size_t kPurgeChunk = 128;

class SqliteJournal : public Journal {
 public:
  SqliteJournal(std::unique_ptr<FileGuard> guard, std::unique_ptr<Words> words,
                std::unique_ptr<GroupWriter> writer, const std::string& path,
                const SqliteOptions& options)
      : guard_(std::move(guard)),
        words_(std::move(words)),
        writer_(std::move(writer)),
        readers_(path, options.vfs, *words_, std::max<size_t>(options.max_readers, 1)) {}

  void Append(Batch batch, AppendCallback on_durable) override {
    writer_->Append(std::move(batch), std::move(on_durable));
  }

  Status LoadOpen(const std::function<bool(ShardId)>& wanted,
                  const std::function<Status(StoredTxn)>& sink) override {
    Result<std::unique_ptr<Reader>> reader = readers_.OpenOwn();
    if (!reader.ok()) {
      return Judged(reader.status());
    }
    // A failure of the sink is the caller's own, and says nothing about the store.
    Status refused;
    const Status status = (*reader)->LoadOpen(wanted, [&](StoredTxn txn) {
      refused = sink(std::move(txn));
      return refused;
    });
    return refused.ok() ? Judged(status) : refused;
  }

  Result<StoredTxn> Load(const Gid& gid) override {
    return Read<StoredTxn>([&](Reader& reader) { return reader.Load(gid); });
  }

  Result<bool> Exists(const Gid& gid) override {
    return Read<bool>([&](Reader& reader) { return reader.Exists(gid); });
  }

  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    return Read<SummaryPage>([&](Reader& reader) { return RunQuery(reader, filter, page); });
  }

  Result<Counts> Count() override {
    return Read<Counts>([](Reader& reader) { return reader.Count(); });
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

  Result<uint64_t> Increment(const std::string& name) override {
    return Write<uint64_t>(
        [&](Connection& connection, TxnWriter&) { return sqlite::Increment(connection, name); });
  }

  Result<size_t> Purge(Instant before, size_t limit) override {
    size_t purged = 0;
    while (purged < limit) {
      const size_t chunk = std::min(limit - purged, kPurgeChunk);
      ENTENTE_ASSIGN_OR_RETURN(
          const size_t deleted,
          Write<size_t>([&](Connection&, TxnWriter& txns) { return txns.Purge(before, chunk); }));
      purged += deleted;
      if (deleted < chunk) {
        break;
      }
    }
    return purged;
  }

  [[nodiscard]] WriterStats stats() const { return writer_->stats(); }

 private:
  // Damage that a reader meets stops the writer too. An I/O error of a reader changed nothing, so
  // the read may be repeated.
  Status Judged(Status status) {
    if (status.code() == StatusCode::kDataLoss) {
      writer_->FailStop(status);
    }
    if (status.code() == StatusCode::kUnknownOutcome) {
      return Unavailable("store.unavailable", status.message());
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
    return result.ok() ? std::move(result) : Result<T>(Judged(result.status()));
  }

  template <class T, class Function>
  Result<T> Write(Function function) {
    std::optional<T> value;
    ENTENTE_RETURN_IF_ERROR(writer_->Run([&](Connection& connection, TxnWriter& txns) -> Status {
      ENTENTE_ASSIGN_OR_RETURN(value, function(connection, txns));
      return {};
    }));
    return std::move(*value);
  }

  const std::unique_ptr<FileGuard> guard_;  // First, so that it is released last.
  const std::unique_ptr<Words> words_;      // On the heap: the writer refers to it already.
  const std::unique_ptr<GroupWriter> writer_;
  ReaderPool readers_;
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
  // A log that a long read made large is cut back once it has been moved.
  const std::string rest = "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=" +
                           std::to_string(options.wal_target_bytes * 2);
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

}  // namespace

Result<std::unique_ptr<Journal>> OpenSqliteJournal(const std::string& path,
                                                   const SqliteOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<FileGuard> guard, FileGuard::Acquire(path));
  ENTENTE_RETURN_IF_ERROR(CheckDatabaseFile(path));
  ENTENTE_RETURN_IF_ERROR(CheckWal(path + "-wal"));
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, OpenWriter(path, options));
  auto words = std::make_unique<Words>();
  ENTENTE_RETURN_IF_ERROR(words->Load(*connection));
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<GroupWriter> writer,
                           GroupWriter::Start(std::move(connection), *words, options));
  ReserveLog(path + "-wal", options.wal_target_bytes);
  return std::unique_ptr<Journal>(std::make_unique<SqliteJournal>(
      std::move(guard), std::move(words), std::move(writer), path, options));
}

WriterStats GetWriterStats(const Journal& journal) {
  const auto* sqlite = dynamic_cast<const SqliteJournal*>(&journal);
  return sqlite == nullptr ? WriterStats{} : sqlite->stats();
}

}  // namespace entente::storage::sqlite
