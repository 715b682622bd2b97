#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "coordinator/api/rest/metrics_text.h"
#include "tests/api/fixtures.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

using Verb = runtime::OperatorRequest::Verb;

TEST_CASE("a transaction shows its branches and why they do not move") {
  RestServer server;
  server.coordinator.AnswerWithView(StuckStory().View());
  const Json transaction = server.Get("/v1/transactions/stuck-1").Document();
  CHECK(transaction["status"] == "ABORTING");
  CHECK(transaction["incident"] == true);
  CHECK(transaction["abort"]["cause"] == "cancelled");
  CHECK(transaction["abort"]["actor"]["name"] == "ann");

  // What it waited for when the abort began is waited for no more.
  std::map<std::string, std::string> blocked_by;
  for (const Json& branch : transaction["branches"]) {
    blocked_by[branch["id"]] = branch.value("blockedBy", "");
  }
  CHECK(blocked_by == std::map<std::string, std::string>{{"flight", "operator"},
                                                         {"rooms:0", "participant"},
                                                         {"rooms:1", "timer"},
                                                         {"rooms:2", "concurrency"},
                                                         {"approval", ""},
                                                         {"pause", ""},
                                                         {"insurance", "child"},
                                                         {"pay", ""}});
  const Json& flight = transaction["branches"][0];
  CHECK(flight["operation"] == "compensate");
  CHECK(flight["participant"] == "flights");
  CHECK(flight["maxAttempts"] == 40);
  CHECK(flight["key"] == "stuck-1:flight");
  CHECK(flight.contains("stuckSince"));
  CHECK(transaction["branches"][4]["signal"] == "approved");
  CHECK(transaction["branches"][4]["id"] == "approval");
  CHECK(transaction["branches"][6]["child"] == "stuck-1~insurance");
}

TEST_CASE("to tell dead letters again takes a webhook, and names of them or none") {
  RestServer server;
  CHECK(server.Get("/v1/dead-letters").Document() == Json{{"deadLetters", Json::array()}});
  const auto refused = server.Post("/v1/dead-letters:send", "{}");
  CHECK(refused.status == 409);
  CHECK(refused.Document()["code"] == "webhooks.none");
  CHECK(server.Post("/v1/dead-letters:send", R"({"ids":"a"})").status == 400);
  CHECK(server.Post("/v1/dead-letters:send", R"({"ids":[1]})").status == 400);
}

TEST_CASE("a retry by an operator allows further attempts, and attempts are counted on") {
  RestServer server;
  const engine::OperatorRetried retried{BranchId("flight"), engine::Actor{"ann", "mended"}};
  server.coordinator.AnswerWithView(StuckStory().Then(retried).View());
  const Json flight = server.Get("/v1/transactions/stuck-1").Document()["branches"][0];
  CHECK(flight["attempt"] == 2);
  CHECK(flight["maxAttempts"] == 41);
}

TEST_CASE("what has ended waits for nothing") {
  RestServer server;
  server.coordinator.AnswerWithView(ResolvedStory().View());
  const Json ended = server.Get("/v1/transactions/stuck-1").Document();
  REQUIRE(ended["branches"].size() == 8);
  for (const Json& branch : ended["branches"]) {
    CAPTURE(branch);
    CHECK_FALSE(branch.contains("waitsUntil"));
    CHECK_FALSE(branch.contains("nextAttemptAt"));
    CHECK_FALSE(branch.contains("blockedBy"));
  }
}

TEST_CASE("a wait that an abort ended waits no more") {
  const auto waiting = [] {
    return Story()
        .Then(engine::StepExpanded{0, "flight", false, {}})
        .Then(engine::WaitStarted{BranchId("flight"), At(300), "go"});
  };
  const engine::AbortDecided abort{engine::AbortCause::kCancelled, {}, {}, {}};
  const auto shown = [](const Story& story) {
    RestServer server;
    server.coordinator.AnswerWithView(story.View());
    return server.Get("/v1/transactions/t").Document()["branches"][0];
  };
  const Json before = shown(waiting());
  CHECK(before["phase"] == "waiting");
  CHECK(before["blockedBy"] == "signal");
  CHECK(before.contains("waitsUntil"));
  const Json after = shown(waiting().Then(abort));
  CHECK(after["phase"] == "refused");
  CHECK_FALSE(after.contains("blockedBy"));
  CHECK_FALSE(after.contains("waitsUntil"));
}

