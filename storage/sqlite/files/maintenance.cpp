#include "storage/sqlite/files/maintenance.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/sqlite/connection.h"
#include "storage/sqlite/definitions.h"
#include "storage/sqlite/files/file_descriptor.h"
#include "storage/sqlite/files/file_guard.h"
#include "storage/sqlite/files/log_file.h"
#include "storage/sqlite/files/store_identity.h"
#include "storage/sqlite/files/wal_check.h"
#include "storage/sqlite/pending_log.h"
#include "storage/sqlite/reader.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/txn_writer.h"
#include "storage/sqlite/words.h"

namespace entente::storage::sqlite {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCachedTxns = 1'024;

// At a log that is being written, until one of them is whole. It is begun afresh some tens of times
// a second at the most, and read in less than a hundredth of one.
constexpr int kMostLooks = 100;

// How long to wait for a coordinator that is starting or stopping.
constexpr int kPatienceMilliseconds = 10'000;

Status CanNot(const std::string& what, const std::string& path) {
  return Unavailable("store.unavailable", "can not " + what + " " + path + ": " +
                                              std::generic_category().message(errno));
}

// The file itself, whatever links lead to it.
Result<std::string> Find(const std::string& path) {
  std::error_code error;
  const fs::path file = fs::canonical(path, error);
  if (error || !fs::is_regular_file(file, error)) {
    return InvalidArgument("store.no_file",
                           "there is no store at " + path + "; name it with --store sqlite:FILE");
  }
  return file.string();
}

Status SyncDirectoryOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  const FileDescriptor directory(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.valid() && fsync(directory.get()) == 0 ? Status() : CanNot("sync", parent);
}

// A file that is not finished: it has a name beside the one it will get, and is gone with the
// object unless it got it.
class PartialFile {
 public:
  explicit PartialFile(const std::string& target) : path_(target + ".partial") {}
  ~PartialFile() {
    if (made_) {
      unlink((path_ + "-journal").c_str());
      unlink(path_.c_str());
    }
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  // An empty one. What a killed run left is in the way, and may be somebody else's at work.
  Status Make() {
    const FileDescriptor file(
        open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid() && errno == EEXIST) {
      return FailedPrecondition("backup.in_the_way",
                                path_ +
                                    " exists: another run is writing it, or was ended before "
                                    "it was done; delete it if none is");
    }
    made_ = file.valid();
    return made_ ? Status() : CanNot("make", path_);
  }

  Status Empty() { return truncate(path_.c_str(), 0) == 0 ? Status() : CanNot("empty", path_); }

  // Of its contents, before it gets its name.
  Status Sync() {
    const FileDescriptor file(open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    return file.valid() && fsync(file.get()) == 0 ? Status() : CanNot("sync", path_);
  }

  Status RenameTo(const std::string& target) {
    if (std::rename(path_.c_str(), target.c_str()) != 0) {
      return CanNot("rename " + path_ + " to", target);
    }
    made_ = false;
    return SyncDirectoryOf(target);
  }

 private:
  const std::string path_;
  bool made_ = false;
};

// What the store at `path` holds at one moment, into an empty file.
Status CopyInto(const std::string& path, const std::string& target) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::unique_ptr<Connection> source,
      Connection::Open(path, Connection::Access::kReadOnly, "", kPatienceMilliseconds));
  // The log is the coordinator's to move.
  sqlite3_db_config(source->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  ENTENTE_RETURN_IF_ERROR(CheckSchema(*source, path));
  // One statement, one snapshot. SQLite's backup interface would begin anew with every commit of
  // another process.
  Statement copy;
  ENTENTE_RETURN_IF_ERROR(copy.Prepare(*source, "VACUUM INTO ?1"));
  copy.BindText(1, target);
  return copy.Run("copying the store to " + target);
}

// What the store's log held at one moment that its tables did not have then. Read before the tables
// are copied: whatever it has that the copy's tables do not have yet is then complete.
struct LogCopy {
  std::optional<std::string> key;  // Of the log; absent if the store had none.
  std::vector<LogEntry> entries;
};

Result<LogCopy> ReadLog(const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::unique_ptr<Connection> source,
      Connection::Open(path, Connection::Access::kReadOnly, "", kPatienceMilliseconds));
  sqlite3_db_config(source->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  ENTENTE_RETURN_IF_ERROR(CheckSchema(*source, path));
  // The coordinator may begin its log afresh while it is read, which leaves holes in what was read,
  // or remove it when it stops: then the tables have moved on, and a later look is whole.
  Status failure;
  for (int tries = 0; tries < kMostLooks; ++tries) {
    LogCopy log;
    ENTENTE_ASSIGN_OR_RETURN(log.key, FindSetting(*source, kLogSetting));
    if (!log.key) {
      return log;
    }
    ENTENTE_ASSIGN_OR_RETURN(const int64_t logged,
                             source->QueryInteger("SELECT logged FROM totals"));
    Result<std::vector<LogEntry>> entries =
        LogFile::Read(path + kLogSuffix, "", *log.key, static_cast<uint64_t>(logged));
    if (entries.ok()) {
      log.entries = std::move(*entries);
      return log;
    }
    failure = entries.status();
  }
  return failure;
}

// Moves into the copy's tables what they do not have of the log, so that it is whole without one.
// False if it belongs to another log: the coordinator was started anew in between.
Result<bool> AddLog(Connection& copy, LogCopy log) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> key, FindSetting(copy, kLogSetting));
  if (!key) {
    return true;
  }
  if (key != log.key) {
    return false;
  }
  Words words;
  ENTENTE_RETURN_IF_ERROR(words.Load(copy));
  PendingLog pending;
  TxnWriter txns(copy, words, pending, kCachedTxns);
  ENTENTE_RETURN_IF_ERROR(txns.Prepare());
  std::erase_if(log.entries, [&](const LogEntry& entry) { return entry.number <= txns.logged(); });
  ENTENTE_RETURN_IF_ERROR(txns.LoadLog(log.entries));
  ENTENTE_RETURN_IF_ERROR(copy.Execute("BEGIN IMMEDIATE"));
  ENTENTE_RETURN_IF_ERROR(txns.Project());
  ENTENTE_RETURN_IF_ERROR(txns.Flush());
  ENTENTE_RETURN_IF_ERROR(RemoveSetting(copy, kLogSetting));
  ENTENTE_RETURN_IF_ERROR(copy.Execute("COMMIT"));
  return true;
}

