#include "storage/postgres/postgres_journal.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "net/postgres/pool.h"
#include "storage/journal_errors.h"
#include "storage/membership.h"
#include "storage/postgres/definitions.h"
#include "storage/postgres/failure.h"
#include "storage/postgres/group_writer.h"
#include "storage/postgres/housekeeping.h"
#include "storage/postgres/leases.h"
#include "storage/postgres/nodes.h"
#include "storage/postgres/periods.h"
#include "storage/postgres/query.h"
#include "storage/postgres/reader.h"
#include "storage/postgres/rewriting.h"
#include "storage/postgres/schema.h"

namespace entente::storage::postgres {
namespace {

constexpr std::string_view kRaise =
    "UPDATE entente_lease SET epoch = $1::bigint WHERE epoch < $1::bigint"
    " AND (owner = '' OR expires_at <= clock_timestamp())";

// No other journal's name.
std::string NewOwner() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string name;
  for (int i = 0; i < 32; ++i) {
    name.push_back(kDigits[random() % kDigits.size()]);
  }
  return name;
}

// Text that the database can hold: no row has any other.
bool CanBe(const std::optional<std::string>& text) {
  return !text || (ValidUtf8Prefix(*text) == text->size() && text->find('\0') == std::string::npos);
}

bool CanMatch(const Filter& filter) {
  const std::optional<std::string> parent =
      filter.parent ? std::optional(filter.parent->str()) : std::nullopt;
  return std::ranges::all_of(
      std::array{filter.status, filter.mode, filter.definition, filter.gid_prefix, parent}, CanBe);
}

class PostgresJournal final : public Journal,
                              public Membership,
                              public NoteLog,
                              public Rewriting,
                              public OpenedQuery {
 public:
  PostgresJournal(const PostgresOptions& options, std::unique_ptr<Periods> periods)
      : options_(options),
        periods_(std::move(periods)),
        leases_(options, NewOwner(), *periods_),
        nodes_(options, leases_.owner()),
        writer_(options, leases_, *periods_),
        reader_(options, *periods_),
        lists_({ReaderSession(options, options.list_timeout),
                std::max<size_t>(1, options.max_lists), options.list_timeout}) {}

  Result<Epoch> Acquire(ShardId shard) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return leases_.Acquire(shard);
  }