TEST_CASE("an operation that its participant will complete is not asked for") {
  RestServer server;
  server.coordinator.AnswerWithView(
      Story()
          .Then(engine::StepExpanded{0, "flight", false, {}})
          .Then(engine::OperationStarted{BranchId("flight"), engine::Role::kForward, 0, At(300)})
          .Then(engine::OperationPending{BranchId("flight"), "", At(90), At(90)})
          .View());
  const Json flight = server.Get("/v1/transactions/trip-1").Document()["branches"][0];
  CHECK(flight["blockedBy"] == "participant");
  CHECK_FALSE(flight.contains("nextAttemptAt"));
  CHECK(flight["deadline"] == FormatInstant(At(90)));
}

TEST_CASE("a branch names the child transaction of the alternative that it took") {
  auto plan = std::make_shared<dsl::Plan>(*TripPlan());
  auto& work = std::get<dsl::CallWork>(plan->steps[4].work);
  work.alternatives.push_back({work.forward, std::nullopt, std::nullopt});
  const BranchId insurance("insurance");
  RestServer server;
  server.coordinator.AnswerWithView(
      Story("t", plan)
          .Then(engine::StepExpanded{4, "insurance", false, {}})
          .Then(engine::OperationStarted{insurance, engine::Role::kForward, 0, std::nullopt})
          .Then(engine::OperationRefused{insurance, engine::Failure{"child.aborted", "no"}})
          .Then(engine::OperationStarted{insurance, engine::Role::kForward, 1, std::nullopt})
          .Then(engine::OperationSucceeded{insurance, {}})
          .View());
  const Json transaction = server.Get("/v1/transactions/t").Document();
  std::string child;
  for (const Json& branch : transaction["branches"]) {
    child += branch.value("child", "");
  }
  CHECK(child == "t~insurance.alt1");
}

TEST_CASE("a branch names the child transaction that was run last, not the one to come") {
  using engine::AttemptOutcome;
  using engine::Role;
  const BranchId insurance("insurance");
  const auto child_after = [&insurance](const std::vector<engine::RecordBody>& records) {
    Story story("t");
    story.Then(engine::StepExpanded{4, "insurance", false, {}});
    for (const engine::RecordBody& record : records) {
      story.Then(record);
    }
    RestServer server;
    server.coordinator.AnswerWithView(story.View());
    const Json transaction = server.Get("/v1/transactions/t").Document();
    std::string child;
    for (const Json& branch : transaction["branches"]) {
      child += branch.value("child", "");
    }
    return child;
  };
  const engine::Failure failure{"child.aborted", "no"};
  std::vector<engine::RecordBody> records = {
      engine::OperationStarted{insurance, Role::kForward, 0, std::nullopt},
      engine::AttemptFailed{insurance, AttemptOutcome::kRefused, failure, At(9)}};
  CHECK(child_after(records) == "t~insurance");
  records.emplace_back(engine::IncidentRaised{insurance, failure});
  CHECK(child_after(records) == "t~insurance");
  records.emplace_back(engine::OperatorRetried{insurance, {"ann", ""}});
  CHECK(child_after(records) == "t~insurance.run2");
  records.emplace_back(engine::OperationSucceeded{insurance, {}});
  CHECK(child_after(records) == "t~insurance.run2");
}

TEST_CASE("a get may wait, and says whether the end was reached") {
  RestServer server;
  server.coordinator.AnswerWithView(Story().View());
  CHECK(server.Get("/v1/transactions/t?wait=250ms").status == 202);
  CHECK(server.coordinator.last_wait() == std::chrono::milliseconds(250));
  CHECK(server.Get("/v1/transactions/t").status == 200);
  CHECK_FALSE(server.coordinator.last_wait());
  server.coordinator.AnswerWithView(AbortedStory().View());
  CHECK(server.Get("/v1/transactions/t?wait=250ms").status == 200);
  CHECK(server.Get("/v1/transactions/t?wait=6m").status == 400);
}

