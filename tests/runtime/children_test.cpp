// Definitions that run others, and signals, through the coordinator and over a restart.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/compiler.h"
#include "runtime/definitions/children.h"
#include "runtime/node/local_coordinator.h"
#include "storage/memory/memory_journal.h"
#include "tests/runtime/ask.h"

namespace entente::runtime::children {
namespace {

// A participant that refuses /no, and never answers anything else, so that what waits for it stays
// open.
class Silent final : public ParticipantCaller {
 public:
  explicit Silent(Worker& worker) : worker_(worker) {}
  void Call(const CallContext& /*context*/, engine::CallBranch call, ReplyCallback done) override {
    if (std::get<engine::RenderedHttp>(call.request).target == "/no") {
      worker_.Post([done = std::move(done)] {
        done(engine::ReplyRefused{{"http.409", "sold out"}});
      });
    }
  }
  void Poll(const CallContext& /*context*/, engine::PollBranch /*poll*/,
            ReplyCallback /*done*/) override {}

 private:
  Worker& worker_;
};

class Process {
 public:
  explicit Process(
      const std::shared_ptr<storage::MemoryStore>& store = std::make_shared<storage::MemoryStore>())
      : journal_(store) {
    auto started = LocalCoordinator::Start(
        {}, journal_,
        [](Worker& worker, const CompletionTokens&) { return std::make_unique<Silent>(worker); },
        [] { return std::vector<ParticipantStats>(); });
    REQUIRE(started.ok());
    coordinator_ = std::move(started).value();
  }
  ~Process() { coordinator_->Stop(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // What was warned of.
  std::vector<dsl::Problem> Put(const std::string& name, const std::string& steps) {
    std::vector<dsl::Problem> warnings;
    const auto row = Ask<storage::DefinitionRow>([&](const Callback<storage::DefinitionRow>& done) {
      coordinator_->PutDefinition(name, Source(name, steps),
                                  [&warnings, done](Result<storage::DefinitionRow> stored,
                                                    std::vector<dsl::Problem> problems) {
                                    warnings = std::move(problems);
                                    done(std::move(stored));
                                  });
    });
    INFO(row.status());
    REQUIRE(row.ok());
    return warnings;
  }

  Status Submit(const std::string& definition, const std::string& gid) {
    SubmitRequest request;
    request.definition = definition;
    request.gid = Gid(gid);
    return Send(std::move(request));
  }
  Status SubmitInline(const std::string& name, const std::string& steps) {
    SubmitRequest request;
    request.inline_definition = Source(name, steps);
    return Send(std::move(request));
  }

  Status Signal(const std::string& gid, SignalRequest signal) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
             coordinator_->Signal(Gid(gid), std::move(signal), std::move(done));
           })
        .status();
  }
  // When it has ended.
  std::shared_ptr<const engine::TxnState> EndOf(const std::string& gid) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
             coordinator_->Get(Gid(gid), std::chrono::seconds(60), std::move(done));
           })
        ->state;
  }
  engine::TxnStatus StatusOf(const std::string& gid) {
    return Ask<TxnView>([&](Callback<TxnView> done) {
             coordinator_->Get(Gid(gid), std::nullopt, std::move(done));
           })
        ->state->status;
  }

 private:
  static std::string Source(const std::string& name, const std::string& steps) {
    return R"({"name": ")" + name +
           R"(", "participants": {"p": {"http": "http://p"}}, "steps": [)" + steps + "]}";
  }
  Status Send(SubmitRequest request) {
    return Ask<SubmitReply>([&](Callback<SubmitReply> done) {
             coordinator_->Submit(std::move(request), std::move(done));
           })
        .status();
  }

  std::unique_ptr<LocalCoordinator> coordinator_;
  // Ends first: it still tells the coordinator of what was handed in.
  storage::MemoryJournal journal_;
};

