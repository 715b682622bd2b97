// What golden scenarios do not show: bounds, labels, headers, large fans.
#include <catch2/catch.hpp>

#include "base/limits.h"
#include "dsl/client_branches.h"
#include "engine/state_lookup.h"
#include "tests/engine/world.h"

namespace entente::engine::test {
namespace {

PlanPtr PlanWith(const std::string& step, const std::string& more = "") {
  return CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},)" + more +
      R"("steps": [{"id": "a", "participant": "p", "compensate": null, )" + step + "}]}");
}

const RenderedHttp& FirstCall(const World& world) {
  for (const Effect& effect : world.effects()) {
    if (const auto* call = std::get_if<CallBranch>(&effect)) {
      return std::get<RenderedHttp>(call->request);
    }
  }
  throw std::runtime_error("no call was made");
}

}  // namespace

TEST_CASE("data spliced into a path stays one segment") {
  World world(PlanWith(R"("action": {"get": "/x/${input.v}?q=${input.v}"})"));
  world.Submit({{"v", "a/b?c=%&\xC3\xA9 :~"}});
  CHECK(FirstCall(world).target ==
        "/x/a%2Fb%3Fc%3D%25%26%C3%A9%20:~?q=a%2Fb%3Fc%3D%25%26%C3%A9%20:~");
}

TEST_CASE("data can neither climb out of a path nor forge a header") {
  const auto aborts = [](const PlanPtr& plan, Json input) {
    World world(plan);
    world.Submit(std::move(input));
    CHECK(world.state().status == TxnStatus::kAborted);
    CHECK(world.state().abort->cause == AbortCause::kExpression);
    CHECK(world.effects().size() == 1);  // The news of the end; no call.
  };
  aborts(PlanWith(R"("action": {"get": "/x/${input.v}/y"})"), {{"v", ".."}});
  aborts(PlanWith(R"("action": {"get": "/x/${input.v}"})"), {{"v", "."}});
  aborts(PlanWith(R"("action": {"get": "/x", "headers": {"X-A": "${input.v}"}})"),
         {{"v", "a\r\nX-B: c"}});
}

// What a server, or a proxy that decodes once too often, could take for the collection, for what is
// above it, or for the end of the path.
TEST_CASE("data can not turn a path segment into nothing, or into another place") {
  const Json trap = GENERATE(
      Json(""), Json(nullptr), Json(" "), Json("."), Json(".."), Json("..."), Json("%2e"),
      Json("%2E%2e"), Json("%252e%252e"), Json("/"), Json("//"), Json("\\"), Json("%2f"),
      Json("../x"), Json("x/.."), Json("x\\..\\y"), Json("..;a=b"), Json(".. "), Json(";"),
      Json(std::string(1, '\0')), Json("a\nb"), Json("a\x7F"), Json("a%00"), Json("%0d%0a"),
      Json("a%0Ab"), Json("a%1Fb"), Json("a%1fb"), Json("a%09b"), Json("%C2%A0"), Json("%c2%a0"));
  const std::string path =
      GENERATE(as<std::string>(), "/things/${input.v}", "/things/${input.v}/seats",
               "/things/${input.v}?y=1", "/${input.v}");
  const std::string method = GENERATE(as<std::string>(), "delete", "get", "put");
  CAPTURE(trap, path, method);
  World world(PlanWith("\"action\": {\"" + method + "\": \"" + path + "\"}"));
  world.Submit({{"v", trap}});
  CHECK(world.state().status == TxnStatus::kAborted);
  CHECK(world.state().abort->cause == AbortCause::kExpression);
  CHECK(world.effects().size() == 1);  // The news of the end; no call.
}

TEST_CASE("what several values make of a segment together counts") {
  const auto [first, second] = GENERATE(table<Json, Json>({
      {"", ""},
      {".", "."},
      {"", ".."},
      {"%2", "e"},
      {"/", ""},
      {" ", " "},
      {nullptr, "x"},
      {"x", nullptr},
  }));
  CAPTURE(first, second);
  World world(PlanWith(R"("action": {"delete": "/things/${input.v}${input.w}"})"));
  world.Submit({{"v", first}, {"w", second}});
  CHECK(world.state().status == TxnStatus::kAborted);
  CHECK(world.effects().size() == 1);
}