TEST_CASE("filters and pages reach the store") {
  RestServer server;
  const Answer answer = server.Get(
      "/v1/"
      "transactions?status=ABORTING&mode=saga&definition=trip&label=team%3Dred+one&incident=true"
      "&since=2026-11-21T00:00:00Z&until=2026-11-22T00:00:00Z&q=trip-&parent=p1&limit=1000"
      "&cursor=abc");
  REQUIRE(answer.status == 200);
  const auto filter = server.coordinator.last_filter();
  REQUIRE(filter);
  CHECK(filter->status == "ABORTING");
  CHECK(filter->mode == "saga");
  CHECK(filter->definition == "trip");
  CHECK(filter->label == std::pair<std::string, std::string>("team", "red one"));
  CHECK(filter->incident == true);
  CHECK(FormatInstant(*filter->since) == "2026-11-21T00:00:00Z");
  CHECK(FormatInstant(*filter->until) == "2026-11-22T00:00:00Z");
  CHECK(filter->gid_prefix == "trip-");
  CHECK(filter->parent == Gid("p1"));
  CHECK(server.coordinator.last_page().limit == 1000);
  CHECK(server.coordinator.last_page().cursor == "abc");
  CHECK(answer.Document()["nextCursor"] == "next-page");
  CHECK(answer.Document()["transactions"].size() == 2);

  REQUIRE(server.Get("/v1/transactions").status == 200);
  CHECK(server.coordinator.last_page().limit == limits::kDefaultPageSize);
  CHECK_FALSE(server.coordinator.last_filter()->status);
}

TEST_CASE("incidents are one entry for each stuck branch") {
  RestServer server;
  const Json list = server.Get("/v1/incidents?definition=trip&limit=5").Document();
  CHECK(server.coordinator.last_filter()->incident == true);
  CHECK(server.coordinator.last_filter()->definition == "trip");
  CHECK(server.coordinator.last_page().limit == 5);
  REQUIRE(list["incidents"].size() == 2);
  CHECK(list["incidents"][0]["branch"] == "flight");
  CHECK(list["incidents"][0]["code"] == "http.500");
  CHECK(list["incidents"][1]["gid"] == "stuck-1");
}

TEST_CASE("an operator's action says who, why and at which revision") {
  RestServer server;
  REQUIRE(server
              .Post("/v1/transactions/t1:cancel",
                    R"({"reason":"wrong city","actor":"ann","expectedRevision":7})")
              .status == 200);
  const auto cancel = server.coordinator.last_operate();
  REQUIRE(cancel);
  CHECK(cancel->verb == Verb::kCancel);
  CHECK(cancel->gid == Gid("t1"));
  CHECK(cancel->actor == engine::Actor{"ann", "wrong city"});
  CHECK(cancel->expected_revision == Sequence(7));

  REQUIRE(server.Post("/v1/transactions/t1:retry", R"({"branch":"rooms:1"})").status == 200);
  CHECK(server.coordinator.last_operate()->verb == Verb::kRetry);
  CHECK(server.coordinator.last_operate()->branch == BranchId("rooms:1"));
  CHECK(server.coordinator.last_operate()->actor.name == "anonymous");

  REQUIRE(server.Send("POST", "/v1/transactions/t1:pause").status == 200);
  CHECK(server.coordinator.last_operate()->verb == Verb::kPause);
  REQUIRE(server.Send("POST", "/v1/transactions/t1:resume").status == 200);
  CHECK(server.coordinator.last_operate()->verb == Verb::kResume);
}

TEST_CASE(
    "an action that overrides the machine needs evidence and the revision it was decided on") {
  RestServer server;
  CHECK(server.Post("/v1/transactions/t1:skip", R"({"branch":"b"})")
            .Document()["violations"]
            .size() == 2);
  CHECK(server.Post("/v1/transactions/t1:skip", R"({"reason":"x","expectedRevision":1})").status ==
        400);
  CHECK(server
            .Post("/v1/transactions/t1:resolve",
                  R"({"reason":"x","expectedRevision":1,"outcome":"MIXED"})")
            .status == 400);
  CHECK(server.coordinator.mutations() == 0);

  REQUIRE(
      server
          .Post(
              "/v1/transactions/t1:skip",
              R"({"reason":"paid by hand","expectedRevision":9,"branch":"pay","output":{"id":1}})")
          .status == 200);
  const auto skip = server.coordinator.last_operate();
  CHECK(skip->branch == BranchId("pay"));
  CHECK(skip->output == Json{{"id", 1}});
  REQUIRE(server
              .Post("/v1/transactions/t1:resolve",
                    R"({"reason":"closed","expectedRevision":9,"outcome":"ABORTED"})")
              .status == 200);
  CHECK(server.coordinator.last_operate()->forced_outcome == engine::TxnStatus::kAborted);
}

