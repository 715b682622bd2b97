#include "storage/postgres/group_writer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <random>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "net/postgres/errors.h"
#include "storage/journal_errors.h"
#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

// As in every store: a flood can not make one commit, and everybody's wait for it, arbitrarily
// long.
constexpr size_t kMaxGroupBatches = 4096;

constexpr std::string_view kAppending = "appending to the journal";
constexpr std::string_view kTrying = "trying to write";

// READ COMMITTED, whatever the database's default: each statement sees what was committed when it
// began, so that after the wait for a lock the row is looked at as it is then.
constexpr std::string_view kBegin = "BEGIN ISOLATION LEVEL READ COMMITTED";

// Locks the rows that the appends may go under. A plain subselect in the insert would not do: one
// that began before a take-over would be committed after it.
constexpr std::string_view kFence =
    "SELECT l.shard, l.epoch, l.period,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    " FROM entente_lease AS l JOIN unnest($1::smallint[], $2::bigint[]) AS w(shard, epoch)"
    " ON l.shard = w.shard AND l.epoch = w.epoch"
    " WHERE l.owner = $3::text ORDER BY l.shard FOR UPDATE OF l";

// A transaction of no shard, which is gone before it could be seen.
constexpr ShardId kProbeShard(kShardCount);
constexpr int64_t kProbePos = -1;
constexpr const char* kProbeName = "probe";
// An ordinary append, at least.
constexpr size_t kLeastTried = size_t{64} << 10;

// For each MiB that a commit writes, beside what any may take.
constexpr Duration kPerMebibyte = std::chrono::seconds(1);

}  // namespace

GroupWriter::GroupWriter(const PostgresOptions& options, Leases& leases, Periods& periods)
    : options_(options),
      leases_(leases),
      periods_(periods),
      session_(WriterSession(options)),
      thread_([this] { Loop(); }) {}

GroupWriter::~GroupWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

void GroupWriter::AppendEach(std::vector<ShardBatch> batches, AppendEachCallback on_durable) {
  const auto answers = std::make_shared<AppendAnswers>(batches.size(), std::move(on_durable));
  std::vector<Request> requests;
  size_t appends = 0;
  requests.reserve(batches.size());
  for (ShardBatch& one : batches) {
    CheckWellFormed(one.shard, one.batch);
    appends += one.batch.appends.size();
    const bool fits = RecordBytes(one.batch) <= limits::kMaxAppendBytes;
    requests.push_back({one.shard, one.epoch, std::move(one.batch), answers, requests.size(),
                        fits ? Status() : AppendTooLarge()});
  }
  bool notify = false;
  {
    const std::lock_guard lock(mutex_);
    ENTENTE_CHECK(!stopping_);
    waiting_.insert(waiting_.end(), std::make_move_iterator(requests.begin()),
                    std::make_move_iterator(requests.end()));
    waiting_appends_ += appends;
    const bool enough = gathers_ > 0 && waiting_appends_ >= gathers_;
    notify = std::exchange(idle_, false) || enough;
  }
  if (notify) {
    arrived_.notify_one();
  }
}

void GroupWriter::TryAgain() {
  {
    const std::lock_guard lock(mutex_);
    if (record_.failed_in_row == 0) {
      return;
    }
    probe_ = true;
    idle_ = false;
  }
  arrived_.notify_one();
}

void GroupWriter::FailStop(const Status& status) {
  const std::lock_guard lock(mutex_);
  if (health_.ok()) {
    health_ = status;
  }
}

Status GroupWriter::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

GroupWriter::Record GroupWriter::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

GroupWriter::Record GroupWriter::TakeRecord() {
  const std::lock_guard lock(mutex_);
  Record record = record_;
  record_.most_failed_in_row = 0;
  return record;
}

void GroupWriter::Loop() {
  while (AwaitWork()) {
    CommitInGroups();
    // Also while there is always work: what is written may be smaller than what failed.
    Probe();
  }
}

bool GroupWriter::AwaitWork() {
  std::unique_lock lock(mutex_);
  while (!stopping_ && waiting_.empty() && !probe_) {
    idle_ = true;
    arrived_.wait(lock);
  }
  idle_ = false;
  if (!waiting_.empty()) {
    Gather(lock);
  }
  waiting_appends_ = 0;
  group_.swap(waiting_);
  return !group_.empty() || !stopping_;
}