TEST_CASE("a path segment that names one thing is taken, whatever it is made of") {
  const auto [path, value, target] = GENERATE(table<std::string, Json, std::string>({
      {"/x/${input.v}", "a.b", "/x/a.b"},
      {"/x/${input.v}", "..a", "/x/..a"},
      {"/x/${input.v}", "a;b", "/x/a%3Bb"},
      {"/x/${input.v}", 0, "/x/0"},
      {"/x/${input.v}", false, "/x/false"},
      {"/x/${input.v}", "null", "/x/null"},
      {"/x/${input.v}", "\xC3\xA9", "/x/%C3%A9"},
      {"/x/${input.v}", "100%", "/x/100%25"},
      {"/x/v${input.v}", "", "/x/v"},
      {"/x/${input.v}${gid}", "", "/x/t1"},
      {"/x/${gid}?q=${input.v}", "", "/x/t1?q="},
      {"/x//y/?z", "", "/x//y/?z"},
  }));
  CAPTURE(path, value);
  World world(PlanWith(R"("action": {"get": ")" + path + "\"}"));
  world.Submit({{"v", value}});
  CHECK(FirstCall(world).target == target);
}

TEST_CASE("an undo whose path would reach the collection is an incident, never a call") {
  const Json id = GENERATE(Json(""), Json(nullptr), Json(".."), Json("/"), Json("\u00a0"),
                           Json(" \u3000\u2003 "), Json("\u0085"), Json("\u200b\ufeff"),
                           Json("\u00a0..\u00a0"), Json::array(), Json::object(), Json::array({1}));
  CAPTURE(id);
  World world(CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
          "steps": [
            {"id": "a", "participant": "p", "action": {"post": "/things"},
             "compensate": {"delete": "/things/${steps.a.output.id}", "whenUnknown": "incident"}},
            {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})"));
  world.Submit();
  world.Answer("a", ReplyDone{Json{{"id", id}}});
  const size_t before = world.effects().size();
  world.Answer("b", ReplyRefused{{"http.409", ""}});
  CHECK(world.effects().size() == before);
  const BranchState* branch = FindBranch(world.state(), BranchId("a"));
  CHECK(branch->phase == BranchPhase::kUndoStuck);
  CHECK(branch->failure->code == "expression.error");
}

TEST_CASE("a string goes out as it is under a content type that is not JSON") {
  struct Row {
    std::string type;
    std::string body;
    Json input;
    std::string sent;
  };
  const auto row = GENERATE(values<Row>({
      {"application/x-www-form-urlencoded", "\"city=${input.v}&n=1\"", "Rome", "city=Rome&n=1"},
      {"application/x-www-form-urlencoded", "\"city=${input.v}\"", "a&admin=1 +%",
       "city=a%26admin%3D1%20%2B%25"},
      {"Application/X-WWW-Form-Urlencoded ; charset=utf-8", "\"a=${input.v}\"", "b", "a=b"},
      {"application/x-www-form-urlencoded", "\"${input.v}\"", "a=1&b=2", "a=1&b=2"},
      {"application/x-www-form-urlencoded", "\"a=1&b=2\"", "", "a=1&b=2"},
      {"text/plain", "\"hello ${input.v}\"", "you & me", "hello you & me"},
      {"application/xml", "\"<a/>\"", "", "<a/>"},
      {"application/json", "\"hello ${input.v}\"", "you", "\"hello you\""},
      {"application/problem+json", "\"${input.v}\"", "x", "\"x\""},
      {"application/x-amz-json-1.1", "\"x\"", "", "\"x\""},
      {"application/x-www-form-urlencoded", R"({"a": "${input.v}", "b c": "x"})", "1&d=2 ü",
       "a=1%26d%3D2%20%C3%BC&b%20c=x"},
      {"application/x-www-form-urlencoded",
       R"({"a": "${input.v}", "n": 1.50, "t": true, "z": null})", 1, "a=1&n=1.50&t=true&z="},
      {"application/x-www-form-urlencoded", "\"${input.v}\"", Json{{"a", "b&c"}}, "a=b%26c"},
      {"text/plain", "\"${input.v}\"", 5, "5"},
  }));
  CAPTURE(row.type, row.body, row.input);
  const bool from_participant = GENERATE(false, true);
  const std::string header = R"("headers": {"content-TYPE": ")" + row.type + "\"}";
  World world(
      CompilePlan(R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p")" +
                  std::string(from_participant ? ", " + header : "") +
                  R"(}}, "steps": [{"id": "a", "participant": "p", "compensate": null,
                        "action": {"post": "/x", "body": )" +
                  row.body + (from_participant ? "" : ", " + header) + "}}]}"));
  world.Submit({{"v", row.input}});
  CHECK(FirstCall(world).body == row.sent);
}