TEST_CASE("an operator says how a pending operation ended as its participant would have") {
  RestServer server;
  const std::string path = "/v1/transactions/t1:complete";
  CHECK(server.Post(path, "{}").Document()["violations"].size() == 4);
  const std::string head = R"({"reason":"rang them","expectedRevision":9,"branch":"ship",)";
  for (const char* wrong : {R"("outcome":"COMMITTED"})", R"("outcome":"refused","output":1})",
                            R"("outcome":"done","code":"full"})"}) {
    CAPTURE(wrong);
    CHECK(server.Post(path, head + wrong).status == 400);
  }
  CHECK(server.coordinator.mutations() == 0);

  REQUIRE(server.Post(path, head + R"("outcome":"done","output":{"id":1}})").status == 200);
  const auto done = server.coordinator.last_operate();
  CHECK(done->verb == Verb::kComplete);
  CHECK(done->branch == BranchId("ship"));
  CHECK(done->output == Json{{"id", 1}});
  CHECK_FALSE(done->refusal.has_value());
  REQUIRE(server.Post(path, head + R"("outcome":"refused","code":"full","message":"no"})").status ==
          200);
  const auto refused = server.coordinator.last_operate();
  CHECK(refused->refusal == engine::Failure{"full", "no"});
}

TEST_CASE("an edit says what changes, as a definition would") {
  RestServer server;
  const std::string path = "/v1/transactions/t1:edit";
  const auto fields = [&](const std::string& body) {
    std::set<std::string> names;
    const Json document = server.Post(path, body).Document();
    for (const Json& violation : document["violations"]) {
      names.insert(violation["field"]);
    }
    return names;
  };
  CHECK(fields("{}") == std::set<std::string>{"reason", "expectedRevision", "branch", "body"});
  const std::string head = R"({"reason":"r","expectedRevision":9,"branch":"pay",)";
  CHECK(fields(head + R"("retry":{"attempts":0,"initial":"soon","often":1}})") ==
        std::set<std::string>{"retry/attempts", "retry/initial", "retry/often"});
  CHECK(fields(head + R"("retry":7})") == std::set<std::string>{"retry"});
  CHECK(server.coordinator.mutations() == 0);

  REQUIRE(server.Post(path, head + R"("body":{"n":1},"retry":{"attempts":5}})").status == 200);
  const auto edit = server.coordinator.last_operate();
  CHECK(edit->verb == Verb::kEdit);
  CHECK(edit->branch == BranchId("pay"));
  CHECK(edit->edit.body == Json{{"n", 1}});
  CHECK(edit->edit.retry->attempts == 5);
  CHECK(!edit->edit.retry->initial);
  REQUIRE(server.Post(path, head + R"("body":null})").status == 200);
  CHECK(server.coordinator.last_operate()->edit.body == JsonText());
}

TEST_CASE("what a branch sends is shown, and what sends nothing says so") {
  RestServer server;
  server.coordinator.AnswerWithView(StuckStory().View());
  const Json call = server.Get("/v1/transactions/stuck-1/branches/flight/call").Document();
  CHECK(call["participant"] == "flights");
  CHECK(call["operation"] == "compensate");
  CHECK(!call.contains("edited"));
  CHECK(!call.contains("headers"));
  CHECK(server.Get("/v1/transactions/stuck-1/branches/insurance/call").Document()["child"] ==
        "stuck-1~insurance");
  CHECK(server.Get("/v1/transactions/stuck-1/branches/approval/call").Document()["code"] ==
        "branch.not_editable");
  CHECK(server.Get("/v1/transactions/stuck-1/branches/none/call").Document()["code"] ==
        "branch.not_found");
}

