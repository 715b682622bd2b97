#include "storage/sqlite/store_identity.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "storage/journal.h"
#include "storage/sqlite/definitions.h"

namespace entente::storage::sqlite {
namespace {

constexpr std::string_view kHomeSetting = "store-home";
constexpr std::string_view kBackupHome = "backup";

// More starts than an original makes after a copy was taken.
constexpr int64_t kEpochLeap = 1'000;

Result<std::optional<std::string>> ReadHome(const Connection& database) {
  Statement select;
  ENTENTE_RETURN_IF_ERROR(select.Prepare(database, "SELECT value FROM setting WHERE name = ?1"));
  select.BindText(1, kHomeSetting);
  const int code = select.Step();
  if (code == SQLITE_DONE) {
    return std::optional<std::string>();
  }
  if (code != SQLITE_ROW) {
    return select.Failure(code, "reading where the store was");
  }
  return std::optional<std::string>(select.Bytes(0));
}

Status WriteHome(const Connection& database, std::string_view home) {
  Statement replace;
  ENTENTE_RETURN_IF_ERROR(
      replace.Prepare(database, "REPLACE INTO setting(name, value) VALUES(?1, ?2)"));
  replace.BindText(1, kHomeSetting);
  replace.BindBlob(2, home);
  return replace.Run("noting where the store is");
}

Status ForgetId(const Connection& database) {
  Statement forget;
  ENTENTE_RETURN_IF_ERROR(forget.Prepare(database, "DELETE FROM setting WHERE name = ?1"));
  forget.BindText(1, kIdentitySetting);
  return forget.Run("forgetting the original's id");
}

Status LeapOverEpochs(const Connection& database) {
  Statement leap;
  ENTENTE_RETURN_IF_ERROR(
      leap.Prepare(database, "UPDATE counter SET value = value + ?1 WHERE name = ?2"));
  leap.Bind(1, kEpochLeap);
  leap.BindText(2, kEpochCounter);
  return leap.Run("leaping over the original's epochs");
}

// One commit: a store that knows its home but has the original's id would never be noticed again.
Status Settle(Connection& database, const std::string& home, bool keep) {
  ENTENTE_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  Status status = keep ? LeapOverEpochs(database) : ForgetId(database);
  status = status.ok() ? WriteHome(database, home) : status;
  status = status.ok() ? database.Execute("COMMIT") : status;
  if (!status.ok() && sqlite3_get_autocommit(database.handle()) == 0) {
    static_cast<void>(database.Execute("ROLLBACK").ok());
  }
  return status;
}

Status SayWhich(const std::string& path, int64_t open) {
  return FailedPrecondition(
      "store.copied",
      path + " was copied or moved since a coordinator last had it open, and has " +
          std::to_string(open) +
          " open transactions. Say what it is: with --store-identity keep it goes on as that "
          "coordinator, which must never run again beside it; with --store-identity new it is "
          "another coordinator, and participants that have carried out something for the first "
          "one refuse it");
}

}  // namespace

Result<std::string> HomeOf(int file) {
  struct statx info {};
  if (statx(file, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info) != 0) {
    return Unavailable("store.unavailable", "can not look at the store's file: " +
                                                std::generic_category().message(errno));
  }
  std::string home = "inode " + std::to_string(info.stx_ino);
  if ((info.stx_mask & STATX_BTIME) != 0) {
    home += " of " + std::to_string(info.stx_btime.tv_sec) + "." +
            std::to_string(info.stx_btime.tv_nsec);
  }
  return home;
}

Status MarkAsBackup(Connection& database) {
  return WriteHome(database, kBackupHome);
}

Status MoveHome(Connection& database, const std::string& from, const std::string& to) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> known, ReadHome(database));
  return known == from ? WriteHome(database, to) : Status();
}

Status SettleIdentity(Connection& database, const std::string& path, const std::string& home,
                      const SqliteOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> known, ReadHome(database));
  if (!known) {
    return WriteHome(database, home);
  }
  if (*known == home) {
    return {};
  }
  ENTENTE_ASSIGN_OR_RETURN(const int64_t open, database.QueryInteger("SELECT open FROM totals"));
  // A backup is a copy on purpose. Anything else may have been moved by somebody who does not know
  // that it matters, and a new id would strand what is open.
  const bool on_purpose = *known == kBackupHome;
  if (options.copied == CopiedStore::kAsk && !on_purpose && open > 0) {
    return SayWhich(path, open);
  }
  const bool keep = options.copied == CopiedStore::kKeepIdentity;
  ENTENTE_RETURN_IF_ERROR(Settle(database, home, keep));
  if (options.on_copy) {
    options.on_copy(path + (on_purpose ? " is a backup" : " was copied or moved") +
                    (keep ? ": it goes on with the original's id and later epochs"
                          : ": it is another coordinator from here on, with an id of its own") +
                    "; " + std::to_string(open) + " open transactions");
  }
  return {};
}

}  // namespace entente::storage::sqlite
