#include "storage/sqlite/connection.h"

#include <cerrno>

namespace entente::storage::sqlite {
namespace {

// The system's reason for the latest failure on the database or its log. sqlite3_system_errno tells
// of whatever call came last, which after a rollback is another one.
int ReasonOf(sqlite3* database, int which) {
  sqlite3_file* file = nullptr;
  int reason = 0;
  if (sqlite3_file_control(database, "main", which, static_cast<void*>(&file)) == SQLITE_OK &&
      file != nullptr && file->pMethods != nullptr) {
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &reason);
  }
  return reason;
}

// An I/O error that says "no room", and came before anything was committed: the log's index could
// not be lengthened, or a write met a quota or the limit for a file's size. Of a failed sync that
// is never known.
bool IsLackOfRoom(sqlite3* database, int code) {
  switch (code) {
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMMAP:
    case SQLITE_IOERR_SHMOPEN: return true;
    case SQLITE_IOERR_WRITE: {
      const int of_log = ReasonOf(database, SQLITE_FCNTL_JOURNAL_POINTER);
      const int reason = of_log != 0 ? of_log : ReasonOf(database, SQLITE_FCNTL_FILE_POINTER);
      return reason == EDQUOT || reason == EFBIG || reason == ENOSPC;
    }
    default: return false;
  }
}

}  // namespace

Status SqliteStatus(sqlite3* database, int code, std::string_view doing) {
  std::string message = "SQLite failed while " + std::string(doing);
  if (const char* file = sqlite3_db_filename(database, "main"); file != nullptr && *file != 0) {
    message += " in " + std::string(file);
  }
  const int kind = IsLackOfRoom(database, code) ? SQLITE_FULL : code & 0xff;
  message += ": " + std::string(sqlite3_errstr(kind)) + " (" + std::to_string(code) + ", " +
             sqlite3_errmsg(database) + ")";
  switch (kind) {
    case SQLITE_FULL:
      return Unavailable("store.unavailable", message + "; nothing was written; free disk space");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return Unavailable("store.unavailable", message +
                                                  "; nothing was written; end the program that "
                                                  "holds the database locked");
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_INTERRUPT:
      return Unavailable("store.unavailable",
                         message +
                             "; nothing was written; check memory, open files and the file's "
                             "permissions");
    case SQLITE_IOERR:
      return UnknownOutcome("store.io_error",
                            message + "; check the disk, then restart the coordinator");
    default:
      return DataLoss("store.corrupt", message +
                                           "; stop, keep a copy of the file and its -wal, and "
                                           "restore a backup or run sqlite3's .recover");
  }
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Access access,
                                                     const std::string& vfs,
                                                     int busy_milliseconds) {
  const int flags = (access == Access::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (handle == nullptr) {
    return Unavailable("store.unavailable", "no memory to open " + path);
  }
  std::unique_ptr<Connection> connection(new Connection(handle));
  if (code != SQLITE_OK) {
    return connection->Failure(code, "opening the database");
  }
  sqlite3_busy_timeout(handle, busy_milliseconds);
  // Checkpoints are the writer's own business; a store never calls functions from its schema.
  ENTENTE_RETURN_IF_ERROR(
      connection->Execute("PRAGMA wal_autocheckpoint=0; PRAGMA trusted_schema=OFF;"
                          "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0"));
  return connection;
}

Connection::~Connection() {
  sqlite3_close_v2(handle_);
}

Status Connection::Execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : Failure(code, sql);
}

Result<int64_t> Connection::QueryInteger(const char* sql) {
  Statement statement;
  ENTENTE_RETURN_IF_ERROR(statement.Prepare(*this, sql));
  const int code = statement.Step();
  if (code != SQLITE_ROW) {
    return statement.Failure(code, sql);
  }
  return statement.Integer(0);
}

Result<std::string> Connection::QueryText(const char* sql) {
  Statement statement;
  ENTENTE_RETURN_IF_ERROR(statement.Prepare(*this, sql));
  const int code = statement.Step();
  if (code != SQLITE_ROW) {
    return statement.Failure(code, sql);
  }
  return std::string(statement.Bytes(0));
}

Status Statement::Prepare(const Connection& connection, std::string_view sql) {
  const int code = sqlite3_prepare_v3(connection.handle(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  return code == SQLITE_OK ? Status() : connection.Failure(code, sql);
}

Status Statement::Run(std::string_view doing) {
  const int code = Step();
  if (code == SQLITE_DONE || code == SQLITE_ROW) {
    Reset();
    return {};
  }
  Status failure = Failure(code, doing);
  Reset();
  return failure;
}

std::string_view Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size);
}

}  // namespace entente::storage::sqlite