TEST_CASE("a list is filtered by what went wrong") {
  RestServer server;
  REQUIRE(server
              .Get("/v1/transactions?error=no+room&code=http.409&participant=p&step=pay&attempts=3&"
                   "paused=true&unchangedSince=2026-01-31T00:00:00Z")
              .status == 200);
  const auto filter = server.coordinator.last_filter();
  CHECK(filter->error == "no room");
  CHECK(filter->code == "http.409");
  CHECK(filter->participant == "p");
  CHECK(filter->step == "pay");
  CHECK(filter->attempts == 3U);
  CHECK(filter->paused == true);
  CHECK(filter->incident == true);  // Which a participant and a code are of.
  CHECK(filter->unchanged_since.has_value());
}

TEST_CASE("a step alone is that of an incident") {
  RestServer server;
  REQUIRE(server.Get("/v1/transactions:count?step=pay").status == 200);
  CHECK(server.coordinator.last_filter()->step == "pay");
  REQUIRE(server.Get("/v1/transactions?step=pay").status == 200);
  CHECK(server.coordinator.last_filter()->incident == true);
}

TEST_CASE("a list stands in the order that is asked for") {
  using storage::ListOrder;
  RestServer server;
  const auto order = [&server](const std::string& query) {
    REQUIRE(server.Get("/v1/transactions" + query).status == 200);
    return server.coordinator.last_page().order;
  };
  CHECK(order("") == ListOrder::kNewest);
  CHECK(order("?sort=newest") == ListOrder::kNewest);
  CHECK(order("?sort=oldest") == ListOrder::kOldest);
  CHECK(order("?sort=changed") == ListOrder::kChanged);
  CHECK(order("?sort=unchanged") == ListOrder::kUnchanged);
  CHECK(order("?sort=attempts") == ListOrder::kAttempts);
  const Json refused = server.Get("/v1/transactions?sort=size").Document();
  CHECK(refused["status"] == 400);
  CHECK(refused["detail"].get<std::string>().find("sort") != std::string::npos);
  CHECK(server.Get("/v1/transactions:count?sort=oldest").status == 400);
}

TEST_CASE("transactions are counted by state, under a filter") {
  RestServer server;
  const Json counts = server.Get("/v1/transactions:count?definition=trip").Document()["counts"];
  REQUIRE(counts.size() == 8);
  CHECK(counts[0]["name"] == "ACTIVE");
  CHECK(counts[7]["name"] == "paused");
  CHECK(server.coordinator.last_filter()->definition == "trip");
  CHECK(server.coordinator.last_filter()->paused == true);
  CHECK(server.Get("/v1/transactions:count?status=ACTIVE").status == 400);
}

TEST_CASE("a signal's id comes as a header or in its body, and not in two ways") {
  RestServer server;
  const std::string path = "/v1/transactions/t1:signal";
  const auto send = [&](const std::string& body, const Fields& headers) {
    return server.Send("POST", path, body, headers).status;
  };
  CHECK(send(R"({"name":"go","id":"a1"})", {}) == 200);
  CHECK(server.coordinator.last_text() == "t1|go|null|a1");
  CHECK(send(R"({"name":"go"})", {{"Entente-Signal-Id", "a2"}}) == 200);
  CHECK(server.coordinator.last_text() == "t1|go|null|a2");
  CHECK(send(R"({"name":"go","id":"a3"})", {{"entente-signal-id", "a3"}}) == 200);
  CHECK(server.coordinator.last_text() == "t1|go|null|a3");
  CHECK(send(R"({"name":"go","id":"a4"})", {{"Entente-Signal-Id", "a5"}}) == 400);
  CHECK(send(R"({"name":"go","id":")" + std::string(129, 'x') + "\"}", {}) == 400);
  CHECK(send(R"({"name":"go"})", {{"Entente-Signal-Id", std::string(129, 'x')}}) == 400);
  // One that its sender failed to fill in is not none.
  CHECK(send(R"({"name":"go","id":""})", {}) == 400);
  CHECK(send(R"({"name":"go"})", {{"Entente-Signal-Id", " "}}) == 400);
  CHECK(send(R"({"name":"go","id":7})", {}) == 400);
}

