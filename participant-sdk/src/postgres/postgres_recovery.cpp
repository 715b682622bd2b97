// What finishes prepared transactions that nobody calls for any more.
#include <algorithm>
#include <utility>

#include "entente/postgres_resource.h"
#include "participant-sdk/src/postgres/postgres_table.h"
#include "participant-sdk/src/postgres/prepared_names.h"
#include "participant-sdk/src/postgres/prepared_transactions.h"

namespace entente::sdk {
namespace {

// The decision on what is prepared under a name, if it is for `decide` to tell. That a coordinator
// does not know another one's transaction says nothing about it.
std::optional<Decision> AskFor(const std::string& name, const PreparedNameParts& parts,
                               const DecisionSource& decide, RecoveryReport& report) {
  const Result<DecisionReply> reply = decide(parts.gid);
  if (!reply.ok()) {
    report.unknown.push_back(name + ": " + reply.status().ToString());
    return std::nullopt;
  }
  if (!parts.coordinator.empty() && parts.coordinator != reply->coordinator) {
    report.foreign.push_back(
        name + ": it belongs to coordinator " + parts.coordinator + ", and was asked for at " +
        (reply->coordinator.empty() ? "one that does not say" : reply->coordinator));
    return std::nullopt;
  }
  return reply->decision;
}

// Also lets no late copy of the prepare in, which would stay prepared until recovery had seen it
// for the safety interval again. The tombstone comes first, so that there is no moment between the
// two.
Result<Finished> RollBackForGood(PGconn* connection, const PostgresTable& tombstone,
                                 const std::string& name) {
  ENTENTE_RETURN_IF_ERROR(
      tombstone.Insert(RowState::kUndone, std::nullopt, EncodeAnswer(Done())).status());
  return FinishPrepared(connection, "ROLLBACK PREPARED", name);
}

// Carries a decision out. False: it is still prepared, as far as is known.
bool Settle(PGconn* connection, const PostgresTable& tombstone, const std::string& name,
            Decision decision, bool old_enough, RecoveryReport& report) {
  const bool commit = decision == Decision::kCommitted;
  if (decision == Decision::kUndecided || (!commit && !old_enough)) {
    ++report.waiting;
    return false;
  }
  const Result<Finished> finished = commit ? FinishPrepared(connection, "COMMIT PREPARED", name)
                                           : RollBackForGood(connection, tombstone, name);
  if (finished.ok() && !finished->refused) {
    // Not found: a call, or another process's recovery, was faster.
    (commit ? report.committed : report.rolled_back) += finished->found ? 1 : 0;
    return true;
  }
  report.unknown.push_back(name + ": " +
                           (finished.ok() ? std::get<RefusedAnswer>(*finished->refused).message
                                          : finished.status().ToString()));
  return false;
}

}  // namespace

Result<RecoveryReport> PostgresResource::Recover(pg_conn* connection,
                                                 const DecisionSource& decide) {
  ENTENTE_RETURN_IF_ERROR(CheckPreparedNameParts(options_.prefix, options_.node));
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const std::string head = PreparedNameHead(options_.prefix, options_.node);
  const PgResult listed =
      PgExecute(connection,
                "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND "
                "starts_with(gid, $1) ORDER BY prepared",
                {head});
  ENTENTE_RETURN_IF_ERROR(listed.ToStatus());
  const Instant now = NowOf(options_.barrier);
  ENTENTE_ASSIGN_OR_RETURN(const std::string table, place_->Find(connection));
  const std::lock_guard lock(mutex_);
  std::map<std::string, Instant> seen;
  RecoveryReport report;
  for (int i = 0; i < listed.rows(); ++i) {
    const std::string name = listed.Text(i, 0);
    const auto known = first_seen_.find(name);
    const Instant since = known == first_seen_.end() ? now : known->second;
    const bool old_enough = now - since >= options_.safety_interval;
    const std::optional<PreparedNameParts> parts = ReadPreparedName(name, head);
    if (!parts) {
      report.unknown.push_back(name + ": it is no name that this resource gives");
      continue;
    }
    const std::optional<Decision> decision = AskFor(name, *parts, decide, report);
    const Call call = TombstoneCall(parts->gid, name);
    const PostgresTable tombstone(connection, table, call, now);
    if (!decision || !Settle(connection, tombstone, name, *decision, old_enough, report)) {
      seen.emplace(name, since);
    }
  }
  first_seen_ = std::move(seen);
  return report;
}

Result<PreparedReport> PostgresResource::Prepared(pg_conn* connection) const {
  ENTENTE_RETURN_IF_ERROR(PgCheckIdle(connection));
  const PgResult oldest =
      PgExecute(connection,
                "SELECT gid, (extract(epoch FROM clock_timestamp() - prepared) * 1000000)::bigint, "
                "count(*) OVER () FROM pg_prepared_xacts WHERE database = current_database() AND "
                "starts_with(gid, $1) ORDER BY prepared LIMIT 1",
                {PreparedNameHead(options_.prefix, options_.node)});
  ENTENTE_RETURN_IF_ERROR(oldest.ToStatus());
  PreparedReport report;
  if (oldest.rows() > 0) {
    report.oldest_name = oldest.Text(0, 0);
    report.oldest_age = std::max(Duration::zero(), Duration(oldest.Integer(0, 1)));
    report.count = static_cast<size_t>(oldest.Integer(0, 2));
  }
  return report;
}

}  // namespace entente::sdk
