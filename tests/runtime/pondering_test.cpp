// Decisions that take long, worked out elsewhere: who goes on, who waits, and what becomes of those
// who wait.
#include <catch2/catch.hpp>

#include "base/ids.h"
#include "tests/runtime/test_node.h"

namespace entente::runtime {
namespace {

using engine::TxnStatus;

// Both calls are rendered from expressions.
constexpr const char* kDear = R"({"name": "dear", "mode": "saga",
  "participants": {"p": {"http": "http://p"}},
  "steps": [{"id": "a", "participant": "p", "action": {"post": "/a", "body": "${gid + gid}"},
             "compensate": {"delete": "/a"}},
            {"id": "b", "participant": "p",
             "action": {"post": "/b", "body": "${string(steps.a.output.n) + gid}"},
             "compensate": {"delete": "/b"}}]})";

const Gid kDearOne("d1");

// A gid of the same shard.
std::string Neighbour() {
  for (int i = 0;; ++i) {
    const std::string gid = "n" + std::to_string(i);
    if (ShardOf(Gid(gid)) == ShardOf(kDearOne)) {
      return gid;
    }
  }
}

// A node that ponders whatever reads anything.
struct Pondering {
  Pondering() {
    node.SetMostAtOnce(0);
    node.Restart();
    node.Define(kTrip);
    node.Define(kDear);
  }

  // Nobody waits for the answer, which may come later.
  void Submit(const std::string& definition, const Gid& gid, JsonText input = {}) {
    auto plan = node.definitions->Get(definition, std::nullopt);
    REQUIRE(plan.ok());
    engine::Submitted submitted;
    submitted.gid = gid;
    submitted.input = std::move(input);
    node.shards->Submit({*plan, true, std::move(submitted), std::nullopt},
                        [this](const Result<SubmitReply>& reply) { answers.push_back(reply); });
    node.Run();
  }
  // The same of an input.
  void Deliver(engine::Event event, std::optional<Sequence> expected = std::nullopt) {
    node.shards->Deliver(kDearOne, std::move(event), expected,
                         [this](const Result<TxnView>& view) { views.push_back(view); });
    node.Run();
  }
  // Submits it, and has the call of `b` pondered.
  void ComeToB() {
    Submit("dear", kDearOne);
    REQUIRE(answers.size() == 1);
    node.host->HoldComputes();
    node.caller.Answer("a", engine::ReplyDone{Json{{"n", 1}}});
    node.Run();
    REQUIRE(node.host->computing() == 1);
  }
  void Release() {
    node.host->ReleaseComputes();
    node.Run();
  }
  uint64_t held_back() { return node.shards->counters().held_back; }

  TestNode node;
  std::vector<Result<SubmitReply>> answers;
  std::vector<Result<TxnView>> views;
};

TEST_CASE("while a decision of one transaction is pondered, others of its shard go on") {
  Pondering one;
  one.node.host->HoldComputes();
  one.Submit("dear", kDearOne);
  CHECK(one.answers.empty());
  const std::string other = Neighbour();
  one.node.Submit("trip", other);
  one.node.caller.Answer("flight", engine::ReplyDone{});
  one.node.Run();
  one.node.caller.Answer("hotel", engine::ReplyDone{});
  one.node.Run();
  CHECK(one.node.Look(other).status == TxnStatus::kCommitted);
  CHECK(one.answers.empty());

  one.Release();
  REQUIRE(one.answers.size() == 1);
  CHECK(one.answers[0].ok());
  one.node.caller.Answer("a", engine::ReplyDone{Json{{"n", 1}}});
  one.node.Run();
  one.node.caller.Answer("b", engine::ReplyDone{});
  one.node.Run();
  CHECK(one.node.Look("d1").status == TxnStatus::kCommitted);
}