TEST_CASE("a signal and a completion carry their payload") {
  RestServer server;
  REQUIRE(
      server.Post("/v1/transactions/t1:signal", R"({"name":"approved","payload":[1]})").status ==
      200);
  CHECK(server.coordinator.last_text() == "t1|approved|[1]");
  CHECK(server.Post("/v1/transactions/t1:signal", R"({"payload":1})").status == 400);

  const Answer done =
      server.Post("/v1/completions/tok.en", R"({"outcome":"done","output":{"a":1}})");
  REQUIRE(done.status == 200);
  CHECK(server.coordinator.last_text() == "tok.en");
  CHECK(std::get<engine::ReplyDone>(*server.coordinator.last_outcome()).output == Json{{"a", 1}});
  // A participant is not shown the transaction.
  CHECK(done.Document() == Json{{"gid", "committed-1"}, {"status", "COMMITTED"}, {"revision", 25}});

  REQUIRE(
      server.Post("/v1/completions/t", R"({"outcome":"refused","code":"full","message":"no room"})")
          .status == 200);
  CHECK(std::get<engine::ReplyRefused>(*server.coordinator.last_outcome()).failure ==
        engine::Failure{"full", "no room"});
  CHECK(server.Post("/v1/completions/t", R"({"outcome":"maybe"})").status == 400);
  CHECK(server.Post("/v1/completions/t", R"({"outcome":"refused","output":1})").status == 400);
  CHECK(server.Post("/v1/completions/t", R"({"outcome":"done","code":"x"})").status == 400);
}

TEST_CASE("what is sent to the address of a call is taken whole, whatever it holds") {
  RestServer server;
  const Answer taken =
      server.Post("/v1/callbacks/tok.en?event=7", R"({"outcome":"refused","x":[1]})");
  REQUIRE(taken.status == 200);
  CHECK(server.coordinator.last_text() == "tok.en");
  CHECK(std::get<engine::ReplyDone>(*server.coordinator.last_outcome()).output ==
        Json{{"outcome", "refused"}, {"x", {1}}});
  CHECK(server.Post("/v1/callbacks/t", "[1]").status == 200);
  CHECK(server.Post("/v1/callbacks/t", "{").status == 400);
}

TEST_CASE("definitions are put, read by version and listed") {
  RestServer server;
  const std::string source = "{\n \"name\": \"trip\" }";
  const Answer put = server.Send("PUT", "/v1/definitions/trip", source);
  REQUIRE(put.status == 200);
  CHECK(server.coordinator.last_text() == "trip|" + source);
  CHECK(put.Document()["source"] == SomeDefinition().source);

  REQUIRE(server.Get("/v1/definitions/trip").status == 200);
  CHECK(server.coordinator.last_text() == "trip|newest");
  REQUIRE(server.Get("/v1/definitions/trip/versions/2").status == 200);
  CHECK(server.coordinator.last_text() == "trip|2");
  CHECK(server.Get("/v1/definitions/trip/versions/0").status == 400);
  CHECK(server.Get("/v1/definitions/trip/versions/two").status == 400);
  REQUIRE(server.Get("/v1/definitions/trip/versions").status == 200);
  CHECK(server.coordinator.last_text() == "trip");
  const Answer all = server.Get("/v1/definitions?limit=7");
  CHECK(server.coordinator.last_text() == "all");
  CHECK_FALSE(all.Document()["definitions"][0].contains("source"));
  CHECK_FALSE(all.Document().contains("nextCursor"));
  CHECK(server.Get("/v1/definitions?limit=1001").status == 400);
  CHECK(server.Get("/v1/definitions?cursor=x").Document()["code"] == "query.bad_cursor");
  CHECK(server.Get("/v1/definitions/trip/versions?cursor=x").Document()["code"] ==
        "query.bad_cursor");
}

TEST_CASE("validating tells every mistake and stores nothing") {
  RestServer server;
  CHECK(server.Post("/v1/definitions:validate", "{}").Document() ==
        Json{{"valid", true}, {"problems", Json::array()}});
  server.coordinator.AnswerWithFailure(
      InvalidArgument("definition.invalid", "2 problems"),
      {{"/a", 1, 2, "definition.unknown_field", "unknown field 'a'", ""},
       {"/b", 3, 4, "definition.unknown_field", "unknown field 'b'", ""}});
  const Answer answer = server.Post("/v1/definitions:validate", "{\"a\":1,\"b\":2}");
  CHECK(answer.status == 200);
  CHECK(answer.Document()["valid"] == false);
  CHECK(answer.Document()["problems"].size() == 2);
  CHECK(server.coordinator.mutations() == 0);

  const Answer put = server.Send("PUT", "/v1/definitions/x", "{\"a\":1,\"b\":2}");
  CHECK(put.status == 422);
  CHECK(put.Document()["problems"].size() == 2);
}

