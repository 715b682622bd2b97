// What is shown of TCC and two-phase commit, declared or driven by a client.
#include <catch2/catch.hpp>

#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

Json Shown(const Story& story) {
  RestServer server;
  server.coordinator.AnswerWithView(story.View());
  return server.Get("/v1/transactions/t").Document();
}

Json EntriesOf(const Story& story) {
  RestServer server;
  server.coordinator.AnswerWithHistory(story.History());
  return server.Get("/v1/transactions/t/history").Document()["entries"];
}

TEST_CASE("a reservation shows when it ends, and until when it can be confirmed safely") {
  const Json transaction = Shown(ReservedStory());
  CHECK(transaction["decision"] == "undecided");
  CHECK_FALSE(transaction.contains("clientDriven"));
  const Json& flight = transaction["branches"][0];
  CHECK(flight["operation"] == "try");
  CHECK(flight["expiresAt"] == FormatInstant(At(600)));
  CHECK(flight["decideBy"] == FormatInstant(At(580)));
  CHECK_FALSE(flight.contains("vote"));
  CHECK_FALSE(transaction["branches"][1].contains("expiresAt"));
}

TEST_CASE("once it is decided there is no moment to decide by") {
  const Json flight = Shown(HeuristicStory())["branches"][0];
  CHECK(flight.contains("expiresAt"));
  CHECK_FALSE(flight.contains("decideBy"));
}

TEST_CASE("a heuristic outcome is shown and waits for an operator") {
  const Json transaction = Shown(HeuristicStory());
  CHECK(transaction["decision"] == "committed");
  CHECK(transaction["incident"] == true);
  const Json& hotel = transaction["branches"][1];
  CHECK(hotel["heuristic"] == "rolled-back");
  CHECK(hotel["operation"] == "confirm");
  CHECK(hotel["blockedBy"] == "operator");
  CHECK(hotel["failure"]["code"] == "heuristic.rolled-back");
  CHECK_FALSE(transaction["branches"][0].contains("heuristic"));
  const Json entries = EntriesOf(HeuristicStory());
  const Json& reported = entries[entries.size() - 2];
  CHECK(reported["type"] == "heuristic-reported");
  CHECK(reported["outcome"] == "rolled-back");
  CHECK(reported["branch"] == "hotel");
}

TEST_CASE("votes of a two-phase commit are shown, and stay shown during the rollback") {
  const Json transaction = Shown(VotedStory());
  std::map<std::string, std::string> votes;
  for (const Json& branch : transaction["branches"]) {
    votes[branch["id"]] = branch.value("vote", "");
  }
  CHECK(votes ==
        std::map<std::string, std::string>{{"from", "yes"}, {"rates", "read-only"}, {"to", "no"}});
  CHECK(transaction["branches"][0]["operation"] == "rollback");
  CHECK(transaction["branches"][1]["phase"] == "read-only");
  CHECK(transaction["branches"][1]["operation"] == "prepare");
  CHECK(EntriesOf(VotedStory())[8]["vote"] == "read-only");
}

TEST_CASE("who has not voted shows no vote") {
  Story story("g", TransferPlan());
  story.Then(engine::StepExpanded{0, "from", false, {}})
      .Then(engine::OperationStarted{BranchId("from"), engine::Role::kForward, 0, std::nullopt});
  const Json shown = Shown(story);
  for (const Json& branch : shown["branches"]) {
    CHECK_FALSE(branch.contains("vote"));
  }
  // Rolled back because it may have happened: it never answered.
  const engine::Failure failure{"timeout", "no answer"};
  story.Then(engine::OperationGaveUp{BranchId("from"), failure})
      .Then(engine::AbortDecided{engine::AbortCause::kGaveUp, BranchId("from"), failure,
                                 std::nullopt})
      .Then(engine::OperationStarted{BranchId("from"), engine::Role::kUndo, 0, std::nullopt});
  const Json from = Shown(story)["branches"][0];
  CHECK(from["operation"] == "rollback");
  CHECK_FALSE(from.contains("vote"));
}

TEST_CASE("a commit in one phase has no vote, and stays a commit when it is refused") {
  Story story = OnePhaseStory();
  const Json transaction = Shown(story);
  CHECK(transaction["closed"] == true);
  CHECK(transaction["decision"] == "undecided");
  const Json& ledger = transaction["branches"][0];
  CHECK(ledger["onePhase"] == true);
  CHECK(ledger["operation"] == "commit");
  CHECK_FALSE(ledger.contains("vote"));
  CHECK(EntriesOf(story)[3]["onePhase"] == true);
  CHECK(EntriesOf(story)[2]["type"] == "enlistment-closed");

  story.Then(engine::OperationRefused{BranchId("ledger"), {"http.409", "no"}});
  const Json refused = Shown(story)["branches"][0];
  CHECK(refused["phase"] == "refused");
  CHECK(refused["operation"] == "commit");
  CHECK_FALSE(refused.contains("vote"));
}

TEST_CASE("an enlisted branch waits for its client, and nothing of it was called") {
  const Json transaction = Shown(EnlistedStory());
  CHECK(transaction["clientDriven"] == true);
  CHECK_FALSE(transaction.contains("definition"));
  CHECK_FALSE(transaction.contains("closed"));
  CHECK(transaction["deadline"] == FormatInstant(At(60)));
  const Json& flight = transaction["branches"][0];
  CHECK(flight["phase"] == "enlisted");
  CHECK(flight["operation"] == "");
  CHECK(flight["blockedBy"] == "client");
  CHECK(flight["participant"] == "http://127.0.0.1:7001");
  CHECK(flight["key"] == "enlisted-1:flight");
  CHECK(flight["decideBy"] == FormatInstant(At(580)));
  CHECK_FALSE(flight.contains("maxAttempts"));
}

TEST_CASE("the history of a client-driven transaction shows how each branch was described") {
  const Json entries = EntriesOf(EnlistedStory());
  CHECK(entries[0]["clientDriven"] == true);
  CHECK_FALSE(entries[0].contains("payload"));
  CHECK(entries[1]["type"] == "branch-enlisted");
  CHECK(entries[1]["branch"] == "flight");
  CHECK(entries[1]["payload"] == Json::parse(BranchSource(dsl::Mode::kTcc, "flight")));
  CHECK(entries[2]["type"] == "reservation-expires");
  CHECK(entries[2]["expiresAt"] == FormatInstant(At(600)));
  CHECK(entries[2]["dueAt"] == FormatInstant(At(580)));
}

}  // namespace
}  // namespace entente::api::test