std::string Runs(const std::string& child, const std::string& more = "") {
  std::string id = "run_" + child;
  std::replace(id.begin(), id.end(), '-', '_');  // Expressions name steps.
  return R"({"id": ")" + id +
         R"(", "compensate": null, "action": {"transaction": {"definition": ")" + child + "\"" +
         more + "}}}";
}

const char* const kCall =
    R"({"id": "a", "participant": "p", "compensate": null, "action": {"post": "/a"}})";

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a child that is not registered is warned of, and refused when submitted") {
  Process process;
  const auto warnings = process.Put("order", std::string(kCall) + "," + Runs("shipp-order"));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].warning);
  CHECK(warnings[0].code == "definition.child_not_found");
  CHECK(warnings[0].pointer == "/steps/1/action/transaction/definition");

  const Status refused = process.Submit("order", "t1");
  CHECK(refused.code() == StatusCode::kNotFound);
  CHECK(refused.reason() == "definition.child_not_found");
  CHECK_THAT(refused.message(), Catch::Contains("'shipp-order'"));
  CHECK(process.SubmitInline("order-2", Runs("shipp-order")).reason() ==
        "definition.child_not_found");

  CHECK(process.Put("shipp-order", kCall).empty());
  CHECK(process.Submit("order", "t1").ok());
  CHECK(process.SubmitInline("order-2", Runs("shipp-order")).ok());
}

TEST_CASE("wherever a child may be run, it has to be there") {
  const std::string step = GENERATE(
      as<std::string>(),
      R"({"id": "a", "when": "${false}", "compensate": null, "action": {"transaction": {"definition": "none"}}})",
      R"({"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": {"transaction": {"definition": "none"}}})",
      R"({"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": null, "alternatives": [{"transaction": {"definition": "none"}}]})",
      R"({"id": "a", "participant": "p", "action": {"post": "/a"}, "compensate": {"delete": "/a/${steps.a.output.id}", "whenUnknown": {"transaction": {"definition": "none"}}}})",
      R"({"id": "a", "compensate": null, "action": {"transaction": {"definition": "old", "version": 7}}})",
      R"({"id": "a", "compensate": null, "action": {"transaction": {"definition": "${input.kind}", "among": ["old", "none"]}}})",
      R"({"id": "a", "compensate": null, "action": {"transaction": {"definition": "parent-of-none"}}})");
  CAPTURE(step);
  Process process;
  process.Put("old", kCall);
  process.Put("parent-of-none", Runs("none"));
  process.Put("order", step);
  CHECK(process.Submit("order", "t1").reason() == "definition.child_not_found");
}

TEST_CASE("children that would run themselves are refused with one message") {
  Process process;
  const auto warnings = process.Put("loop", std::string(kCall) + "," + Runs("loop"));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].code == "definition.recursive");
  const Status refused = process.Submit("loop", "t1");
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.reason() == "definition.recursive");
  CHECK(Count(refused.message(), "child transaction") == 1);
  CHECK(process.SubmitInline("other", Runs("loop")).reason() == "definition.recursive");

  process.Put("ping", Runs("pong"));
  process.Put("pong", Runs("ping"));
  CHECK(process.Submit("ping", "t2").reason() == "definition.recursive");
  CHECK(process.Submit("pong", "t3").reason() == "definition.recursive");

  // Another version ends it.
  process.Put("pong", kCall);
  CHECK(process.Submit("ping", "t4").ok());
  process.Put("loop", std::string(kCall) + "," + Runs("loop", R"(, "version": 3)"));
  process.Put("loop", kCall);
  CHECK(process.Submit("loop", "t5").ok());
}

TEST_CASE("children nest as deep as the limit, and no deeper") {
  Process process;
  process.Put("level_0", kCall);
  for (size_t level = 1; level <= limits::kMaxChildDepth + 1; ++level) {
    process.Put("level_" + std::to_string(level),
                Runs("level_" + std::to_string(level - 1)) + "," + std::string(kCall));
  }
  const std::string deepest = std::to_string(limits::kMaxChildDepth);
  CHECK(process.Submit("level_" + deepest, "t1").ok());
  CHECK(process.Submit("level_" + std::to_string(limits::kMaxChildDepth + 1), "t2").reason() ==
        "definition.too_deep");
}