// Copies tables and log into an empty file. False if that has to be done again.
Result<bool> CopyAll(const std::string& path, const std::string& target) {
  ENTENTE_ASSIGN_OR_RETURN(LogCopy log, ReadLog(path));
  ENTENTE_RETURN_IF_ERROR(CopyInto(path, target));
  ENTENTE_ASSIGN_OR_RETURN(
      const std::unique_ptr<Connection> connection,
      Connection::Open(target, Connection::Access::kReadWrite, "", kPatienceMilliseconds));
  return AddLog(*connection, std::move(log));
}

Result<Counts> Verify(const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::unique_ptr<Connection> connection,
      Connection::Open(path, Connection::Access::kReadOnly, "", kPatienceMilliseconds));
  ENTENTE_ASSIGN_OR_RETURN(const std::string found,
                           connection->QueryText("PRAGMA integrity_check(1)"));
  if (found != "ok") {
    return DataLoss("store.corrupt", "the copy " + path + " is damaged: " + found);
  }
  Words words;
  ENTENTE_RETURN_IF_ERROR(words.Load(*connection));
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader, Reader::Open(path, "", words));
  return reader->CheckAll();
}

// `mark` says in the copy what it is.
template <class Mark>
Result<BackupReport> CopyAndVerify(const std::string& path, PartialFile& copy, const Mark& mark) {
  ENTENTE_RETURN_IF_ERROR(copy.Make());
  bool whole = false;
  while (!whole) {
    ENTENTE_RETURN_IF_ERROR(copy.Empty());
    ENTENTE_ASSIGN_OR_RETURN(whole, CopyAll(path, copy.path()));
  }
  {
    ENTENTE_ASSIGN_OR_RETURN(
        const std::unique_ptr<Connection> connection,
        Connection::Open(copy.path(), Connection::Access::kReadWrite, "", kPatienceMilliseconds));
    ENTENTE_RETURN_IF_ERROR(mark(*connection));
  }
  BackupReport report;
  ENTENTE_ASSIGN_OR_RETURN(report.transactions, Verify(copy.path()));
  ENTENTE_RETURN_IF_ERROR(copy.Sync());
  report.bytes = FileSize(copy.path());
  return report;
}