TEST_CASE("health is about progress, and readiness apart from it") {
  RestServer server;
  CHECK(server.Get("/healthz").status == 200);
  CHECK(server.Get("/readyz").status == 200);

  runtime::Health draining;
  draining.reason = "draining";
  server.coordinator.SetHealth(draining);
  CHECK(server.Get("/healthz").status == 200);
  const Answer not_ready = server.Get("/readyz");
  CHECK(not_ready.status == 503);
  CHECK(not_ready.Document()["reason"] == "draining");

  runtime::Health stalled;
  stalled.ready = true;
  stalled.oldest_overdue = std::chrono::seconds(31);
  server.coordinator.SetHealth(stalled);
  const Answer late = server.Get("/healthz");
  CHECK(late.status == 503);
  CHECK(late.Document()["status"] == "stalled");
  CHECK(late.Document()["oldestOverdue"] == "31s");
}

TEST_CASE("whoever hangs up while it waits is answered at once with the state so far") {
  RestServer server;
  server.coordinator.AnswerWithView(StuckStory().View());
  server.coordinator.HoldWaits();
  // Half of the connection only: the client is there to read.
  EventClient client(server, "/v1/transactions/t?wait=5m", {}, /*half_close=*/true);
  CHECK(client.status() == 202);
}

TEST_CASE("metrics are in the format Prometheus reads") {
  RestServer server;
  const Answer answer = server.Get("/metrics");
  CHECK(answer.Header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  for (const char* line :
       {"# TYPE entente_transactions_accepted_total counter\nentente_transactions_accepted_total "
        "5\n",
        "entente_transactions_ended_total{status=\"COMMITTED\"} 3\n", "entente_ready 1\n",
        "entente_participant_breaker_open{participant=\"flights\",address=\"http://"
        "127.0.0.1:7001\"} "
        "1\n"}) {
    CAPTURE(line);
    CHECK(answer.body.find(line) != std::string::npos);
  }
}

TEST_CASE("metrics come as OpenMetrics to those who ask for it") {
  RestServer server;
  const Answer answer = server.Send("GET", "/metrics", "",
                                    {{"Accept", "application/openmetrics-text;version=1.0.0"}});
  CHECK(answer.Header("Content-Type") ==
        "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CHECK_THAT(answer.body, Catch::Contains("# TYPE entente_transactions_accepted counter\n"
                                          "entente_transactions_accepted_total 5\n") &&
                              Catch::EndsWith("\n# EOF\n"));
}

TEST_CASE("no sample stands twice for the same labels") {
  // One address with two limits has two gates.
  runtime::ParticipantStats few;
  few.name = "flights";
  few.address = "http://f";
  few.breaker = "closed";
  few.calls = 3;
  few.in_flight = 1;
  few.latency_millis = 5;
  runtime::ParticipantStats many = few;
  many.breaker = "open";
  many.calls = 4;
  many.latency_millis = 2;
  runtime::ParticipantStats other = few;
  other.name = "fl\"ights\n";
  observe::Exposition out(observe::TextFormat::kPrometheus);
  WriteMetrics({}, {}, {few, many, other}, SomeNodes(), {}, {}, out);
  const std::string text = out.Take();
  CHECK(text.find("\nentente_shards 32\n") != std::string::npos);
  CHECK(text.find("\nentente_nodes 1\n") != std::string::npos);
  std::set<std::string> samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string sample = line.substr(0, line.rfind(' '));
    CAPTURE(line);
    CHECK((line.starts_with('#') || samples.insert(sample).second));
  }
  const std::string labels = "{participant=\"flights\",address=\"http://f\"} ";
  for (const char* sample :
       {"calls_total", "in_flight", "latency_seconds", "breaker_open", "queued"}) {
    CHECK(samples.count("entente_participant_" + std::string(sample) +
                        labels.substr(0, labels.size() - 1)) == 1);
  }
  CHECK_THAT(text, Catch::Contains("calls_total" + labels + "7\n") &&
                       Catch::Contains("in_flight" + labels + "2\n") &&
                       Catch::Contains("latency_seconds" + labels + "0.005\n") &&
                       Catch::Contains("breaker_open" + labels + "1\n"));
}

}  // namespace
}  // namespace entente::api::test
