// Children that their parent undoes by the children's own compensations: they end as it does.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "engine/family/family.h"
#include "tests/runtime/test_node.h"

namespace entente::runtime::held_children {
namespace {

using engine::TxnStatus;

// Runs a trip, which it can undo, and then pays.
constexpr const char* kHolder = R"({"name": "holder", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "kid", "action": {"transaction": {"definition": "trip", "input": {}}},
             "compensate": "child"},
            {"id": "pay", "participant": "p", "action": {"post": "/pay"}, "compensate": null}]})";
// The same of a holder.
constexpr const char* kOuter = R"({"name": "outer", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "sub", "action": {"transaction": {"definition": "holder", "input": {}}},
             "compensate": "child"},
            {"id": "tip", "participant": "p", "action": {"post": "/tip"}, "compensate": null}]})";

engine::Reply Done() {
  return engine::ReplyDone{Json{{"n", 7}}};
}
engine::Reply No() {
  return engine::ReplyRefused{{"http.409", "no"}};
}

class Family : public TestNode {
 public:
  Family() {
    Define(kTrip);
    Define(kHolder);
    Define(kOuter);
  }
  void Answer(const std::string& branch, engine::Reply reply) {
    caller.Answer(branch, std::move(reply));
    Run();
  }
  // The child is held, and its parent wants to pay.
  void SubmitAndHold() {
    Submit("holder", "h");
    Answer("flight", Done());
    Answer("hotel", Done());
    REQUIRE(Look("h~kid").awaits_parent());
  }
  TxnStatus StatusOf(const std::string& gid) { return Look(gid).status; }
  // What is asked of the participant at the moment: "compensate hotel".
  std::vector<std::string> Asked() {
    std::vector<std::string> asked;
    for (const auto& one : caller.waiting) {
      asked.push_back(std::string(dsl::OperationName(engine::Mode::kSaga, one.call.command.role)) +
                      ' ' + one.call.command.branch.str());
    }
    return asked;
  }
  // Whatever is ready is decided, and what is written by then is durable; nobody was told of it.
  void WriteAndCrash() {
    WriteOnly();
    Restart();
    Run(std::chrono::seconds(1));
  }
  void WriteOnly() {
    Duration none(0);
    while (host->RunOne(none)) {
    }
    REQUIRE(journal->Deliver());
  }
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a child that is held commits once its parent has, and not before") {
  Family family;
  family.SubmitAndHold();
  CHECK(family.StatusOf("h~kid") == TxnStatus::kActive);
  CHECK(family.Look("h~kid").output.is_null());
  CHECK(family.Look("h").steps[0].branches[0].phase == engine::BranchPhase::kDone);
  CHECK(family.Asked() == Strings{"action pay"});

  family.Answer("pay", Done());
  CHECK(family.StatusOf("h") == TxnStatus::kCommitted);
  CHECK(family.StatusOf("h~kid") == TxnStatus::kCommitted);
  CHECK(family.caller.waiting.empty());
}

TEST_CASE("a child that is held is undone by its own compensations, the last step first") {
  Family family;
  family.SubmitAndHold();
  family.Answer("pay", No());
  CHECK(family.StatusOf("h") == TxnStatus::kAborting);
  CHECK(family.StatusOf("h~kid") == TxnStatus::kAborting);
  CHECK(family.Asked() == Strings{"compensate hotel"});
  family.Answer("hotel", Done());
  CHECK(family.Asked() == Strings{"compensate flight"});
  CHECK(family.StatusOf("h") == TxnStatus::kAborting);
  family.Answer("flight", Done());
  CHECK(family.StatusOf("h~kid") == TxnStatus::kAborted);
  CHECK(family.StatusOf("h") == TxnStatus::kAborted);
}

