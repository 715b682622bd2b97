// What the tests of journals share: factories to run one suite against every journal, and short
// ways to write and check transactions.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/journal.h"
#include "storage/memory/memory_journal.h"
#include "storage/note_log.h"
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

// A journal that owns every shard: the one inside, and a way to append without naming a shard.
class OwnedJournal final : public Journal, public NoteLog {
 public:
  // Acquires all shards; a failure fails the test.
  explicit OwnedJournal(std::unique_ptr<Journal> inner);

  [[nodiscard]] Journal& inner() { return *inner_; }
  [[nodiscard]] Epoch EpochOf(ShardId shard) const { return epochs_.at(shard); }

  // Appends a batch whose transactions belong to one shard, or to none if it is empty.
  void Append(Batch batch, AppendCallback on_durable);

  Result<Epoch> Acquire(ShardId shard) override { return inner_->Acquire(shard); }
  Status Renew(ShardId shard, Epoch epoch) override { return inner_->Renew(shard, epoch); }
  Status Release(ShardId shard, Epoch epoch) override { return inner_->Release(shard, epoch); }
  std::optional<Duration> lease_time() const override { return inner_->lease_time(); }
  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) override {
    inner_->Append(shard, epoch, std::move(batch), std::move(on_durable));
  }
  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) override {
    inner_->AppendEach(std::move(batches), std::move(on_durable));
  }
  Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) override {
    return inner_->LoadOpen(shard, sink);
  }
  Result<StoredTxn> Load(const Gid& gid) override { return inner_->Load(gid); }
  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    return inner_->Query(filter, page);
  }
  Result<DefinitionRow> PutDefinition(DefinitionRow row) override {
    return inner_->PutDefinition(std::move(row));
  }
  Result<DefinitionRow> GetDefinition(const std::string& name,
                                      std::optional<uint32_t> version) override {
    return inner_->GetDefinition(name, version);
  }
  Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) override {
    return inner_->ListDefinitions(name);
  }
  Result<std::string> GetOrPutSetting(const std::string& name, const std::string& value) override {
    return inner_->GetOrPutSetting(name, value);
  }
  Status PutNote(const std::string& name, const std::optional<std::string>& text) override {
    return inner_->PutNote(name, text);
  }
  Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
      const std::string& prefix) override {
    return inner_->ListNotes(prefix);
  }
  Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
      const NoteRange& range) override {
    return NoteLogOf(*inner_)->ListNoteRange(range);
  }
  Result<size_t> RemoveNotes(const NoteRange& range) override {
    return NoteLogOf(*inner_)->RemoveNotes(range);
  }
  Result<size_t> Purge(Instant before, size_t limit) override {
    return inner_->Purge(before, limit);
  }
  StoreHealth CheckHealth() override { return inner_->CheckHealth(); }

 private:
  std::unique_ptr<Journal> inner_;
  std::map<ShardId, Epoch> epochs_;
};

// Opens journals on one and the same store.
struct MemoryFactory {
  std::unique_ptr<Journal> OpenOther() { return std::make_unique<MemoryJournal>(store); }
  std::unique_ptr<OwnedJournal> Open() { return std::make_unique<OwnedJournal>(OpenOther()); }
  std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>();
};
struct SqliteFactory {
  std::unique_ptr<Journal> OpenOther();
  std::unique_ptr<OwnedJournal> Open() { return std::make_unique<OwnedJournal>(OpenOther()); }
  TempDirectory directory;
  std::string path = directory.File("store.db");
};

// One whose tables have everything as soon as it is durable; that of SqliteFactory reads what only
// its log has.
struct EagerSqliteFactory {
  std::unique_ptr<Journal> OpenOther();
  std::unique_ptr<OwnedJournal> Open() { return std::make_unique<OwnedJournal>(OpenOther()); }
  TempDirectory directory;
  std::string path = directory.File("store.db");
};

// The SQLite store at `path`; a failure fails the test.
[[nodiscard]] std::unique_ptr<OwnedJournal> OpenStore(const std::string& path,
                                                      const sqlite::SqliteOptions& options);

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
[[nodiscard]] Status AppendAndWait(OwnedJournal& journal, Batch batch);
[[nodiscard]] Status AppendAndWait(OwnedJournal& journal, TxnAppend append);

// Appends transactions of any shards, a batch for each shard; a failure fails the test.
void Fill(OwnedJournal& journal, std::vector<TxnAppend> appends);

// Creates a transaction of one record; a failure fails the test.
void Create(OwnedJournal& journal, const std::string& gid, const Summary& summary = OpenSummary());

// The transaction as Load returns it; absent or any other failure fails the test.
[[nodiscard]] StoredTxn MustLoad(Journal& journal, const std::string& gid);
[[nodiscard]] bool Exists(Journal& journal, const std::string& gid);

// True if the records are exactly those MakeAppend writes from 1 to `count`.
[[nodiscard]] bool HasRecords(const StoredTxn& txn, size_t count);

// The gids of all pages, asking for `limit` rows at a time.
[[nodiscard]] std::vector<std::string> QueryAll(Journal& journal, const Filter& filter,
                                                size_t limit = 50);
[[nodiscard]] size_t CountIncidents(Journal& journal);

// The gids LoadOpen hands out for all shards, sorted.
[[nodiscard]] std::vector<std::string> OpenGids(Journal& journal);

}  // namespace entente::storage
