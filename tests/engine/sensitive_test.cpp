#include "engine/sensitive.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

PlanPtr SensitivePlan() {
  return CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
          "input": {"properties": {"card": {"sensitive": true}, "city": {}}},
          "steps": [{"id": "a", "participant": "p", "compensate": null,
                     "action": {"post": "/x/${input.card}", "body": {"n": "${input.card}"}}},
                    {"id": "b", "participant": "p", "compensate": null,
                     "action": {"post": "/y", "body": "${steps.a.output}"}}],
          "output": "${steps.a.output}"})");
}

Sensitive Of(const Json& card) {
  return Sensitive::Of(*SensitivePlan(), JsonText(Json{{"card", card}, {"city", "Rome"}}));
}

std::string Hidden(const Sensitive& sensitive, std::string text) {
  sensitive.Hide(text);
  return text;
}

Json Hidden(const Sensitive& sensitive, const Json& value) {
  JsonText text(value);
  sensitive.Hide(text);
  return text.Read();
}

const Json kShown = std::string(kSensitiveShown);

}  // namespace

TEST_CASE("what is sensitive is known by its value wherever it stands") {
  const Sensitive sensitive = Of("4111 1111/x\n");
  CHECK(Hidden(sensitive, std::string("no: 4111 1111/x\n, sorry")) == "no: [sensitive], sorry");
  CHECK(Hidden(sensitive, std::string(R"({"a":"4111 1111\/x\n"})")) == R"({"a":"[sensitive]"})");
  CHECK(Hidden(sensitive, std::string("/cards/4111%201111%2Fx%0A?")) == "/cards/[sensitive]?");
  CHECK(Hidden(sensitive, Json{{"a", {"4111 1111/x\n", "Rome"}}}) == Json{{"a", {kShown, "Rome"}}});
  CHECK(Hidden(sensitive, Json{{"4111 1111/x\n", 1}}) == Json{{"[sensitive]", 1}});
}

TEST_CASE("what stands in an address as it is hides with what does not") {
  CHECK(Hidden(Of("aZ09-._~ b"), std::string("/c/aZ09-._~%20b?")) == "/c/[sensitive]?");
  CHECK(Hidden(Of("k@yz:w[q]"), std::string("/c/k%40yz%3Aw%5Bq%5D")) == "/c/[sensitive]");
}

TEST_CASE("numbers are sensitive as they are written") {
  const Sensitive sensitive = Of(41111111);
  CHECK(Hidden(sensitive, Json{{"a", 41111111}, {"b", 7}}) == Json{{"a", kShown}, {"b", 7}});
  CHECK(Hidden(sensitive, std::string("card 41111111 is blocked")) ==
        "card [sensitive] is blocked");
}

TEST_CASE("all within a sensitive object is sensitive") {
  const Sensitive sensitive = Of({{"no", "4111-1111"}, {"codes", {"abcd", "efgh"}}});
  CHECK(Hidden(sensitive, std::string("4111-1111 abcd efgh")) ==
        "[sensitive] [sensitive] [sensitive]");
}

TEST_CASE("what is short is taken out of the input alone") {
  const Sensitive sensitive = Of("No");
  CHECK(Hidden(sensitive, std::string("No room")) == "No room");
  CHECK(Hidden(sensitive, Json{"No"}) == Json{"No"});
  JsonText input(Json{{"card", "No"}, {"city", "Rome"}});
  sensitive.HideInput(input);
  CHECK(input.Read() == Json{{"card", kShown}, {"city", "Rome"}});
  CHECK(Hidden(Of("123"), Json{{"cvc", "123"}, {"n", "1234"}}) ==
        Json{{"cvc", kShown}, {"n", "1234"}});
}

TEST_CASE("the beginning that a cut left of a value is taken out too") {
  const Sensitive sensitive = Of("4111-1111-1111");
  CHECK(Hidden(sensitive, std::string("HTTP 500: card 4111-11...")) ==
        "HTTP 500: card [sensitive]...");
  CHECK(Hidden(sensitive, std::string("card 4111-1111-1")) == "card [sensitive]");
  CHECK(Hidden(sensitive, std::string("a 4111...; b 4111-1111-1111...")) ==
        "a [sensitive]...; b [sensitive]...");
}

TEST_CASE("failures are recorded without it, and calls are made with it") {
  World world(SensitivePlan());
  world.Submit({{"card", "4111-1111"}, {"city", "Rome"}});
  const auto& first = std::get<RenderedHttp>(std::get<CallBranch>(world.effects().front()).request);
  CHECK(first.target == "/x/4111-1111");
  CHECK(first.body->find("4111-1111") != std::string::npos);
  world.Answer("a", ReplyUnknown{{"http.500", "no card 4111-1111"}, std::nullopt});
  CHECK(FindBranch(world.state(), BranchId("a"))->failure->message == "no card [sensitive]");
}