TEST_CASE("a held child is its parent's affair") {
  Family family;
  family.SubmitAndHold();
  const Status refused = family.Deliver("h~kid", engine::AbortRequested{{"ann", ""}});
  CHECK(refused.reason() == "transaction.held");
  CHECK(family.Look("h~kid").awaits_parent());
  // Its parent's is carried out, also while it waits for something else.
  CHECK(family.Deliver("h", engine::AbortRequested{{"ann", ""}}).ok());
  CHECK(family.StatusOf("h~kid") == TxnStatus::kActive);  // The payment may have happened.
  family.Answer("pay", No());
  CHECK(family.Asked() == Strings{"compensate hotel"});
  // What aborts may be asked to, by whomever.
  CHECK(family.Deliver("h~kid", engine::AbortRequested{{"ann", ""}}).ok());
  family.Answer("hotel", Done());
  family.Answer("flight", Done());
  CHECK(family.StatusOf("h") == TxnStatus::kAborted);
}

TEST_CASE("a held child outlasts crashes, and so does its undo") {
  Family family;
  family.SubmitAndHold();
  family.Restart();
  family.Run(std::chrono::seconds(1));
  REQUIRE(family.Look("h~kid").awaits_parent());
  REQUIRE(family.Asked() == Strings{"action pay"});
  family.caller.Answer("pay", No());
  family.WriteAndCrash();  // The abort is on record; the child has not been asked.
  CHECK(family.Asked() == Strings{"compensate hotel"});
  family.Restart();
  family.Run(std::chrono::seconds(1));
  CHECK(family.Asked() == Strings{"compensate hotel"});
  family.Answer("hotel", Done());
  family.caller.Answer("flight", Done());
  family.WriteAndCrash();  // It has ended; its parent was not told.
  CHECK(family.StatusOf("h~kid") == TxnStatus::kAborted);
  CHECK(family.StatusOf("h") == TxnStatus::kAborted);
}

TEST_CASE("that it is held may be known to nobody yet when all of it is gone") {
  Family family;
  family.Submit("holder", "h");
  family.Answer("flight", Done());
  family.caller.Answer("hotel", Done());
  family.WriteAndCrash();
  CHECK(family.Look("h~kid").awaits_parent());
  CHECK(family.Asked() == Strings{"action pay"});
}

TEST_CASE("a held child whose parent ended just before a crash ends as that did") {
  Family family;
  family.SubmitAndHold();
  const bool commits = GENERATE(true, false);
  CAPTURE(commits);
  if (commits) {
    family.caller.Answer("pay", Done());
  } else {
    family.shards->Deliver(Gid("h"),
                           engine::ResolveRequested{TxnStatus::kAborted, {"ann", "by hand"}},
                           std::nullopt, [](const Result<TxnView>& /*view*/) {});
  }
  family.WriteAndCrash();
  REQUIRE(family.Look("h").finished());
  if (commits) {
    CHECK(family.StatusOf("h~kid") == TxnStatus::kCommitted);
    return;
  }
  family.Answer("hotel", Done());
  family.Answer("flight", Done());
  CHECK(family.StatusOf("h~kid") == TxnStatus::kAborted);
}

TEST_CASE("a held child whose own end could not be written asks for its parent's again") {
  Family family;
  family.SubmitAndHold();
  family.caller.Answer("pay", Done());
  family.WriteOnly();
  family.journal->Fail(storage::MemoryFault::kUnavailable);
  family.Run(std::chrono::seconds(10));
  CHECK(family.StatusOf("h") == TxnStatus::kCommitted);
  CHECK(family.StatusOf("h~kid") == TxnStatus::kCommitted);
}

TEST_CASE("a held child whose parent can not be read looks again until it can") {
  Family family;
  family.SubmitAndHold();
  family.caller.Answer("pay", Done());
  family.unreadable["h"] = DataLoss("store.corrupt", "damaged");
  family.WriteAndCrash();  // The parent has ended; the child was not told.
  family.Run(std::chrono::minutes(20));
  REQUIRE(family.Look("h~kid").awaits_parent());
  family.unreadable.clear();
  family.Run(std::chrono::minutes(6));
  CHECK(family.StatusOf("h~kid") == TxnStatus::kCommitted);
}