// With `lock` held, but for while it waits.
void GroupWriter::Gather(std::unique_lock<std::mutex>& lock) {
  const Gathering::Wait wait = gathering_.Next();
  if (waiting_appends_ >= wait.appends || wait.at_most == Duration(0)) {
    return;  // At once.
  }
  const size_t first = waiting_appends_;
  gathers_ = wait.appends;
  arrived_.wait_for(lock, wait.at_most, [&] { return stopping_ || waiting_appends_ >= gathers_; });
  gathers_ = 0;
  gathering_.Waited(first, waiting_appends_);
}

void GroupWriter::CommitInGroups() {
  std::span<Request> rest(group_);
  while (!rest.empty()) {
    size_t count = 0;
    size_t bytes = 0;
    while (count < std::min(rest.size(), kMaxGroupBatches) && bytes < limits::kMaxGroupBytes) {
      bytes += RecordBytes(rest[count].batch);
      ++count;
    }
    CommitGroup(rest.first(count));
    rest = rest.subspan(count);
  }
  group_.clear();
}

void GroupWriter::CommitGroup(std::span<Request> group) {
  const auto began = std::chrono::steady_clock::now();
  Status failure = health();
  if (failure.ok()) {
    RefuseDoubtful(group);
    bool again = false;
    failure = WriteGroup(group, again);
    if (again) {
      failure = WriteGroup(group, again);
    }
  }
  if (failure.code() == StatusCode::kUnknownOutcome) {
    DoubtGroup(group);
  }
  if (failure.code() == StatusCode::kDataLoss) {
    FailStop(failure);
  }
  size_t appends = 0;
  size_t bytes = 0;
  for (Request& request : group) {
    if (request.fenced && failure.ok()) {
      // Outside of the transaction: whoever takes a shard waits for it, and is waited for here.
      request.status = leases_.Stale(request.shard, request.epoch);
    }
    if (request.status.ok()) {
      appends += request.batch.appends.size();
      bytes += RecordBytes(request.batch);
    }
  }
  if (wrote_ && failure.ok()) {
    gathering_.Committed(
        appends, std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - began));
  }
  if (wrote_ || !failure.ok()) {
    Note(failure, appends, bytes);
  }
  for (Request& request : group) {
    // Refused on its own account, or with all others: then what a refusal was based on counts for
    // nothing, except that an outcome is unknown.
    const bool own = failure.ok() || request.status.code() == StatusCode::kUnknownOutcome;
    request.answers->Put(request.place, own ? std::move(request.status) : failure);
  }
}

void GroupWriter::RefuseDoubtful(std::span<Request> group) const {
  for (Request& request : group) {
    const auto found = doubtful_.find(request.shard);
    if (found != doubtful_.end() && found->second == request.epoch) {
      request.status =
          UnknownOutcome("store.unknown_outcome",
                         "an earlier append to shard " + std::to_string(request.shard.value()) +
                             " may have been written or not; acquire the shard again and read it");
    }
  }
}

void GroupWriter::DoubtGroup(std::span<const Request> group) {
  for (const Request& request : group) {
    if (request.status.ok() && !request.fenced && !request.batch.appends.empty()) {
      doubtful_[request.shard] = request.epoch;
    }
  }
}

// `again` asks for another try, after a failure that may be due to what was known of the tables.
Status GroupWriter::WriteGroup(std::span<Request> group, bool& again) {
  const bool first = !std::exchange(again, false);
  wrote_ = false;
  owned_.clear();
  touched_.clear();
  ENTENTE_ASSIGN_OR_RETURN(pg::Connection * connection, session_.Get());
  const auto list = periods_.Get();
  GroupRows rows;
  Status outcome = Open(*connection, group, *list);
  if (outcome.ok()) {
    StageAll(group, rows);
    outcome = Commit(*connection, rows, *list);
  }
  Settle(outcome);
  if (!outcome.ok()) {
    const bool lost = connection->broken();
    session_.Drop();
    // A table that was dropped, or a server that went away while nothing was asked of it.
    again = first && outcome.code() == StatusCode::kUnavailable &&
            (lost || outcome.reason() == kNoTableReason);
    if (again) {
      ENTENTE_ASSIGN_OR_RETURN(connection, session_.Get());
      ENTENTE_RETURN_IF_ERROR(periods_.Refresh(*connection, options_.statement_timeout));
    }
  }
  return outcome;
}