TEST_CASE("what takes some milliseconds is decided at once, what takes longer is pondered") {
  TestNode node;
  node.Define(R"({"name": "compare", "mode": "saga", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "compensate": null,
               "action": {"post": "/a", "body": "${string(input.x == input.y)}"}}]})");
  const auto submit = [&node](const std::string& gid, size_t bytes) {
    const std::string text(bytes, 'x');
    engine::Submitted submitted;
    submitted.gid = Gid(gid);
    submitted.input = Json{{"x", text}, {"y", text}};
    std::optional<Status> answer;
    node.shards->Submit(
        {*node.definitions->Get("compare", std::nullopt), true, std::move(submitted), std::nullopt},
        [&answer](const Result<SubmitReply>& reply) { answer = reply.status(); });
    node.Run();
    REQUIRE(answer.has_value());
    CHECK(answer->ok());
  };
  submit("small", 10'000);
  CHECK(node.shards->counters().pondered == 0);
  submit("large", 400'000);
  CHECK(node.shards->counters().pondered == 1);
  REQUIRE(node.caller.waiting.size() == 2);
}

TEST_CASE("what comes in for a transaction waits for what is pondered about it, in its order") {
  Pondering one;
  one.ComeToB();
  const Sequence before = one.node.Look("d1").revision;
  one.Deliver(engine::PauseRequested{{"ann", ""}});
  one.Deliver(engine::ResumeRequested{{"bob", ""}});
  one.Deliver(engine::AbortRequested{{"eve", ""}});
  one.Deliver(engine::PauseRequested{{"dan", ""}}, before);  // Of a state that is gone by then.
  CHECK(one.views.empty());
  CHECK(one.node.Look("d1").revision == before);

  one.Release();
  REQUIRE(one.views.size() == 4);
  // Refused at once, while the others are told once they are durable; yet it came behind them.
  CHECK(one.views[0].status().reason() == "transaction.revision_mismatch");
  for (size_t i = 1; i < 4; ++i) {
    INFO(one.views[i].status());
    CHECK(one.views[i].ok());
  }
  CHECK(one.held_back() == 0);
  const engine::TxnState state = one.node.Look("d1");
  CHECK(state.status == TxnStatus::kAborting);
  CHECK_FALSE(state.paused);
  // The call was decided before the cancel, which waits for what it comes to.
  REQUIRE(one.node.caller.waiting.size() == 1);
  CHECK(one.node.caller.waiting[0].call.command.branch == BranchId("b"));
}

TEST_CASE("who asks again from within an answer does not overtake those who wait") {
  Pondering one;
  one.ComeToB();
  std::vector<std::string> order;
  const auto pause = [&](const char* who, const std::function<void()>& then) {
    one.node.shards->Deliver(kDearOne, engine::PauseRequested{{who, ""}}, Sequence(1),
                             [&order, who, then](const Result<TxnView>&) {
                               order.emplace_back(who);
                               then();
                             });
  };
  // Refused at once when its turn comes, for their revision is not that.
  pause("first", [&] { pause("third", [] {}); });
  pause("second", [] {});
  one.Release();
  CHECK(order == std::vector<std::string>{"first", "second", "third"});
}

TEST_CASE("a transaction that is forgotten while it is pondered goes on from the journal") {
  Pondering one;
  one.Submit("dear", kDearOne);
  one.node.host->HoldComputes();
  one.Deliver(engine::PauseRequested{{"ann", ""}});
  one.Deliver(engine::ResumeRequested{{"ann", ""}});
  one.views.clear();
  // Its latest records are not written yet when the answer comes, and fail then.
  one.node.shards->Deliver(kDearOne, engine::PauseRequested{{"ann", ""}}, std::nullopt,
                           [](const Result<TxnView>&) {});
  one.node.shards->Deliver(kDearOne, engine::ResumeRequested{{"ann", ""}}, std::nullopt,
                           [](const Result<TxnView>&) {});
  one.node.journal->Fail(storage::MemoryFault::kUnavailable);
  one.node.caller.Answer("a", engine::ReplyDone{Json{{"n", 1}}});
  one.Deliver(engine::AbortRequested{{"eve", ""}});
  REQUIRE(one.views.size() == 1);
  CHECK(one.views[0].status().code() == StatusCode::kUnavailable);
  one.Release();
  one.node.Run(std::chrono::seconds(5));
  CHECK(one.held_back() == 0);
  // The answer was lost with all else, so that it is asked for again.
  one.node.caller.Answer("a", engine::ReplyDone{Json{{"n", 2}}});
  one.node.Run();
  one.node.caller.Answer("b", engine::ReplyDone{});
  one.node.Run();
  CHECK(one.node.Look("d1").status == TxnStatus::kCommitted);
}

TEST_CASE("who waits for what is pondered by a lost shard is told so") {
  Pondering one;
  one.ComeToB();
  one.Deliver(engine::AbortRequested{{"eve", ""}});
  one.Submit("dear", Gid(Neighbour()));
  one.node.KeepLeases(false);
  one.node.shards->Drop(*one.node.leases.at(ShardOf(kDearOne).value()));
  REQUIRE(one.views.size() == 1);
  CHECK(one.views[0].status().reason() == "shard.lost");
  one.Release();
  REQUIRE(one.answers.size() == 2);
  CHECK(one.answers[1].status().reason() == "shard.lost");
  CHECK(one.node.caller.waiting.empty());
}

TEST_CASE("a shard is drained when what is pondered is recorded") {
  Pondering one;
  one.ComeToB();
  bool drained = false;
  one.node.shards->Drain([&drained] { drained = true; });
  one.node.Run(std::chrono::seconds(1));
  CHECK_FALSE(drained);
  one.Release();
  one.node.Run(std::chrono::seconds(1));
  CHECK(drained);
  one.node.Restart();
  // What `a` answered was not asked for again.
  one.node.caller.Answer("b", engine::ReplyDone{});
  one.node.Run();
  CHECK(one.node.Look("d1").status == TxnStatus::kCommitted);
}

TEST_CASE("who submits the same while it is pondered gets the same transaction") {
  Pondering one;
  one.node.host->HoldComputes();
  one.Submit("dear", kDearOne);
  one.Submit("dear", kDearOne);
  CHECK(one.answers.empty());
  one.Release();
  REQUIRE(one.answers.size() == 2);
  REQUIRE(one.answers[0].ok());
  REQUIRE(one.answers[1].ok());
  CHECK(one.answers[0]->created);
  CHECK_FALSE(one.answers[1]->created);
  CHECK(one.node.caller.waiting.size() == 1);
}

TEST_CASE("an input that takes long to check is checked elsewhere, and refused as any other") {
  Pondering one;
  one.node.Define(R"({"name": "checked", "mode": "saga", "input": {"required": ["who"]},
    "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": null}]})");
  one.node.host->HoldComputes();
  one.Submit("checked", Gid("bad"), Json::object());
  one.Submit("checked", Gid("good"), Json{{"who", "ann"}});
  CHECK(one.node.host->computing() == 2);
  one.Release();
  REQUIRE(one.answers.size() == 2);
  CHECK(one.answers[0].status().reason() == "input.invalid");
  CHECK(one.answers[1].ok());
}