TEST_CASE("what its own compensations can not undo is refused before it runs") {
  struct Case {
    std::string child;
    std::string why;
  };
  const std::string undone =
      R"({"id": "a", "participant": "p", "compensate": {"delete": "/a"}, "action": {"post": "/a"}})";
  const std::string pivot =
      R"({"id": "z", "participant": "p", "pivot": true, "action": {"post": "/z"}})";
  const std::string held = R"({"id": "kid", "compensate": "child",
                               "action": {"transaction": {"definition": "kid"}}})";
  const auto [child, why] =
      GENERATE_COPY(Case{undone + "," + pivot, "'z' is a pivot"}, Case{kCall, "none of its steps"},
                    Case{Runs("kid-2"), "none of its steps"});
  CAPTURE(child);
  Process process;
  process.Put("kid-2", undone);
  process.Put("kid", child);
  const auto warnings = process.Put("order", held);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].code == "definition.child_not_undoable");
  const Status refused = process.Submit("order", "t1");
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.reason() == "definition.child_not_undoable");
  CHECK_THAT(refused.message(), Catch::Contains("step 'kid' of definition 'order'") &&
                                    Catch::Contains("'kid' can not be undone") &&
                                    Catch::Contains(why));
  // Each that may be chosen, and those of children.
  process.Put("choosing", R"({"id": "kid", "compensate": "child", "action": {"transaction":
      {"definition": "${input.kind}", "among": ["kid-2", "kid"]}}})");
  CHECK(process.Submit("choosing", "t2").reason() == "definition.child_not_undoable");
  process.Put("outer", Runs("order"));
  CHECK(process.Submit("outer", "t3").reason() == "definition.child_not_undoable");
  CHECK(process.SubmitInline("inline", held).reason() == "definition.child_not_undoable");

  process.Put("kid", undone + "," + Runs("kid-2"));
  CHECK(process.Submit("order", "t4").ok());
}

TEST_CASE("a child of another mode is final, so that nothing of its own undoes it") {
  const std::string tcc =
      R"({"name": "hold", "mode": "tcc", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "try": {"post": "/a"}, "confirm": {"put": "/a"},
               "cancel": {"delete": "/a"}}]})";
  const auto compiled = dsl::Compile(tcc, {});
  const Status refused = CheckUndoable(*std::get<std::shared_ptr<const dsl::Plan>>(compiled));
  CHECK(refused.reason() == "definition.child_not_undoable");
  CHECK_THAT(refused.message(), Catch::Contains("it is a tcc"));
}

TEST_CASE("why a child's child was aborted is told once, however deep it is") {
  Process process;
  process.Put("level_0", R"({"id": "a", "participant": "p", "compensate": null,
                             "action": {"post": "/no"}})");
  process.Put("level_1", Runs("level_0"));
  process.Put("level_2", Runs("level_1"));
  process.Put("level_3", Runs("level_2"));
  REQUIRE(process.Submit("level_3", "t1").ok());
  const auto end = process.EndOf("t1");
  REQUIRE(end->status == engine::TxnStatus::kAborted);
  CHECK(end->abort->failure.code == "child.aborted");
  const std::string& message = end->abort->failure.message;
  CHECK(Count(message, "child transaction") == 1);
  CHECK_THAT(message, Catch::Contains("'t1~run_level_2~run_level_1~run_level_0'") &&
                          Catch::Contains("sold out"));
}

TEST_CASE("a signal with an id counts once, also after a restart and after the end") {
  const auto store = std::make_shared<storage::MemoryStore>();
  const SignalRequest first{"approve", Json{{"by", "ann"}}, "a1"};
  const SignalRequest second{"approve", Json{{"by", "ann"}}, "a2"};
  {
    Process process(store);
    process.Put("d", R"({"id": "w1", "wait": {"signal": "approve"}},
                        {"id": "w2", "wait": {"signal": "approve"}})");
    REQUIRE(process.Submit("d", "t1").ok());
    CHECK(process.Signal("t1", first).ok());
    CHECK(process.Signal("t1", first).ok());
    CHECK(process.StatusOf("t1") == engine::TxnStatus::kActive);
  }
  {
    Process process(store);
    CHECK(process.Signal("t1", first).ok());
    CHECK(process.StatusOf("t1") == engine::TxnStatus::kActive);
    CHECK(process.Signal("t1", {"approve", Json{{"by", "bob"}}, "a1"}).reason() ==
          "signal.content_differs");
    CHECK(process.Signal("t1", second).ok());
    CHECK(process.StatusOf("t1") == engine::TxnStatus::kCommitted);
    CHECK(process.Signal("t1", second).ok());
  }
  Process process(store);
  CHECK(process.Signal("t1", first).ok());
  CHECK(process.Signal("t1", second).ok());
  CHECK(process.Signal("t1", {"approve", Json{{"by", "ann"}}, "a3"}).reason() ==
        "transaction.finished");
  CHECK(process.Signal("t1", {"approve", Json{{"by", "ann"}}, ""}).reason() ==
        "transaction.finished");
}

}  // namespace entente::runtime::children