pg::Params GroupWriter::FenceParams(std::span<Request> group, const std::string& owner) {
  std::set<std::pair<uint64_t, uint64_t>> wanted;
  for (const Request& request : group) {
    if (request.status.ok()) {
      wanted.emplace(request.shard.value(), request.epoch.value());
    }
  }
  pg::ArrayParam shards(pg::ElementType::kInt2);
  pg::ArrayParam epochs(pg::ElementType::kInt8);
  for (const auto& [shard, epoch] : wanted) {
    shards.AddNumber(static_cast<int64_t>(shard));
    epochs.AddNumber(static_cast<int64_t>(epoch));
  }
  pg::Params params;
  params.Array(std::move(shards)).Array(std::move(epochs)).Bytes(owner);
  return params;
}

// Of transactions that are not remembered; nothing if all are.
std::optional<pg::Params> GroupWriter::FindParams(std::span<Request> group) {
  std::set<std::pair<uint64_t, std::string>> wanted;
  for (const Request& request : group) {
    if (!request.status.ok()) {
      continue;
    }
    Positions::Shard* known = positions_.Find(request.shard, request.epoch);
    for (const TxnAppend& append : request.batch.appends) {
      if (known == nullptr || !known->contains(append.gid)) {
        wanted.emplace(request.shard.value(), append.gid.str());
      }
    }
  }
  if (wanted.empty()) {
    return std::nullopt;
  }
  pg::ArrayParam shards(pg::ElementType::kInt2);
  pg::ArrayParam gids(pg::ElementType::kText);
  for (const auto& [shard, gid] : wanted) {
    shards.AddNumber(static_cast<int64_t>(shard));
    gids.AddBytes(gid);
  }
  pg::Params params;
  params.Array(std::move(shards)).Array(std::move(gids));
  return params;
}

// The first flight.
Status GroupWriter::Open(pg::Connection& connection, std::span<Request> group,
                         const PeriodList& list) {
  std::vector<pg::Statement> flight;
  flight.push_back({kBegin, {}});
  flight.push_back({kFence, FenceParams(group, leases_.owner())});
  if (std::optional<pg::Params> find = FindParams(group)) {
    flight.push_back({list.find, std::move(*find)});
  }
  const std::vector<pg::PgResult> results =
      connection.Run(flight, After(options_.statement_timeout));
  for (const pg::PgResult& result : results) {
    if (!result.ok()) {
      return NotWritten(result, kAppending);
    }
  }
  ReadFence(group, results[1]);
  if (results.size() > 2) {
    ReadFound(results[2]);
  }
  return {};
}

void GroupWriter::ReadFence(std::span<Request> group, const pg::PgResult& fence) {
  for (int row = 0; row < fence.rows(); ++row) {
    const ShardId shard(static_cast<uint64_t>(fence.Number(row, 0)));
    const Epoch epoch(static_cast<uint64_t>(fence.Number(row, 1)));
    owned_[shard] = {epoch, static_cast<int32_t>(fence.Number(row, 2))};
    database_micros_ = fence.Number(row, 3);
    static_cast<void>(positions_.Begin(shard, epoch));
    doubtful_.erase(shard);  // A doubt about this epoch would have kept its appends out.
  }
  for (Request& request : group) {
    const auto found = owned_.find(request.shard);
    request.fenced =
        request.status.ok() && (found == owned_.end() || found->second.epoch != request.epoch);
  }
}

void GroupWriter::ReadFound(const pg::PgResult& found) {
  for (int row = 0; row < found.rows(); ++row) {
    const Gid gid{std::string(found.Bytes(row, 1))};
    const ShardId shard = ShardOf(gid);
    const auto owned = owned_.find(shard);
    if (owned == owned_.end()) {
      continue;
    }
    Position& position = positions_.Begin(shard, owned->second.epoch)[gid];
    position.period = static_cast<int32_t>(found.Number(row, 0));
    position.pos = found.Number(row, 2);
    position.next = static_cast<uint64_t>(std::max<int64_t>(1, found.Number(row, 3)));
    position.staged_next = position.next;
  }
}