TEST_CASE("a list or an object that the content type has no form for is an error of the step") {
  const auto [type, body] = GENERATE(table<std::string, std::string>({
      {"application/x-www-form-urlencoded", R"("${input.v}")"},
      {"application/x-www-form-urlencoded", R"({"a": "${input.v}"})"},
      {"text/plain", R"("${input.v}")"},
      {"application/xml; charset=utf-8", R"("${input.v}")"},
  }));
  CAPTURE(type, body);
  World world(CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
          "steps": [{"id": "a", "participant": "p", "compensate": null,
                     "action": {"post": "/x", "headers": {"Content-Type": ")" +
      type + R"("}, "body": )" + body + "}}]}"));
  world.Submit({{"v", Json::array({1})}});
  CHECK(world.state().status == TxnStatus::kAborted);
  REQUIRE(world.state().abort.has_value());
  CHECK(world.state().abort->failure.code == "expression.error");
}

TEST_CASE("an undo may repeat what the input and the answers held, each within its limits") {
  World world(CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
          "steps": [
            {"id": "a", "participant": "p", "action": {"post": "/a"},
             "compensate": {"post": "/undo", "whenUnknown": "incident",
                            "body": {"in": "${input}", "out": "${steps.a.output}"}}},
            {"id": "b", "participant": "p", "action": {"post": "/b"}, "compensate": null}]})"));
  const std::string most(limits::kMaxPayloadBytes - 100, 'x');
  Json deep = 1;
  for (size_t i = 0; i < limits::kMaxJsonDepth - 1; ++i) {
    deep = Json::array({std::move(deep)});
  }
  world.Submit({{"v", most}});
  world.Answer("a", ReplyDone{Json{{"deep", deep}, {"v", most}}});
  world.Answer("b", ReplyRefused{{"http.409", ""}});
  const auto* undo = std::get_if<CallBranch>(&world.effects().back());
  REQUIRE(undo != nullptr);
  CHECK(undo->command.role == Role::kUndo);
  CHECK(std::get<RenderedHttp>(undo->request).body->size() > 2 * most.size());
}

// A list of `levels` lists, one in the other.
Json Nested(size_t levels, Json inner = 1) {
  for (size_t i = 0; i < levels; ++i) {
    inner = Json::array({std::move(inner)});
  }
  return inner;
}

// What is written in front of `${input.v}` and after it to be `levels` lists deep.
std::string Wrapped(size_t levels) {
  return DumpJson(Nested(levels, "${input.v}"));
}

