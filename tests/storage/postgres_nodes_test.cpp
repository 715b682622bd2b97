// Nodes that share one PostgreSQL, as they see each other.
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "storage/membership.h"
#include "tests/storage/postgres_fixtures.h"

namespace entente::storage {
namespace {

Membership& Of(Journal& journal) {
  auto* membership = dynamic_cast<Membership*>(&journal);
  REQUIRE(membership != nullptr);
  return *membership;
}

const NodeRow* Find(const ClusterView& view, const std::string& id) {
  for (const NodeRow& node : view.nodes) {
    if (node.id == id) {
      return &node;
    }
  }
  return nullptr;
}

TEST_CASE("nodes on one database see each other, and who has which shard") {
  PostgresPlace place;
  auto options = place.options();
  options.lease = std::chrono::hours(1);
  const auto first = OpenPostgres(options);
  const auto second = OpenPostgres(options);
  const std::string one = Of(*first).node_id();
  const std::string two = Of(*second).node_id();
  REQUIRE(one != two);

  REQUIRE(Of(*first).Beat({"10.0.0.1:7070", "10.0.0.1:8080", "1.2"}).ok());
  const Epoch epoch = first->Acquire(ShardId(3)).value();
  const ClusterView view = Of(*second).Beat({"10.0.0.2:7070", "", "1.2", true}).value();
  REQUIRE(view.nodes.size() == 2);
  const NodeRow* seen = Find(view, one);
  REQUIRE(seen != nullptr);
  CHECK(seen->alive);
  CHECK(seen->facts.peer_address == "10.0.0.1:7070");
  CHECK(seen->facts.http_address == "10.0.0.1:8080");
  CHECK(seen->facts.release == "1.2");
  CHECK_FALSE(seen->facts.leaving);
  CHECK(Find(view, two)->facts.leaving);
  CHECK(view.shards[3].owner == one);
  CHECK(view.shards[3].epoch == epoch);
  CHECK_FALSE(view.shards[3].is_free());
  CHECK(view.shards[4].is_free());

  REQUIRE(first->Release(ShardId(3), epoch).ok());
  REQUIRE(Of(*first).Leave().ok());
  const ClusterView after = Of(*second).Beat({}).value();
  CHECK(after.shards[3].is_free());
  CHECK(Find(after, one) == nullptr);
}

TEST_CASE("a node that is not heard of is not alive, and is forgotten later") {
  PostgresPlace place;
  const auto first = OpenPostgres(place.options());
  const auto second = OpenPostgres(place.options());
  REQUIRE(Of(*first).Beat({}).ok());
  place.Query("UPDATE entente_node SET expires_at = now() - interval '1 second'");
  const ClusterView view = Of(*second).Beat({}).value();
  REQUIRE(Find(view, Of(*first).node_id()) != nullptr);
  CHECK_FALSE(Find(view, Of(*first).node_id())->alive);
  CHECK(Find(view, Of(*second).node_id())->alive);
  place.Query("UPDATE entente_node SET expires_at = now() - interval '1 hour'");
  CHECK(Of(*second).Beat({}).value().nodes.size() == 1);
}

TEST_CASE("a version of a definition that another node stores is noticed") {
  PostgresPlace place;
  const auto first = OpenPostgres(place.options());
  const auto second = OpenPostgres(place.options());
  const uint64_t before = Of(*second).Beat({}).value().definitions;
  REQUIRE(first->PutDefinition({"d", 0, "{}", "{}", "1", InstantFromMicros(1)}).ok());
  CHECK(Of(*second).Beat({}).value().definitions == before + 1);
}

}  // namespace
}  // namespace entente::storage
