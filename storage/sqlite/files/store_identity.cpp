#include "storage/sqlite/files/store_identity.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "storage/journal.h"
#include "storage/sqlite/definitions.h"

namespace entente::storage::sqlite {
namespace {

constexpr std::string_view kBackupHome = "backup";

// More starts than an original makes after a copy was taken.
constexpr int64_t kEpochLeap = 1'000;

Status LeapOverEpochs(const Connection& database) {
  Statement leap;
  ENTENTE_RETURN_IF_ERROR(
      leap.Prepare(database, "UPDATE counter SET value = value + ?1 WHERE name = ?2"));
  leap.Bind(1, kEpochLeap);
  leap.BindText(2, kEpochCounter);
  return leap.Run("leaping over the original's epochs");
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
  return PutSetting(database, kHomeSetting, kBackupHome);
}

Status MoveHome(Connection& database, const std::string& from, const std::string& to) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> known,
                           FindSetting(database, kHomeSetting));
  return known == from ? PutSetting(database, kHomeSetting, to) : Status();
}

Result<std::string> SettleIdentity(Connection& writer, const std::string& path,
                                   const std::string& home, CopiedStore copied) {
  ENTENTE_ASSIGN_OR_RETURN(const std::optional<std::string> known,
                           FindSetting(writer, kHomeSetting));
  if (known == home) {
    return std::string();
  }
  if (!known) {
    ENTENTE_RETURN_IF_ERROR(PutSetting(writer, kHomeSetting, home));
    return std::string();
  }
  ENTENTE_ASSIGN_OR_RETURN(const int64_t open, writer.QueryInteger("SELECT open FROM totals"));
  // A backup is a copy on purpose. Anything else may have been moved by somebody who does not know
  // that it matters, and a new id would strand what is open.
  const bool on_purpose = *known == kBackupHome;
  if (copied == CopiedStore::kAsk && !on_purpose && open > 0) {
    return SayWhich(path, open);
  }
  const bool keep = copied == CopiedStore::kKeepIdentity;
  ENTENTE_RETURN_IF_ERROR(keep ? LeapOverEpochs(writer) : RemoveSetting(writer, kIdentitySetting));
  ENTENTE_RETURN_IF_ERROR(PutSetting(writer, kHomeSetting, home));
  return path + (on_purpose ? " is a backup" : " was copied or moved") +
         (keep ? ": it goes on with the original's id and later epochs"
               : ": it is another coordinator from here on, with an id of its own") +
         "; " + std::to_string(open) + " open transactions";
}

}  // namespace entente::storage::sqlite