TEST_CASE("a parent that an operator ends takes the children that it holds with it") {
  Family family;
  const bool held = GENERATE(true, false);
  const TxnStatus outcome = GENERATE(TxnStatus::kCommitted, TxnStatus::kAborted);
  CAPTURE(held, outcome);
  family.Submit("holder", "h");
  family.Answer("flight", Done());
  if (held) {
    family.Answer("hotel", Done());
  }
  CHECK(family.Deliver("h", engine::ResolveRequested{outcome, {"ann", ""}}).ok());
  family.caller.waiting.erase(
      std::remove_if(family.caller.waiting.begin(), family.caller.waiting.end(),
                     [](const auto& one) { return one.call.command.branch == BranchId("pay"); }),
      family.caller.waiting.end());
  if (!held) {
    family.Answer("hotel", Done());
  }
  if (outcome == TxnStatus::kAborted) {
    family.Answer("hotel", Done());
    family.Answer("flight", Done());
  }
  CHECK(family.StatusOf("h~kid") == outcome);
}

TEST_CASE("a held child that an operator ended is an incident where it should be undone") {
  Family family;
  family.SubmitAndHold();
  const engine::ResolveRequested resolve{TxnStatus::kCommitted, {"ann", "by hand"}};
  // Its parent would commit upon what it was told.
  CHECK(family.Deliver("h~kid", resolve).reason() == "transaction.held");
  family.Answer("pay", No());
  CHECK(family.Asked() == Strings{"compensate hotel"});
  CHECK(family.Deliver("h~kid", resolve).ok());
  family.caller.waiting.clear();
  REQUIRE(family.Look("h").has_incident());
  CHECK(family.Look("h").steps[0].branches[0].failure->code == "child.mixed");
  CHECK(family.caller.waiting.empty());
}

TEST_CASE("a held child whose parent is not in the journal waits for an operator") {
  Family family;
  family.SubmitAndHold();
  family.shards->Deliver(Gid("h"), engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}},
                         std::nullopt, [](const Result<TxnView>& /*view*/) {});
  family.WriteOnly();  // The child was not told.
  const auto purged = family.journal->Purge(family.host->Now() + std::chrono::hours(1), 10);
  REQUIRE(purged.ok());
  REQUIRE(*purged == 1);
  family.Restart();
  family.Run(std::chrono::seconds(2));
  REQUIRE_FALSE(family.IsKnown("h"));
  CHECK(family.caller.waiting.empty());
  const auto quarantine = [&] { return family.View("h~kid").quarantine; };
  CHECK_THAT(quarantine(), Catch::StartsWith("the parent by which it is held is not in the jo"));
  if (GENERATE(true, false)) {
    // It is looked for once more, which is held back before the answer.
    CHECK(family.Deliver("h~kid", engine::ResumeRequested{{"ann", ""}}).reason() ==
          "transaction.held_back");
    family.Run(std::chrono::seconds(2));
    CHECK_FALSE(quarantine().empty());
  }
  CHECK(family.Deliver("h~kid", engine::ResolveRequested{TxnStatus::kAborted, {"ann", ""}}).ok());
  CHECK(family.StatusOf("h~kid") == TxnStatus::kMixed);
}

TEST_CASE("a parent that was held back while its end was written tells its children of it") {
  Family family;
  family.Submit("holder", "h");
  family.Answer("flight", Done());
  family.caller.fails_at = Gid("h");
  family.caller.fails = [&family] {
    family.caller.fails_at = Gid();
    throw std::runtime_error("once");
  };
  family.caller.Answer("hotel", Done());
  const auto run = [&family] {
    Duration none(0);
    while (family.host->RunOne(none)) {
    }
  };
  run();
  REQUIRE(family.journal->Deliver());  // The child is held.
  run();                               // The parent wants to pay, which is being written.
  family.shards->Deliver(Gid("h"), engine::ResolveRequested{TxnStatus::kCommitted, {"ann", ""}},
                         std::nullopt, [](const Result<TxnView>& /*view*/) {});
  family.Run(std::chrono::seconds(10));
  REQUIRE(family.caller.fails_at.empty());
  CHECK(family.StatusOf("h") == TxnStatus::kMixed);
  CHECK(family.StatusOf("h~kid") == TxnStatus::kCommitted);
}

