#include "storage/open.h"

#include <string>

#include "storage/maintain.h"
#include "storage/memory/memory_journal.h"
#include "storage/sqlite/maintenance.h"
#include "storage/sqlite/sqlite_journal.h"

namespace entente::storage {
namespace {

constexpr std::string_view kKnown = "use sqlite:<path of a file>, or memory: for a trial";

struct StoreUrl {
  bool in_memory = false;
  std::string path;  // Of a file, else empty.
};

Result<StoreUrl> Parse(std::string_view url) {
  const size_t colon = url.find(':');
  const std::string_view scheme = url.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string rest(url.substr(colon == std::string_view::npos ? 0 : colon + 1));
  if (scheme == "sqlite") {
    if (rest.empty()) {
      return InvalidArgument("store.bad_url",
                             "the store 'sqlite:' names no file; " + std::string(kKnown));
    }
    return StoreUrl{false, rest};
  }
  if (scheme == "memory") {
    if (!rest.empty()) {
      return InvalidArgument("store.bad_url", "the store 'memory:' takes no path, but '" + rest +
                                                  "' follows; " + std::string(kKnown));
    }
    return StoreUrl{true, ""};
  }
  return InvalidArgument(
      "store.unknown_scheme",
      "'" + std::string(url) + "' is no store this build knows; " + std::string(kKnown));
}

// Of a store that has one.
Result<std::string> FileOf(std::string_view url) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl store, Parse(url));
  if (store.in_memory) {
    return InvalidArgument("store.no_file", "a store in memory has no file");
  }
  return store.path;
}

}  // namespace

Result<std::unique_ptr<Journal>> OpenJournal(std::string_view url, const OpenOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl store, Parse(url));
  if (store.in_memory) {
    return std::unique_ptr<Journal>(std::make_unique<MemoryJournal>());
  }
  sqlite::SqliteOptions sqlite_options;
  sqlite_options.copied = options.copied;
  sqlite_options.on_copy = options.on_copy;
  return sqlite::OpenSqliteJournal(store.path, sqlite_options);
}

Result<BackupReport> BackUpStore(std::string_view url, const std::string& target) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string path, FileOf(url));
  return sqlite::BackUp(path, target);
}

Result<CompactReport> CompactStore(std::string_view url) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string path, FileOf(url));
  return sqlite::Compact(path);
}

}  // namespace entente::storage
