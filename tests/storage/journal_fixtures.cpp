#include "tests/storage/journal_fixtures.h"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <utility>

namespace entente::storage {

TempDirectory::TempDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "entente-storage-XXXXXX").string();
  REQUIRE(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

OwnedJournal::OwnedJournal(std::unique_ptr<Journal> inner) : inner_(std::move(inner)) {
  for (uint64_t i = 0; i < kShardCount; ++i) {
    const Result<Epoch> epoch = inner_->Acquire(ShardId(i));
    INFO(epoch.status());
    REQUIRE(epoch.ok());
    epochs_[ShardId(i)] = *epoch;
  }
}

void OwnedJournal::Append(Batch batch, AppendCallback on_durable) {
  const ShardId shard = batch.appends.empty() ? ShardId(0) : ShardOf(batch.appends[0].gid);
  inner_->Append(shard, EpochOf(shard), std::move(batch), std::move(on_durable));
}

std::unique_ptr<OwnedJournal> OpenStore(const std::string& path,
                                        const sqlite::SqliteOptions& options) {
  auto journal = sqlite::OpenSqliteJournal(path, options);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::make_unique<OwnedJournal>(std::move(journal).value());
}

std::unique_ptr<Journal> SqliteFactory::OpenOther() {
  auto journal = sqlite::OpenSqliteJournal(path);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::move(journal).value();
}

std::unique_ptr<Journal> EagerSqliteFactory::OpenOther() {
  sqlite::SqliteOptions options;
  options.log_window_appends = 1;
  auto journal = sqlite::OpenSqliteJournal(path, options);
  INFO(journal.status());
  REQUIRE(journal.ok());
  return std::move(journal).value();
}

Summary OpenSummary(int64_t created_micros) {
  Summary summary;
  summary.definition = "travel";
  summary.version = 1;
  summary.mode = "saga";
  summary.status = "ACTIVE";
  summary.created_at = InstantFromMicros(created_micros);
  summary.updated_at = summary.created_at;
  return summary;
}

Summary FinishedSummary(int64_t created_micros, int64_t updated_micros) {
  Summary summary = OpenSummary(created_micros);
  summary.status = "COMMITTED";
  summary.open = false;
  summary.updated_at = InstantFromMicros(updated_micros);
  return summary;
}

IncidentRow MakeIncident(const std::string& branch, const std::string& code) {
  return {BranchId(branch),        "hotels", "compensate", code, "no answer came",
          InstantFromMicros(5'000)};
}

TxnAppend MakeAppend(const std::string& gid, uint64_t first, size_t count,
                     std::optional<Summary> summary) {
  TxnAppend append{Gid(gid), Sequence(first), {}, std::move(summary)};
  for (uint64_t sequence = first; sequence < first + count; ++sequence) {
    append.records.push_back(gid + "#" + std::to_string(sequence));
  }
  return append;
}

Batch MakeBatch(std::vector<TxnAppend> appends) {
  return Batch{std::move(appends)};
}

Status AppendAndWait(OwnedJournal& journal, Batch batch) {
  std::promise<Status> done;
  journal.Append(std::move(batch), [&done](Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

Status AppendAndWait(OwnedJournal& journal, TxnAppend append) {
  std::vector<TxnAppend> appends;
  appends.push_back(std::move(append));
  return AppendAndWait(journal, MakeBatch(std::move(appends)));
}

void Create(OwnedJournal& journal, const std::string& gid, const Summary& summary) {
  const Status status = AppendAndWait(journal, MakeAppend(gid, 1, 1, summary));
  INFO(status);
  REQUIRE(status.ok());
}

StoredTxn MustLoad(Journal& journal, const std::string& gid) {
  Result<StoredTxn> txn = journal.Load(Gid(gid));
  INFO(txn.status());
  REQUIRE(txn.ok());
  return std::move(txn).value();
}

bool HasRecords(const StoredTxn& txn, size_t count) {
  return txn.records == MakeAppend(txn.gid.str(), 1, count).records;
}

std::vector<std::string> QueryAll(Journal& journal, const Filter& filter, size_t limit) {
  std::vector<std::string> gids;
  Page page{limit, ""};
  do {
    const Result<SummaryPage> result = journal.Query(filter, page);
    INFO(result.status());
    REQUIRE(result.ok());
    CHECK(result->rows.size() <= limit);
    for (const SummaryRow& row : result->rows) {
      gids.push_back(row.gid.str());
    }
    page.cursor = result->next_cursor;
  } while (!page.cursor.empty());
  return gids;
}

bool Exists(Journal& journal, const std::string& gid) {
  return journal.Load(Gid(gid)).ok();
}

size_t CountIncidents(Journal& journal) {
  Filter filter;
  filter.incident = true;
  return QueryAll(journal, filter).size();
}

std::vector<std::string> OpenGids(Journal& journal) {
  std::vector<std::string> gids;
  for (uint64_t i = 0; i < kShardCount; ++i) {
    const Status status = journal.LoadOpen(ShardId(i), [&](const StoredTxn& txn) {
      CHECK(ShardOf(txn.gid) == ShardId(i));
      gids.push_back(txn.gid.str());
      return Status();
    });
    INFO(status);
    REQUIRE(status.ok());
  }
  std::ranges::sort(gids);
  return gids;
}

void Fill(OwnedJournal& journal, std::vector<TxnAppend> appends) {
  std::map<ShardId, Batch> batches;
  for (TxnAppend& append : appends) {
    batches[ShardOf(append.gid)].appends.push_back(std::move(append));
  }
  for (auto& [shard, batch] : batches) {
    const Status status = AppendAndWait(journal, std::move(batch));
    INFO(status);
    REQUIRE(status.ok());
  }
}

}  // namespace entente::storage