TEST_CASE("what renders too deep or too large fails its own transaction before it is written") {
  const std::string large = R"(["${input.s}", "${input.s}"])";
  const Json input = {{"v", Nested(20)}, {"s", std::string(600'000, 'x')}};
  const auto aborts = [&](const std::string& step, const std::string& limit) {
    INFO(step.substr(0, 60));
    World world(PlanWith(step));
    world.Submit(input);
    CHECK(world.state().status == TxnStatus::kAborted);
    CHECK(world.state().abort->cause == AbortCause::kExpression);
    CHECK(world.state().abort->failure.message.find(limit) != std::string::npos);
    CHECK(world.effects().size() == 1);  // The news of the end; no call, no child.
  };
  const std::string deep_limit = "deeper than the limit of 64 levels";
  const std::string size_limit = "larger than the limit of 1048576 bytes";
  aborts(R"("action": {"post": "/x", "body": )" + Wrapped(45) + "}", deep_limit);
  aborts(R"("action": {"post": "/x", "body": )" + large + "}", size_limit);
  const std::string child = R"("action": {"transaction": {"definition": "y", "input": )";
  aborts(child + Wrapped(45) + "}}", deep_limit);
  aborts(child + large + "}}", size_limit);
  aborts(R"("forEach": "${[[input.s, input.s]]}", "action": {"post": "/x"})", size_limit);
  aborts(R"("action": {"post": "/x", "headers": {"A": "${input.s}", "B": "${input.s}"}})",
         "the path and the headers together are longer than the limit of 1048576 bytes");
}

TEST_CASE("an output that renders too deep or too large is missing, and the end stands") {
  const auto output_failure = [](const std::string& output) {
    World world(PlanWith(R"("action": {"post": "/x"})", R"("output": )" + output + ","));
    world.Submit({{"v", Nested(20)}, {"s", std::string(600'000, 'x')}});
    world.Answer("a", ReplyDone{});
    CHECK(world.state().status == TxnStatus::kCommitted);
    CHECK(world.state().output.is_null());
    const auto& ended = std::get<Ended>(world.journal().back().body);
    return ended.output_failure ? ended.output_failure->message : "";
  };
  CHECK(output_failure(Wrapped(45)).starts_with("the result nests deeper than the limit of 64"));
  CHECK(output_failure(R"(["${input.s}", "${input.s}"])")
            .starts_with("the result is larger than the limit of 1048576 bytes"));
}

TEST_CASE("a computed wait that is negative is over, and a fine one is rounded up") {
  const auto waits = [](const std::string& duration) -> std::optional<Duration> {
    World world(CompilePlan(R"({"name": "x", "mode": "saga", "steps": [
      {"id": "nap", "wait": {"for": "${input}"}}, {"id": "ok", "wait": {"signal": "go"}}]})"));
    world.Submit(duration);
    if (world.state().finished()) {
      return std::nullopt;
    }
    const auto timer = world.NextTimer(kOrigin + std::chrono::hours(1));
    return timer ? timer->at - world.now() : Duration::max();
  };
  CHECK(waits("-5s") == Duration::zero());
  CHECK(waits("-0.000000001s") == Duration::zero());
  CHECK(waits("1.0000001s") == std::chrono::microseconds(1'000'001));
  CHECK(waits("10ns") == std::chrono::microseconds(1));
  CHECK(waits("2s") == std::chrono::seconds(2));
  CHECK_FALSE(waits("soon"));
  CHECK_FALSE(waits("400000000.0000001s"));  // More than 3660 days.
}

TEST_CASE("a call takes as long as the participant it names allows") {
  World world(CompilePlan(R"({"name": "x", "mode": "saga",
    "participants": {"p": {"http": "http://p", "timeout": "2s"}},
    "steps": [{"id": "a", "action": {"post": "/", "participant": "p"}, "compensate": null}]})"));
  world.Submit();
  REQUIRE(world.calls().size() == 1);
  CHECK(std::get<CallBranch>(world.calls().begin()->second).timeout == std::chrono::seconds(2));
}

TEST_CASE("labels come from the definition and the submitter, within bounds") {
  const PlanPtr plan =
      PlanWith(R"("action": {"post": "/x"})", R"("labels": {"city": "${input.city}", "n": "1"},)");
  const auto submit = [&](Json input, std::vector<std::pair<std::string, std::string>> labels) {
    Submitted submitted;
    submitted.gid = Gid("t1");
    submitted.input = std::move(input);
    submitted.labels = std::move(labels);
    return Decide(*plan, TxnState(), Input{kOrigin, 0, std::move(submitted)});
  };
  const Decision taken = submit({{"city", "Rome"}}, {{"n", "2"}, {"who", "ada"}});
  REQUIRE(taken.status.ok());
  CHECK(std::get<Accepted>(taken.records[0].body).labels ==
        std::vector<std::pair<std::string, std::string>>{
            {"city", "Rome"}, {"n", "2"}, {"who", "ada"}});
  CHECK(submit(Json::object(), {}).status.reason() == "label.invalid");
  CHECK(submit({{"city", std::string(limits::kMaxLabelBytes + 1, 'x')}}, {}).status.reason() ==
        "label.too_long");
  CHECK(submit({{"city", "Rome"}}, {{"who", std::string("a\0b", 3)}}).status.reason() ==
        "label.bad_text");
  CHECK(submit({{"city", std::string("a\0b", 3)}}, {}).status.reason() == "label.bad_text");
  std::vector<std::pair<std::string, std::string>> many;
  for (size_t i = 0; i < limits::kMaxLabels; ++i) {
    many.emplace_back("k" + std::to_string(i), "v");
  }
  CHECK(submit({{"city", "Rome"}}, many).status.reason() == "label.too_many");
}

TEST_CASE("a fan of the largest size is driven within its bound, one more is refused") {
  const PlanPtr plan = PlanWith(
      R"("forEach": {"items": "${input}", "maxParallel": 100}, "action": {"post": "/x/${item}"})");
  World world(plan);
  world.Submit(Json(std::vector<int>(300, 7)));
  CHECK(world.calls().size() == 100);
  while (!world.calls().empty()) {
    world.Answer(std::get<0>(world.calls().begin()->first), ReplyDone{});
    CHECK(world.calls().size() <= 100);
  }
  CHECK(world.state().status == TxnStatus::kCommitted);

  TxnState state;
  Submitted submitted;
  submitted.gid = Gid("t2");
  submitted.input = Json(std::vector<int>(limits::kMaxForEachBranches + 1, 7));
  const Decision decision = Decide(*plan, state, Input{kOrigin, 0, std::move(submitted)});
  CHECK(std::get<Ended>(decision.records.back().body).status == TxnStatus::kAborted);
}

PlanPtr Hoarder(const std::string& steps) {
  return CompilePlan(
      R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}}, "steps": [)" +
      steps + "]}");
}

// Of the size of a payload, but shared by all who hold it.
JsonText Large() {
  static const JsonText large = Json(std::string(limits::kMaxPayloadBytes - 2, 'x'));
  return large;
}

TEST_CASE("answers past what a transaction may hold abort it, and what they answered is undone") {
  World world(Hoarder(
      R"({"id": "a", "participant": "p", "action": {"post": "/x/${item}"},
          "forEach": {"items": "${input}", "maxParallel": 100},
          "compensate": {"delete": "/x/${item}"}},
         {"id": "b", "participant": "p", "action": {"post": "/y"}, "compensate": null})"));
  world.Submit(Json(std::vector<int>(400, 7)));
  size_t answers = 0;
  while (world.state().status == TxnStatus::kActive && !world.calls().empty()) {
    world.Answer(std::get<0>(world.calls().begin()->first), ReplyDone{Large()});
    ++answers;
  }
  CHECK(answers == limits::kMaxTransactionBytes / limits::kMaxPayloadBytes);
  REQUIRE(world.state().abort);
  CHECK(world.state().abort->failure.code == "transaction.too_large");
  world.Crash();
  size_t undone = 0;
  while (world.state().status == TxnStatus::kAborting) {
    if (world.calls().empty()) {
      // Calls that were under way when it crashed may still arrive: they are undone after their
      // time.
      const auto timer = world.NextTimer(Instant::max());
      REQUIRE(timer);
      world.Fire(*timer);
      continue;
    }
    const auto [branch, role, alternative, attempt] = world.calls().begin()->first;
    undone += role == Role::kUndo ? 1 : 0;
    world.Answer(branch, ReplyDone{Large()});
    REQUIRE(world.state().payload_bytes <= limits::kMaxTransactionBytes);
  }
  CHECK(world.state().status == TxnStatus::kAborted);
  CHECK(undone == answers + 99);  // Those that were under way when it aborted happened, too.
}

TEST_CASE("past the point of no return an answer that is too large is left out") {
  World world(Hoarder(
      R"({"id": "pay", "participant": "p", "pivot": true, "action": {"post": "/pay"}},
         {"id": "a", "participant": "p", "action": {"post": "/x/${item}"},
          "forEach": {"items": "${input}", "maxParallel": 10}})"));
  world.Submit(Json(std::vector<int>(70, 7)));
  while (!world.calls().empty()) {
    world.Answer(std::get<0>(world.calls().begin()->first), ReplyDone{Large()});
  }
  CHECK(world.state().status == TxnStatus::kCommitted);
  CHECK(world.state().payload_bytes <= limits::kMaxTransactionBytes);
  CHECK(world.state().steps[1].branches[0].output == Large());
  CHECK(world.state().steps[1].branches[69].output.is_null());
}

TEST_CASE("numbers go digit for digit from input and answer to the next call and the output") {
  for (const std::string number :
       {"9007199254740993", "18446744073709551616", "-9223372036854775809", "1.10", "1.0", "1e2",
        "1E+2", "-0", "-0.0", "0.30000000000000000000001", "1e400", "1e-400", "5e-324",
        "123456789012345678901234567890", "12345678901234567.0"}) {
    INFO(number);
    const auto parsed = [](const std::string& text) {
      return JsonText::Parse(text, limits::kPayloadJson).value();
    };
    World world(CompilePlan(
        R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}}, "steps": [
            {"id": "a", "participant": "p", "compensate": null,
             "action": {"post": "/a/${input.n}", "body": {"n": "${input.n}", "literal": )" +
        number + R"(,
              "text": "n=${input.n}", "list": "${[input.n]}", "map": "${{'k': input.n}}"}}},
            {"id": "b", "participant": "p", "compensate": null,
             "action": {"post": "/b", "body": "${steps.a.output}"}}],
            "output": {"n": "${steps.a.output.n}", "all": "${steps.b.output}"}})"));
    Submitted submitted;
    submitted.gid = Gid("t1");
    submitted.input = parsed("{\"n\":" + number + "}");
    world.Feed(std::move(submitted));
    const RenderedHttp& call = FirstCall(world);
    CHECK(call.target.starts_with("/a/" + number.substr(0, 1)));
    CHECK(*call.body == "{\"list\":[" + number + "],\"literal\":" + number + ",\"map\":{\"k\":" +
                            number + "},\"n\":" + number + ",\"text\":\"n=" + number + "\"}");
    world.Answer("a", ReplyDone{parsed("{\"n\":" + number + "}")});
    const auto& next = std::get<CallBranch>(world.calls().begin()->second);
    CHECK(*std::get<RenderedHttp>(next.request).body == "{\"n\":" + number + "}");
    world.Answer("b", ReplyDone{parsed(number)});
    CHECK(world.state().output.text() == "{\"all\":" + number + ",\"n\":" + number + "}");
  }
}

TEST_CASE(
    "a decision evaluates no more than a bounded amount, and the rest goes on with an answer") {
  // Each branch reads a large part of the input several times over.
  World world(Hoarder(
      R"({"id": "a", "participant": "p", "compensate": null,
          "forEach": {"items": "${input.items}", "maxParallel": 100},
          "action": {"post": "/x", "body": {"found": "${input.text.contains(input.needle) || )"
      R"(input.text.endsWith(input.needle) || input.text.contains(string(item))}"}}})"));
  Json input = {{"text", std::string(900'000, 'a')}, {"needle", std::string(1000, 'b')}};
  input["items"] = std::vector<int>(100, 7);
  world.Submit(std::move(input));
  const size_t begun = world.calls().size();
  CHECK(begun > 1);
  CHECK(begun < 50);
  for (size_t answered = 0; answered < 100; ++answered) {
    REQUIRE_FALSE(world.calls().empty());
    world.Answer(std::get<0>(world.calls().begin()->first), ReplyDone{});
  }
  CHECK(world.state().status == TxnStatus::kCommitted);
}

TEST_CASE("what a decision has read is paid for once, however many ask for it") {
  // Each condition by itself reads a seventieth of what a decision may cost.
  std::string steps;
  for (int n = 0; n < 120; ++n) {
    steps += std::string(n == 0 ? "" : ", ") + R"({"id": "s)" + std::to_string(n) +
             R"(", "participant": "p", "after": [], "when": "${input.n > 1}",
                "action": {"post": "/x"}, "compensate": null})";
  }
  World world(
      CompilePlan(R"({"name": "x", "mode": "saga", "participants": {"p": {"http": "http://p"}},
                              "steps": [)" +
                  steps + "]}"));
  world.Submit({{"n", 1}, {"text", std::string(900'000, 'a')}});
  CHECK(world.state().status == TxnStatus::kCommitted);
}

TEST_CASE("a participant's wish to be left alone is bounded, and so is its error text") {
  World world(PlanWith(R"("action": {"post": "/x"})"));
  world.Submit();
  world.Answer("a", ReplyUnknown{{"http.429", std::string(10'000, 'x')}, std::chrono::hours(99)});
  const BranchState& branch = *FindBranch(world.state(), BranchId("a"));
  CHECK(*branch.wake_at == kOrigin + limits::kMaxRetryAfter);
  CHECK(branch.failure->message.size() == limits::kMaxErrorTextBytes);
}

TEST_CASE("a participant in doubt is told the decision, and never another one") {
  World world(
      CompilePlan(R"({"name": "x", "mode": "2pc", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "prepare": {"post": "/p"}, "commit": {"post": "/c"},
               "rollback": {"post": "/r"}}]})"));
  world.Submit();
  CHECK(OutcomeOf(world.state()) == "undecided");
  world.Answer("a", ReplyDone{});
  CHECK(OutcomeOf(world.state()) == "committed");
  World other(world);
  world.Answer("a", ReplyDone{});
  CHECK(OutcomeOf(world.state()) == "committed");
  other.Feed(ResolveRequested{TxnStatus::kAborted, {"ann", "stuck"}});
  CHECK(other.state().status == TxnStatus::kMixed);
  CHECK(OutcomeOf(other.state()) == "committed");

  World aborted(
      CompilePlan(R"({"name": "x", "mode": "tcc", "participants": {"p": {"http": "http://p"}},
    "steps": [{"id": "a", "participant": "p", "try": {"post": "/t"}, "confirm": {"post": "/c"},
               "cancel": {"post": "/x"}}]})"));
  aborted.Submit();
  World forced(aborted);
  forced.Feed(ResolveRequested{TxnStatus::kAborted, {"ann", "stuck"}});
  CHECK(OutcomeOf(forced.state()) == "aborted");
  aborted.Feed(AbortRequested{});
  CHECK(OutcomeOf(aborted.state()) == "aborted");
}

TEST_CASE("an enlisted branch is written with what it takes to call it again") {
  World world(dsl::BeginClientDriven(Mode::kTcc));
  world.Submit();
  CHECK(world.state().deadline == kOrigin + limits::kDefaultClientDrivenLimit);
  const Decision decision = world.EnlistBranch(
      R"({"participant": {"http": "http://p"}, "id": "a", "cancel": null, "confirm": null})");
  const auto& enlisted = std::get<BranchEnlisted>(decision.records.at(0).body);
  CHECK(enlisted.source ==
        R"({"cancel":null,"confirm":null,"id":"a","participant":{"http":"http://p"}})");
  CHECK(decision.durability == Durability::kForced);
}

}  // namespace entente::engine::test