namespace {

PlanPtr HeaderPlan() {
  return CompilePlan(
      R"({"name": "x", "mode": "saga",
          "participants": {
            "p": {"http": "http://p", "headers": {"X-Key": "key of partner 1", "X-Plain": "plain 123"},
                  "sensitiveHeaders": ["x-key", "Authorization", "X-Session"]},
            "q": {"http": "http://q", "headers": {"Authorization": "not named"}}},
          "steps": [{"id": "a", "participant": "p", "compensate": null,
                     "action": {"post": "/a", "headers": {"Authorization": "Bearer ${input.token}"}}},
                    {"id": "b", "participant": "q", "compensate": null,
                     "action": {"post": "/b", "body": "${steps.a.headers['x-session']}"}}],
          "output": "${steps.a.headers['x-session']}"})");
}

}  // namespace

TEST_CASE("the values of headers that a participant names are sensitive, sent or answered") {
  const PlanPtr plan = HeaderPlan();
  CHECK(HasSensitive(*plan));
  const JsonText input(Json{{"token", "tok-12345678"}});
  Sensitive sensitive = Sensitive::Of(*plan, input);
  CHECK(Hidden(sensitive, std::string("key of partner 1, plain 123, not named")) ==
        "[sensitive], plain 123, not named");
  CHECK(Hidden(sensitive, std::string("no Bearer tok-12345678, no tok-12345678")) ==
        "no [sensitive], no [sensitive]");
  JsonText shown = input;
  sensitive.HideInput(shown);
  CHECK(shown.Read() == Json{{"token", kShown}});

  CHECK(Hidden(sensitive, std::string("sid=session-778899; id=1")) == "sid=session-778899; id=1");
  OperationSucceeded done;
  done.answer = JsonText(
      Json{{"headers", {{"x-session", "sid=session-778899; id=1"}, {"etag", "etag-123456"}}}});
  sensitive.Learn(*plan, input, Record{Instant(), done});
  CHECK(Hidden(sensitive, std::string("sid=session-778899; id=1")) == "[sensitive]");
  CHECK(Hidden(sensitive, std::string("who is session-778899, etag-123456?")) ==
        "who is [sensitive], etag-123456?");
  const Sensitive sent = Sensitive::OfHeaders({"Basic dXNlcjpwYXNz"});
  CHECK(Hidden(sent, std::string("bad credentials dXNlcjpwYXNz")) == "bad credentials [sensitive]");
}

TEST_CASE("what an answer's sensitive header held is sent on, and in no failure or view") {
  World world(HeaderPlan());
  world.Submit({{"token", "tok-12345678"}});
  ReplyDone done;
  done.answer = JsonText(Json{{"headers", {{"x-session", "session-778899"}}}});
  world.Answer("a", done);
  const auto& call = std::get<CallBranch>(world.effects().back());
  CHECK(std::get<RenderedHttp>(call.request).body->find("session-778899") != std::string::npos);
  world.Answer("b", ReplyUnknown{{"http.500", "no session-778899 of tok-12345678"}, std::nullopt});
  CHECK(FindBranch(world.state(), BranchId("b"))->failure->message ==
        "no [sensitive] of [sensitive]");
}

namespace {

// Headers that are made of an element, of a name, and of both.
PlanPtr PartnersPlan() {
  return CompilePlan(
      R"({"name": "x", "mode": "saga",
          "let": {"scheme": "Token", "shared": "${input.key}"},
          "participants": {"p": {"http": "http://p", "sensitiveHeaders": ["X-Key", "X-Partner", "X-Both"]}},
          "steps": [{"id": "a", "participant": "p", "compensate": null, "forEach": "${input.partners}",
                     "let": {"own": "${scheme + ' ' + item.token}"},
                     "action": {"post": "/a", "headers": {"X-Key": "${shared}", "X-Partner": "${item.token}",
                                                          "X-Both": "${own}-${index}"}}}],
          "output": "${steps.a.output}"})");
}

Json PartnersInput() {
  return {
      {"key", "key-of-all"},
      {"partners",
       {{{"token", "tok-red-1"}, {"name", "red"}}, {{"token", "tok-blue-2"}, {"name", "blue"}}}}};
}

}  // namespace

TEST_CASE("values of named headers are sensitive that a name or an element gives") {
  const PlanPtr plan = PartnersPlan();
  World world(plan);
  world.Submit(PartnersInput());
  const auto& sent = std::get<RenderedHttp>(std::get<CallBranch>(world.effects().front()).request);
  CHECK(std::ranges::find(sent.headers, std::pair<std::string, std::string>(
                                            "X-Both", "Token tok-red-1-0")) != sent.headers.end());

  auto sensitive = Sensitive::Of(*plan, world.state().input);
  CHECK(Hidden(sensitive, std::string("key-of-all, tok-red-1")) == "[sensitive], tok-red-1");
  sensitive.Learn(*plan, world.state());
  const std::string said = "key-of-all, tok-red-1, Token tok-blue-2-1, red";
  CHECK(Hidden(sensitive, said) == "[sensitive], [sensitive], [sensitive], red");
  auto recorded = Sensitive::Of(*plan, world.state().input);
  for (const Record& record : world.journal()) {
    recorded.Learn(*plan, world.state().input, record);
  }
  CHECK(Hidden(recorded, said) == "[sensitive], [sensitive], [sensitive], red");

  TxnState state = world.state();
  sensitive.Hide(state);
  CHECK(state.input.Read()["partners"][1] == Json{{"token", kShown}, {"name", "blue"}});
  CHECK(state.steps[0].branches[0].item.Read() == Json{{"token", kShown}, {"name", "red"}});
  world.Answer("a:0", ReplyUnknown{{"http.500", "no tok-red-1 nor tok-blue-2"}, std::nullopt});
  CHECK(FindBranch(world.state(), BranchId("a:0"))->failure->message ==
        "no [sensitive] nor [sensitive]");
}