void GroupWriter::StageAll(std::span<Request> group, GroupRows& rows) {
  for (Request& request : group) {
    if (request.fenced || !request.status.ok()) {
      continue;
    }
    Positions::Shard& shard = positions_.Begin(request.shard, request.epoch);
    request.status = Stage(request, shard);
    if (!request.status.ok()) {
      continue;
    }
    for (const TxnAppend& append : request.batch.appends) {
      rows.AddRecords(request.shard, shard.at(append.gid), append);
    }
  }
  std::ranges::sort(touched_);
  const auto repeated = std::ranges::unique(touched_);
  touched_.erase(repeated.begin(), repeated.end());
  for (const auto& [shard, gid] : touched_) {
    const Position& position = positions_.Begin(shard, owned_.at(shard).epoch).at(gid);
    if (position.created != nullptr) {
      rows.AddTxn(shard, gid, position);
    } else if (position.latest != nullptr) {
      rows.AddUpdate(position);
    }
  }
}

// Checks every append before any is taken: a batch that is refused leaves no trace.
Status GroupWriter::Stage(const Request& request, Positions::Shard& shard) {
  std::unordered_map<Gid, uint64_t> next;
  for (const TxnAppend& append : request.batch.appends) {
    const auto known = shard.find(append.gid);
    uint64_t& due =
        next.try_emplace(append.gid, known == shard.end() ? 1 : known->second.staged_next)
            .first->second;
    if (append.first.value() == 1 && due > 1) {
      return TransactionExists(append.gid);
    }
    if (append.first.value() != due) {
      return StaleSequence(append.gid, append.first,
                           due > 1 ? std::optional(Sequence(due)) : std::nullopt);
    }
    due += append.records.size();
  }
  for (const TxnAppend& append : request.batch.appends) {
    Position& position = shard[append.gid];
    touched_.emplace_back(request.shard, append.gid);
    if (append.first.value() == 1) {
      position.period = owned_.at(request.shard).period;
      position.pos = NextPos(request.shard);
      position.created = &*append.summary;
    }
    position.latest = append.summary ? &*append.summary : position.latest;
    position.staged_next = append.first.value() + append.records.size();
  }
  return {};
}

// By the database's clock, so that the order of creation is the same from all nodes. The shard
// makes it unique: each has one owner.
int64_t GroupWriter::NextPos(ShardId shard) {
  latest_micros_ = std::max(latest_micros_ + 1, database_micros_);
  return latest_micros_ * static_cast<int64_t>(kShardCount) + static_cast<int64_t>(shard.value());
}

// The second flight.
Status GroupWriter::Commit(pg::Connection& connection, GroupRows& rows, const PeriodList& list) {
  if (rows.empty()) {
    const pg::PgResult ended = connection.RunOne("ROLLBACK", {}, After(options_.statement_timeout));
    return ended.ok() ? Status() : NotWritten(ended, kAppending);
  }
  std::vector<pg::Statement> flight;
  std::vector<size_t> changes;
  if (!rows.Statements(list, flight, changes)) {
    return Unavailable(kNoTableReason, "a period's tables are not known; nothing was written");
  }
  flight.push_back({"COMMIT", {}});
  wrote_ = true;
  const std::vector<pg::PgResult> results =
      connection.Run(flight, After(PatienceFor(rows.bytes())));
  for (size_t i = 0; i + 1 < results.size(); ++i) {
    // The server said of a statement that it failed: it did not come to the COMMIT.
    if (!results[i].ok() && results[i].severity() == "ERROR") {
      return NotWritten(results[i], kAppending);
    }
  }
  ENTENTE_RETURN_IF_ERROR(OutcomeOf(results.back(), connection.warning(), kAppending));
  for (size_t i = 0; i < changes.size(); ++i) {
    if (results[i].changed() < changes[i]) {
      return DataLoss("store.corrupt",
                      "the row of an open transaction is not there any more: something else than "
                      "Entente writes to its tables; restore a backup");
    }
  }
  return {};
}

