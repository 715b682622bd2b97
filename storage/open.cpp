#include "storage/open.h"

#include <algorithm>
#include <string>

#include "storage/import.h"
#include "storage/maintain.h"
#include "storage/memory/memory_journal.h"
#include "storage/postgres/postgres_journal.h"
#include "storage/sealed/sealed_journal.h"
#include "storage/sqlite/files/maintenance.h"
#include "storage/sqlite/sqlite_journal.h"

namespace entente::storage {
namespace {

constexpr std::string_view kKnown =
    "use sqlite:<path of a file>, postgres://<host>/<database>, or memory: for a trial";

enum class Kind { kMemory, kSqlite, kPostgres };

struct StoreUrl {
  Kind kind = Kind::kMemory;
  std::string path;  // Of a file, or all of a database's URL; else empty.
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
    // SQLite's own name for a database without a file, which whoever knows it writes here.
    if (rest == ":memory:" || rest == "memory:" || rest == "memory") {
      return InvalidArgument("store.bad_url", "the store '" + std::string(url) +
                                                  "' names no file; write memory: " +
                                                  "for a trial without one, or sqlite:./" + rest +
                                                  " for a file of that name");
    }
    return StoreUrl{Kind::kSqlite, rest};
  }
  if (scheme == "memory") {
    if (!rest.empty()) {
      return InvalidArgument("store.bad_url", "the store 'memory:' takes no path, but '" + rest +
                                                  "' follows; " + std::string(kKnown));
    }
    return StoreUrl{Kind::kMemory, ""};
  }
  if ((scheme == "postgres" || scheme == "postgresql") && rest.starts_with("//")) {
    return StoreUrl{Kind::kPostgres, std::string(url)};
  }
  return InvalidArgument(
      "store.unknown_scheme",
      "'" + ShownUrl(url) + "' is no store this build knows; " + std::string(kKnown));
}

// Of a store that has one.
Result<std::string> FileOf(std::string_view url) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl store, Parse(url));
  if (store.kind != Kind::kSqlite) {
    return InvalidArgument("store.no_file",
                           store.kind == Kind::kMemory
                               ? "a store in memory has no file"
                               : "a store in PostgreSQL has no file; use pg_basebackup or pg_dump");
  }
  return store.path;
}

}  // namespace

std::string ShownUrl(std::string_view url) {
  std::string shown(url);
  const size_t begin = shown.find("://");
  const size_t at = begin == std::string::npos ? begin : shown.find('@', begin);
  const size_t colon = at == std::string::npos ? at : shown.find(':', begin + 3);
  if (colon != std::string::npos && colon < at) {
    shown.replace(colon + 1, at - colon - 1, "...");
  }
  // Said as a parameter instead.
  for (size_t word = shown.find("password="); word != std::string::npos;
       word = shown.find("password=", word + 1)) {
    const size_t value = word + std::string_view("password=").size();
    shown.replace(value, std::min(shown.find('&', value), shown.size()) - value, "...");
  }
  return shown;
}

namespace {

Result<std::unique_ptr<Journal>> OpenAsItIs(const StoreUrl& store, const OpenOptions& options) {
  if (store.kind == Kind::kMemory) {
    return std::unique_ptr<Journal>(std::make_unique<MemoryJournal>());
  }
  if (store.kind == Kind::kPostgres) {
    return postgres::OpenPostgresJournal(
        {.conninfo = store.path, .lease = options.lease, .migrate = options.migrate});
  }
  sqlite::SqliteOptions sqlite_options;
  sqlite_options.copied = options.copied;
  sqlite_options.on_copy = options.on_copy;
  return sqlite::OpenSqliteJournal(store.path, sqlite_options);
}

}  // namespace

Result<std::unique_ptr<Journal>> OpenJournal(std::string_view url, const OpenOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl store, Parse(url));
  ENTENTE_ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal, OpenAsItIs(store, options));
  return SealJournal(std::move(journal), options.keys);
}

Result<BackupReport> BackUpStore(std::string_view url, const std::string& target) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string path, FileOf(url));
  return sqlite::BackUp(path, target);
}

Result<CompactReport> CompactStore(std::string_view url) {
  ENTENTE_ASSIGN_OR_RETURN(const std::string path, FileOf(url));
  return sqlite::Compact(path);
}

Result<ImportReport> ImportStore(std::string_view from, std::string_view to,
                                 const std::function<void(uint64_t)>& progress) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl source, Parse(from));
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl target, Parse(to));
  if (source.kind != Kind::kSqlite || target.kind != Kind::kPostgres) {
    return InvalidArgument("import.not_this_way",
                           "what can be imported is a file (sqlite:...) into a database "
                           "(postgres://...)");
  }
  sqlite::SqliteOptions as_original;
  as_original.copied = CopiedStore::kKeepIdentity;
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<Journal> file,
                           sqlite::OpenSqliteJournal(source.path, as_original));
  Epoch latest;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    ENTENTE_ASSIGN_OR_RETURN(const Epoch epoch, file->Acquire(ShardId(i)));
    latest = std::max(latest, epoch);
  }
  const postgres::PostgresOptions options{.conninfo = target.path};
  ENTENTE_RETURN_IF_ERROR(postgres::Migrate(options));
  ENTENTE_RETURN_IF_ERROR(postgres::RaiseEpochs(options, latest));
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<Journal> database,
                           postgres::OpenPostgresJournal(options));
  return CopyStore(*file, *database, progress);
}

Status MigrateStore(std::string_view url) {
  ENTENTE_ASSIGN_OR_RETURN(const StoreUrl store, Parse(url));
  if (store.kind != Kind::kPostgres) {
    return InvalidArgument("store.no_tables",
                           "only a store in PostgreSQL is migrated by itself; '" + ShownUrl(url) +
                               "' is when it is opened");
  }
  return postgres::Migrate({.conninfo = store.path});
}

}  // namespace entente::storage