  Status Renew(ShardId shard, Epoch epoch) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return leases_.Renew(shard, epoch);
  }

  Status Release(ShardId shard, Epoch epoch) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return leases_.Release(shard, epoch);
  }

  std::vector<Result<Epoch>> AcquireShards(const std::vector<ShardId>& shards) override {
    const Status health = writer_.health();
    return health.ok() ? leases_.AcquireAll(shards)
                       : std::vector<Result<Epoch>>(shards.size(), health);
  }

  std::vector<Status> ReleaseShards(const std::vector<OwnedShard>& shards) override {
    const Status health = writer_.health();
    return health.ok() ? leases_.ReleaseAll(shards) : std::vector<Status>(shards.size(), health);
  }

  std::optional<Duration> lease_time() const override { return options_.lease; }

  void Append(ShardId shard, Epoch epoch, Batch batch, AppendCallback on_durable) override {
    std::vector<ShardBatch> one;
    one.push_back({shard, epoch, std::move(batch)});
    AppendEach(std::move(one), AnswerOfOne(std::move(on_durable)));
  }

  void AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) override {
    writer_.AppendEach(std::move(batches), std::move(on_durable));
  }

  Status LoadOpen(ShardId shard, const std::function<Status(StoredTxn)>& sink) override {
    // A failure of the sink is the caller's own, and says nothing about the store.
    Status refused;
    const Status status = reader_.LoadOpen(shard, [&](StoredTxn txn) {
      refused = sink(std::move(txn));
      return refused;
    });
    return refused.ok() ? Judged(status) : refused;
  }

  Result<StoredTxn> Load(const Gid& gid) override {
    if (!CanBe(gid.str())) {
      return TransactionNotFound(gid);
    }
    return Twice<StoredTxn>([&] { return reader_.Load(gid); });
  }

  Result<SummaryPage> Query(const Filter& filter, const Page& page) override {
    return QueryOpened(filter, page, {});
  }

  Result<SummaryPage> QueryOpened(const Filter& filter, const Page& page,
                                  const OpenRow& open) override {
    if (!CanMatch(filter)) {
      return SummaryPage{};
    }
    return Twice<SummaryPage>([&]() -> Result<SummaryPage> {
      ENTENTE_ASSIGN_OR_RETURN(const pg::Pool::Loan connection, lists_.Borrow());
      // Another node may have begun a period, or dropped one.
      ENTENTE_RETURN_IF_ERROR(periods_->Refresh(*connection, options_.list_timeout));
      return RunQuery(*connection, *periods_->Get(), filter, page, options_, open);
    });
  }

  Result<DefinitionRow> PutDefinition(DefinitionRow row) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return Borrowing<DefinitionRow>([&](pg::Connection& connection) {
      return postgres::PutDefinition(connection, row, options_.statement_timeout);
    });
  }

  Result<DefinitionRow> GetDefinition(const std::string& name,
                                      std::optional<uint32_t> version) override {
    if (!CanBe(name)) {
      return DefinitionNotFound(name, version);
    }
    return Borrowing<DefinitionRow>([&](pg::Connection& connection) {
      return postgres::GetDefinition(connection, name, version, options_.statement_timeout);
    });
  }

  Result<std::vector<DefinitionRow>> ListDefinitions(
      const std::optional<std::string>& name) override {
    if (!CanBe(name)) {
      return std::vector<DefinitionRow>();
    }
    return Borrowing<std::vector<DefinitionRow>>([&](pg::Connection& connection) {
      return postgres::ListDefinitions(connection, name, options_.statement_timeout);
    });
  }

  Result<std::string> GetOrPutSetting(const std::string& name, const std::string& value) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return Borrowing<std::string>([&](pg::Connection& connection) {
      return postgres::GetOrPutSetting(connection, name, value, options_.statement_timeout);
    });
  }

  Status PutNote(const std::string& name, const std::optional<std::string>& text) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return Borrowing<bool>([&](pg::Connection& connection) -> Result<bool> {
             ENTENTE_RETURN_IF_ERROR(
                 postgres::PutNote(connection, name, text, options_.statement_timeout));
             return true;
           })
        .status();
  }

  Result<std::vector<std::pair<std::string, std::string>>> ListNotes(
      const std::string& prefix) override {
    using Notes = std::vector<std::pair<std::string, std::string>>;
    return Borrowing<Notes>([&](pg::Connection& connection) {
      return postgres::ListNotes(connection, prefix, options_.statement_timeout);
    });
  }

  Result<std::vector<std::pair<std::string, std::string>>> ListNoteRange(
      const NoteRange& range) override {
    using Notes = std::vector<std::pair<std::string, std::string>>;
    return Borrowing<Notes>([&](pg::Connection& connection) {
      return postgres::ListNoteRange(connection, range, options_.statement_timeout);
    });
  }

  Result<size_t> RemoveNotes(const NoteRange& range) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return Borrowing<size_t>([&](pg::Connection& connection) {
      return postgres::RemoveNotes(connection, range, options_.statement_timeout);
    });
  }

  Result<std::string> RewriteSome(const std::string& cursor, const ChangeText& change) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    return Borrowing<std::string>([&](pg::Connection& connection) {
      return postgres::RewriteSome(connection, *periods_, cursor, change, options_);
    });
  }

  Result<size_t> Purge(Instant before, size_t limit) override {
    ENTENTE_RETURN_IF_ERROR(writer_.health());
    // A session of its own: a period may take long to be counted.
    auto connection = pg::Connection::Open(ReaderSession(options_, std::chrono::minutes(10)));
    if (!connection.ok()) {
      return Judged(connection.status());
    }
    auto purged = PurgePeriods(**connection, before, limit, options_);
    const Status status = Judged(purged.status());
    return status.ok() ? std::move(purged) : Result<size_t>(status);
  }

  StoreHealth CheckHealth() override {
    const Result<bool> looked = Borrowing<bool>([&](pg::Connection& connection) -> Result<bool> {
      ENTENTE_RETURN_IF_ERROR(BeginPeriodIfDue(connection, options_));
      ENTENTE_RETURN_IF_ERROR(periods_->Refresh(connection, options_.statement_timeout));
      return true;
    });
    writer_.TryAgain();
    const GroupWriter::Record writes = writer_.TakeRecord();
    StoreHealth health;
    health.fatal = writer_.health();
    // Small writes may work between large ones that do not.
    health.failed_writes_in_row = std::max(writes.failed_in_row, writes.most_failed_in_row);
    health.failed_commits = writes.failed;
    health.last_commit = writes.latest_success;
    health.latest_failure = writes.latest_failure;
    const std::lock_guard lock(reads_mutex_);
    health.failed_reads_in_row = failed_reads_in_row_;
    if (!looked.ok() || failed_reads_in_row_ > 0) {
      health.latest_failure = failed_read_;
    }
    return health;
  }

  const std::string& node_id() const override { return leases_.owner(); }
  Result<ClusterView> Beat(const NodeFacts& facts) override { return nodes_.Beat(facts); }
  Status Leave() override { return nodes_.Leave(); }

  [[nodiscard]] WriterStats stats() const {
    const GroupWriter::Record record = writer_.record();
    return {record.appends, record.commits};
  }

 private:
  // Damage that a reader meets stops the writer too.
  Status Judged(const Status& status) {
    if (status.code() == StatusCode::kDataLoss) {
      writer_.FailStop(status);
    }
    const std::lock_guard lock(reads_mutex_);
    if (status.code() == StatusCode::kUnavailable) {
      ++failed_reads_in_row_;
      failed_read_ = status.message();
    } else {
      failed_reads_in_row_ = 0;
    }
    return status;
  }

  // What can be repeated is, once: a pooled session may have been lost while nobody used it, and a
  // table dropped while somebody read its name.
  template <class T, class Function>
  Result<T> Twice(Function function) {
    Result<T> result = function();
    const StatusCode code = result.status().code();
    if (code == StatusCode::kUnavailable || code == StatusCode::kUnknownOutcome) {
      result = function();
    }
    const Status status = Judged(result.status());
    return status.ok() ? std::move(result) : Result<T>(status);
  }

  template <class T, class Function>
  Result<T> Borrowing(Function function) {
    return Twice<T>([&]() -> Result<T> {
      ENTENTE_ASSIGN_OR_RETURN(const pg::Pool::Loan connection, reader_.pool().Borrow());
      return function(*connection);
    });
  }

  const PostgresOptions options_;
  const std::unique_ptr<Periods> periods_;  // On the heap: what follows refers to it.
  Leases leases_;                           // Gives up what it owns after the writer has ended.
  Nodes nodes_;
  GroupWriter writer_;
  Reader reader_;
  pg::Pool lists_;

  std::mutex reads_mutex_;
  uint64_t failed_reads_in_row_ = 0;
  std::string failed_read_;
};

}  // namespace

