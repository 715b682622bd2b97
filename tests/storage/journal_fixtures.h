// What the tests of journals share: factories to run one suite against every journal, and short
// ways to write and check transactions.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/journal.h"
#include "storage/memory/memory_journal.h"
#include "storage/sqlite/sqlite_journal.h"

namespace entente::storage {

// A directory of the test's own, removed at the end.
class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Opens journals on one and the same store.
struct MemoryFactory {
  std::unique_ptr<Journal> Open() { return std::make_unique<MemoryJournal>(store); }
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
};
struct SqliteFactory {
  std::unique_ptr<Journal> Open();
  TempDirectory directory;
  std::string path = directory.File("store.db");
};

// A summary of an open saga, to be varied by the test.
[[nodiscard]] Summary OpenSummary(int64_t created_micros = 1'000);
[[nodiscard]] Summary FinishedSummary(int64_t created_micros = 1'000,
                                      int64_t updated_micros = 2'000);
[[nodiscard]] IncidentRow MakeIncident(const std::string& branch, const std::string& code);

// One append; records "<gid>#<sequence>".
[[nodiscard]] TxnAppend MakeAppend(const std::string& gid, uint64_t first, size_t count = 1,
                                   std::optional<Summary> summary = std::nullopt);
[[nodiscard]] Batch MakeBatch(std::vector<TxnAppend> appends);

// Appends and waits for the callback.
[[nodiscard]] Status AppendAndWait(Journal& journal, Batch batch);
[[nodiscard]] Status AppendAndWait(Journal& journal, TxnAppend append);

// Creates a transaction of one record; a failure fails the test.
void Create(Journal& journal, const std::string& gid, const Summary& summary = OpenSummary());

// The transaction as Load returns it; absent or any other failure fails the test.
[[nodiscard]] StoredTxn MustLoad(Journal& journal, const std::string& gid);

// True if the records are exactly those MakeAppend writes from 1 to `count`.
[[nodiscard]] bool HasRecords(const StoredTxn& txn, size_t count);

// The gids of all pages, asking for `limit` rows at a time.
[[nodiscard]] std::vector<std::string> QueryAll(Journal& journal, const Filter& filter,
                                                size_t limit = 50);

// The gids LoadOpen hands out for the wanted shards, sorted.
[[nodiscard]] std::vector<std::string> OpenGids(
    Journal& journal, const std::function<bool(ShardId)>& wanted = [](ShardId) { return true; });

}  // namespace entente::storage