TEST_CASE("a child whose beginning is pondered is begun once, and answers its parent") {
  Pondering one;
  one.node.Define(R"({"name": "top", "mode": "saga",
    "steps": [{"id": "kid", "action": {"transaction": {"definition": "dear", "input": {}}},
               "compensate": {"transaction": {"definition": "dear", "input": {}}}}]})");
  one.node.host->HoldComputes();
  one.Submit("top", kDearOne);
  REQUIRE(one.node.host->computing() == 1);
  SECTION("it runs to its end") {
    one.Release();
    one.node.caller.Answer("a", engine::ReplyDone{Json{{"n", 1}}});
    one.node.Run();
    one.node.caller.Answer("b", engine::ReplyDone{});
    one.node.Run();
    CHECK(one.node.Look("d1").status == TxnStatus::kCommitted);
  }
  SECTION("its parent is cancelled before it has begun") {
    one.Deliver(engine::AbortRequested{{"eve", ""}});
    one.Release();
    one.node.Run(std::chrono::seconds(1));
    // It may have called by then; whatever that comes to, it ends with its parent.
    for (int i = 0; i < 3 && !one.node.caller.waiting.empty(); ++i) {
      const std::string branch = one.node.caller.waiting[0].call.command.branch.str();
      one.node.caller.Answer(branch, engine::ReplyDone{Json{{"n", 1}}});
      one.node.Run();
    }
    CHECK(one.node.Look("d1").status == TxnStatus::kAborted);
    CHECK(one.node.Look("d1~kid").status == TxnStatus::kAborted);
  }
  CHECK(one.held_back() == 0);
}

TEST_CASE("what recovery has to work out is pondered as well") {
  Pondering one;
  one.Submit("dear", kDearOne);
  one.node.Restart();
  CHECK(one.node.shards->counters().pondered >= 1);
  one.node.caller.Answer("a", engine::ReplyDone{Json{{"n", 1}}});
  one.node.Run();
  one.node.caller.Answer("b", engine::ReplyDone{});
  one.node.Run();
  CHECK(one.node.Look("d1").status == TxnStatus::kCommitted);
}

}  // namespace
}  // namespace entente::runtime