Status Migrate(const PostgresOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Connection> connection,
                           pg::Connection::Open(ReaderSession(options, options.statement_timeout)));
  return EnsureSchema(*connection, options);
}

Status RaiseEpochs(const PostgresOptions& options, Epoch least) {
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Connection> connection,
                           pg::Connection::Open(ReaderSession(options, options.statement_timeout)));
  const pg::PgResult raised =
      connection->RunOne(kRaise, std::move(pg::Params().Int8(static_cast<int64_t>(least.value()))),
                         After(options.statement_timeout));
  return OutcomeOf(raised, connection->warning(), "raising the epochs");
}

Result<std::unique_ptr<Journal>> OpenPostgresJournal(const PostgresOptions& options) {
  ENTENTE_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Connection> connection,
                           pg::Connection::Open(ReaderSession(options, options.statement_timeout)));
  ENTENTE_RETURN_IF_ERROR(EnsureSchema(*connection, options));
  auto periods = std::make_unique<Periods>();
  ENTENTE_RETURN_IF_ERROR(periods->Refresh(*connection, options.statement_timeout));
  return std::unique_ptr<Journal>(std::make_unique<PostgresJournal>(options, std::move(periods)));
}

WriterStats GetWriterStats(const Journal& journal) {
  const auto* postgres = dynamic_cast<const PostgresJournal*>(&journal);
  return postgres == nullptr ? WriterStats{} : postgres->stats();
}

}  // namespace entente::storage::postgres