// What was staged becomes what is known, or nothing is known any more.
void GroupWriter::Settle(const Status& outcome) {
  if (!outcome.ok()) {
    positions_.Clear();
    return;
  }
  for (const auto& [shard, gid] : touched_) {
    Positions::Shard& txns = positions_.Begin(shard, owned_.at(shard).epoch);
    const auto found = txns.find(gid);
    Position& position = found->second;
    const bool finished = position.latest != nullptr && !position.latest->open;
    if (finished) {
      txns.erase(found);
      continue;
    }
    position.next = position.staged_next;
    position.created = nullptr;
    position.latest = nullptr;
  }
  if (positions_.size() > options_.cached_txns) {
    positions_.Clear();
  }
}

void GroupWriter::Note(const Status& outcome, size_t appends, size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (outcome.ok()) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    if (bytes >= record_.failed_bytes) {
      record_.failed_in_row = 0;
      record_.failed_bytes = 0;
    }
    record_.latest_success = InstantFromMicros(std::chrono::floor<Duration>(now).count());
    record_.appends += appends;
    ++record_.commits;
  } else {
    ++record_.failed;
    ++record_.failed_in_row;
    record_.most_failed_in_row = std::max(record_.most_failed_in_row, record_.failed_in_row);
    record_.failed_bytes = std::max(record_.failed_bytes, bytes);
    record_.latest_failure = outcome.message();
  }
}

void GroupWriter::Probe() {
  size_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(probe_, false) || record_.failed_in_row == 0) {
      return;
    }
    bytes = std::clamp(record_.failed_bytes, kLeastTried, limits::kMaxGroupBytes);
  }
  const Result<pg::Connection*> connection = session_.Get();
  if (!connection.ok()) {
    return Note(connection.status(), 0, 0);
  }
  const Status outcome = WriteProbe(**connection, bytes);
  if (!outcome.ok()) {
    session_.Drop();
  }
  Note(outcome, 0, outcome.ok() ? bytes : 0);  // What is to be tried stays what failed.
}

// By the statements of a commit, and taken away again by the same transaction.
Status GroupWriter::WriteProbe(pg::Connection& connection, size_t bytes) {
  // Nothing that the server could compress.
  std::minstd_rand dice;
  std::string text(bytes, '\0');
  std::ranges::generate(text, [&dice] { return static_cast<char>(dice() >> 8); });
  Summary summary;
  summary.labels = {{kProbeName, ""}};
  const auto list = periods_.Get();
  Position position;
  position.period = list->newest();
  position.pos = kProbePos;
  position.created = &summary;
  position.latest = &summary;
  GroupRows rows;
  rows.AddTxn(kProbeShard, Gid(kProbeName), position);
  rows.AddRecords(kProbeShard, position, {Gid(kProbeName), Sequence(1), {std::move(text)}, {}});
  std::vector<pg::Statement> flight{{kBegin, {}}};
  std::vector<size_t> changes;
  if (!rows.Statements(*list, flight, changes)) {
    return Unavailable(kNoTableReason, "no period's tables are known; nothing was written");
  }
  pg::Params gone;
  gone.Int2(static_cast<int16_t>(kProbeShard.value())).Bytes(kProbeName).Int8(kProbePos);
  gone.Bytes(kProbeName).Bytes("");
  flight.push_back({list->Find(position.period)->forget, std::move(gone)});
  flight.push_back({"COMMIT", {}});
  const std::vector<pg::PgResult> results = connection.Run(flight, After(PatienceFor(bytes)));
  for (const pg::PgResult& result : results) {
    if (!result.ok() && !result.skipped()) {
      return OutcomeOf(result, connection.warning(), kTrying);
    }
  }
  return OutcomeOf(results.back(), connection.warning(), kTrying);
}

// For a commit that writes so much.
Duration GroupWriter::PatienceFor(size_t bytes) const {
  return options_.commit_timeout + kPerMebibyte * static_cast<int64_t>(bytes >> 20);
}

}  // namespace entente::storage::postgres