// Empties the log into the database and removes it.
Status FoldLog(const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(
      const std::unique_ptr<Connection> connection,
      Connection::Open(path, Connection::Access::kReadWrite, "", kPatienceMilliseconds));
  ENTENTE_RETURN_IF_ERROR(CheckSchema(*connection, path));
  ENTENTE_ASSIGN_OR_RETURN(const int64_t busy,
                           connection->QueryInteger("PRAGMA wal_checkpoint(TRUNCATE)"));
  return busy == 0 ? Status()
                   : Unavailable("store.unavailable",
                                 "another program is reading " + path + "; end it, then try again");
}

// Whoever may read the store keeps it, whoever compacts it.
Status GiveToOwnerOf(const std::string& path, const std::string& copy) {
  struct stat owner {};
  if (stat(path.c_str(), &owner) != 0) {
    return CanNot("look at", path);
  }
  if (owner.st_uid == geteuid() && owner.st_gid == getegid()) {
    return {};
  }
  return lchown(copy.c_str(), owner.st_uid, owner.st_gid) == 0
             ? Status()
             : CanNot("give to the store's owner", copy);
}

}  // namespace

Result<BackupReport> BackUp(const std::string& path, const std::string& target) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string file, Find(path));
  std::error_code error;
  const std::string absolute = fs::absolute(target, error).string();
  // Takes the name while it is free, and with it the right to replace what has it.
  FileDescriptor name(open(absolute.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!name.valid()) {
    return errno == EEXIST
               ? InvalidArgument("backup.target_exists",
                                 target +
                                     " exists, and a backup overwrites nothing; name another "
                                     "file")
               : CanNot("make", absolute);
  }
  PartialFile copy(absolute);
  Result<BackupReport> report = CopyAndVerify(file, copy, MarkAsBackup);
  const Status named = report.ok() ? copy.RenameTo(absolute) : report.status();
  if (!named.ok()) {
    unlink(absolute.c_str());
    return named;
  }
  return report;
}

Result<CompactReport> Compact(const std::string& path) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string file, Find(path));
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<FileGuard> guard, FileGuard::Acquire(path));
  ENTENTE_RETURN_IF_ERROR(CheckDatabaseFile(file));
  ENTENTE_RETURN_IF_ERROR(CheckWal(file + "-wal"));
  CompactReport report;
  ENTENTE_RETURN_IF_ERROR(FoldLog(file));
  report.bytes_before = FileSize(file);
  PartialFile copy(file);
  ENTENTE_ASSIGN_OR_RETURN(
      const BackupReport copied, CopyAndVerify(file, copy, [&](Connection& database) -> Status {
        const FileDescriptor made(open(copy.path().c_str(), O_PATH | O_CLOEXEC));
        ENTENTE_ASSIGN_OR_RETURN(const std::string from, HomeOf(guard->database()));
        ENTENTE_ASSIGN_OR_RETURN(const std::string to, HomeOf(made.get()));
        return MoveHome(database, from, to);
      }));
  report.bytes_after = copied.bytes;
  ENTENTE_RETURN_IF_ERROR(GiveToOwnerOf(file, copy.path()));
  ENTENTE_RETURN_IF_ERROR(copy.RenameTo(file));
  // Its commits are in the tables, which do not ask for it any more.
  LogFile::Remove(file + kLogSuffix, "");
  return report;
}

}  // namespace entente::storage::sqlite
