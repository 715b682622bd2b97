#include "storage/postgres/nodes.h"

#include <utility>

#include "storage/postgres/failure.h"

namespace entente::storage::postgres {
namespace {

constexpr std::string_view kBeat =
    "INSERT INTO entente_node(id, peer_address, http_address, release, leaving, started_at,"
    " heard_at, expires_at) VALUES($1::text, $2::text, $3::text, $4::text, $5::boolean,"
    " clock_timestamp(), clock_timestamp(),"
    " clock_timestamp() + $6::bigint * interval '1 microsecond')"
    " ON CONFLICT (id) DO UPDATE SET peer_address = excluded.peer_address,"
    " http_address = excluded.http_address, leaving = excluded.leaving,"
    " heard_at = excluded.heard_at, expires_at = excluded.expires_at";

// What was not heard of for this long is of interest to nobody.
constexpr std::string_view kForget =
    "DELETE FROM entente_node WHERE expires_at < clock_timestamp() - interval '10 minutes'";

constexpr std::string_view kNodes =
    "SELECT id, peer_address, http_address, release, leaving::integer,"
    " (extract(epoch FROM started_at) * 1000000)::bigint,"
    " (extract(epoch FROM clock_timestamp() - heard_at) * 1000000)::bigint,"
    " (expires_at > clock_timestamp())::integer FROM entente_node ORDER BY id";

constexpr std::string_view kShards =
    "SELECT shard, owner, epoch,"
    " (extract(epoch FROM expires_at - clock_timestamp()) * 1000000)::bigint"
    " FROM entente_lease ORDER BY shard";

constexpr std::string_view kDefinitions = "SELECT count(*) FROM entente_definition";

constexpr std::string_view kLeave = "DELETE FROM entente_node WHERE id = $1::text";

NodeRow NodeAt(const pg::PgResult& rows, int row) {
  NodeRow node;
  node.id = rows.Bytes(row, 0);
  node.facts = {std::string(rows.Bytes(row, 1)), std::string(rows.Bytes(row, 2)),
                std::string(rows.Bytes(row, 3)), rows.Number(row, 4) != 0};
  node.started_at = InstantFromMicros(rows.Number(row, 5));
  node.heard_ago = Duration(rows.Number(row, 6));
  node.alive = rows.Number(row, 7) != 0;
  return node;
}

}  // namespace

Nodes::Nodes(const PostgresOptions& options, std::string id)
    : options_(options), id_(std::move(id)), session_(LeaseSession(options)) {}

// Everything here can be repeated: once more if the session turns out to be lost.
Result<pg::PgResult> Nodes::Run(std::string_view sql, const pg::Params& params,
                                std::string_view doing) {
  for (int attempt = 1;; ++attempt) {
    ENTENTE_ASSIGN_OR_RETURN(pg::Connection * connection, session_.Get());
    pg::PgResult result = connection->RunOne(sql, params, After(options_.statement_timeout));
    const Status outcome = OutcomeOf(result, connection->warning(), doing);
    if (outcome.ok()) {
      return result;
    }
    if (!connection->broken() || attempt == 2) {
      return Unavailable("store.unavailable", outcome.message());
    }
  }
}

Result<ClusterView> Nodes::Beat(const NodeFacts& facts) {
  const std::lock_guard lock(mutex_);
  pg::Params params;
  params.Bytes(id_).Bytes(facts.peer_address).Bytes(facts.http_address).Bytes(facts.release);
  params.Bool(facts.leaving).Int8(options_.lease.count());
  ENTENTE_RETURN_IF_ERROR(Run(kBeat, params, "telling that this node is there").status());
  ENTENTE_RETURN_IF_ERROR(Run(kForget, {}, "forgetting nodes").status());
  ClusterView view;
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult nodes, Run(kNodes, {}, "reading the nodes"));
  for (int row = 0; row < nodes.rows(); ++row) {
    view.nodes.push_back(NodeAt(nodes, row));
  }
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult shards, Run(kShards, {}, "reading the leases"));
  for (int row = 0; row < shards.rows(); ++row) {
    view.shards.at(static_cast<size_t>(shards.Number(row, 0))) = {
        std::string(shards.Bytes(row, 1)), Epoch(static_cast<uint64_t>(shards.Number(row, 2))),
        Duration(shards.Number(row, 3))};
  }
  ENTENTE_ASSIGN_OR_RETURN(const pg::PgResult stored,
                           Run(kDefinitions, {}, "counting the definitions"));
  view.definitions = static_cast<uint64_t>(stored.Number(0, 0));
  return view;
}

Status Nodes::Leave() {
  const std::lock_guard lock(mutex_);
  return Run(kLeave, std::move(pg::Params().Bytes(id_)), "leaving").status();
}

}  // namespace entente::storage::postgres