TEST_CASE("all elements that one parent holds end as it did, also after a crash") {
  Family family;
  family.Define(R"({"name": "quick", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "one", "participant": "p", "action": {"post": "/1"},
               "compensate": {"delete": "/1"}}]})");
  family.Define(R"({"name": "each", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "kid", "forEach": "${[1, 2, 3]}",
               "action": {"transaction": {"definition": "quick", "input": {}}},
               "compensate": "child"},
              {"id": "pay", "participant": "p", "action": {"post": "/pay"}, "compensate": null}]})");
  family.Submit("each", "h");
  for (const auto& one : std::exchange(family.caller.waiting, {})) {
    one.done(Done());
  }
  family.Run();
  family.caller.Answer("pay", Done());
  family.WriteAndCrash();
  for (const std::string gid : {"h", "h~kid.0", "h~kid.1", "h~kid.2"}) {
    CHECK(family.StatusOf(gid) == TxnStatus::kCommitted);
  }
}

TEST_CASE("a child of a way that its parent went on from is undone though that commits") {
  Family family;
  family.SubmitAndHold();
  family.Answer("pay", Done());
  const engine::TxnState parent = family.Look("h");
  const auto fate = [&parent](const char* child) {
    return engine::FateOfHeld(engine::Mode::kSaga, parent, Gid(child), BranchId("kid"));
  };
  CHECK(std::holds_alternative<engine::LetGo>(fate("h~kid")));
  CHECK(std::holds_alternative<engine::AbortRequested>(fate("h~kid.alt1")));
}

TEST_CASE("a child of a held child is held until the outermost has ended") {
  Family family;
  family.Submit("outer", "o");
  family.Answer("flight", Done());
  family.Answer("hotel", Done());
  family.Answer("pay", Done());
  CHECK(family.Asked() == Strings{"action tip"});
  CHECK(family.Look("o~sub").awaits_parent());
  CHECK(family.Look("o~sub~kid").awaits_parent());
  if (GENERATE(true, false)) {
    family.Restart();
    family.Run(std::chrono::seconds(1));
  }
  if (GENERATE(true, false)) {
    family.Answer("tip", Done());
    for (const std::string gid : {"o", "o~sub", "o~sub~kid"}) {
      CHECK(family.StatusOf(gid) == TxnStatus::kCommitted);
    }
    return;
  }
  family.Answer("tip", No());
  CHECK(family.Asked() == Strings{"compensate hotel"});
  family.Answer("hotel", Done());
  family.Answer("flight", Done());
  for (const std::string gid : {"o", "o~sub", "o~sub~kid"}) {
    CHECK(family.StatusOf(gid) == TxnStatus::kAborted);
  }
}

TEST_CASE("a definition that got a pivot since is not begun where it has to be undone") {
  Family family;
  family.host->HoldOffloads();
  auto plan = family.definitions->Get("holder", std::nullopt);
  engine::Submitted submitted;
  submitted.gid = Gid("h");
  family.shards->Submit({*plan, true, std::move(submitted), std::nullopt},
                        [](const Result<SubmitReply>& reply) { CHECK(reply.ok()); });
  family.Run();
  family.Define(R"({"name": "trip", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "flight", "participant": "p", "pivot": true, "action": {"post": "/f"}}]})");
  family.host->ReleaseOffloads();
  family.Run();
  CHECK_FALSE(family.IsKnown("h~kid"));
  const engine::TxnState end = family.Look("h");
  REQUIRE(end.status == TxnStatus::kAborted);
  CHECK(end.abort->failure.code == "definition.child_not_undoable");
  CHECK_THAT(end.abort->failure.message, Catch::Contains("'flight' is a pivot"));
}

}  // namespace entente::runtime::held_children