TEST_CASE("elements whose headers take too much work to make are sensitive as a whole") {
  const PlanPtr plan = CompilePlan(
      R"({"name": "x", "mode": "saga",
          "participants": {"p": {"http": "http://p", "sensitiveHeaders": ["X-Key"]}},
          "steps": [{"id": "a", "participant": "p", "compensate": null, "forEach": "${input.all}",
                     "action": {"post": "/a", "headers": {
                       "X-Key": "${item.token + string(input.many.filter(x, input.many.exists(y, y == x + 1)).size())}"}}}]})");
  std::vector<int> many(600);
  std::iota(many.begin(), many.end(), 0);
  Json all = Json::array();
  for (int i = 0; i < 40; ++i) {
    all.push_back(
        {{"token", "token-" + std::to_string(1'000 + i)}, {"name", "name-" + std::to_string(i)}});
  }
  StepExpanded expanded{.step = 0, .id = "a", .for_each = true};
  for (const Json& item : all) {
    expanded.items.emplace_back(item);
  }
  const JsonText input(Json{{"many", many}, {"all", all}});
  auto sensitive = Sensitive::Of(*plan, input);
  sensitive.Learn(*plan, input, Record{Instant(), expanded});
  CHECK(Hidden(sensitive, std::string("name-0")) == "name-0");
  CHECK(Hidden(sensitive, std::string("token-1039 of name-39")) == "[sensitive] of [sensitive]");
}

TEST_CASE("a failure in the decision that brought a named header is recorded without it") {
  World world(CompilePlan(
      R"({"name": "x", "mode": "saga",
          "participants": {"p": {"http": "http://p", "sensitiveHeaders": ["X-Session"]}},
          "steps": [{"id": "a", "participant": "p", "compensate": null, "action": {"post": "/a"}}],
          "output": "${ {'known': 1}[steps.a.headers['x-session']] }"})"));
  world.Submit(Json::object());
  ReplyDone done;
  done.answer = JsonText(Json{{"headers", {{"x-session", "session-778899"}}}});
  world.Answer("a", done);
  REQUIRE(world.state().output_failure);
  CHECK(world.state().output_failure->message.find("session-778899") == std::string::npos);
  CHECK(world.state().output_failure->message.find("[sensitive]") != std::string::npos);
}

TEST_CASE("a state and its records are shown without it") {
  const Sensitive sensitive = Of("4111-1111");
  TxnState state;
  state.input = JsonText(Json{{"card", "4111-1111"}});
  state.output = JsonText(Json{{"paid", "4111-1111"}});
  state.signals["s"] = {JsonText(Json("4111-1111"))};
  state.steps.emplace_back().branches.emplace_back().output = JsonText(Json("4111-1111"));
  sensitive.Hide(state);
  CHECK(state.input.Read() == Json{{"card", kShown}});
  CHECK(state.output.Read() == Json{{"paid", kShown}});
  CHECK(state.signals["s"].front().Read() == kShown);
  CHECK(state.steps[0].branches[0].output.Read() == kShown);

  const auto shown = [&sensitive](RecordBody body) {
    Record record{Instant(), std::move(body)};
    sensitive.Hide(record);
    return record;
  };
  const JsonText value(Json("4111-1111"));
  CHECK(std::get<OperationSucceeded>(shown(OperationSucceeded{BranchId("a"), value}).body)
            .output.Read() == kShown);
  CHECK(std::get<SignalReceived>(shown(SignalReceived{"s", value}).body).payload.Read() == kShown);
  CHECK(std::get<OperatorSkipped>(shown(OperatorSkipped{.output = value}).body).output.Read() ==
        kShown);
  CHECK(std::get<Ended>(shown(Ended{.output = value}).body).output.Read() == kShown);
}

TEST_CASE("what is encoded more than once shows nothing long of what is sensitive") {
  const Sensitive sensitive = Of("4111 222233334444/\"x");
  const std::string once = Json("4111 222233334444/\"x").dump();
  const std::string shown = Hidden(sensitive, "sent " + Json(once).dump());
  CHECK(shown.find("4111") == std::string::npos);
  CHECK(shown.find("222233334444") == std::string::npos);
  const std::string another = "4111 2222 is another";
  CHECK(Hidden(sensitive, another) == another);
}

}  // namespace entente::engine::test
