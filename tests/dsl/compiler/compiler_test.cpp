// What a correct definition becomes.
#include "dsl/compiler.h"

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "tests/dsl/compiler/compile_support.h"

namespace entente::dsl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::shared_ptr<const Plan> Everything() {
  return PlanOf(ReadFile(CaseFolder() / "good/everything.json"));
}

const Step& StepOf(const Plan& plan, std::string_view id) {
  for (const Step& step : plan.steps) {
    if (step.id == id) {
      return step;
    }
  }
  FAIL("no step " << id);
  return plan.steps.front();
}

std::vector<std::string> IdsOf(const Plan& plan, const std::vector<size_t>& steps) {
  std::vector<std::string> ids;
  for (const size_t step : steps) {
    ids.push_back(plan.steps[step].id);
  }
  return ids;
}

const CallTemplate& ActionOf(const Step& step) {
  return std::get<CallTemplate>(*std::get<CallWork>(step.work).forward);
}

TEST_CASE("the header of a definition becomes that of the plan") {
  const auto plan = Everything();
  CHECK(plan->name == "everything");
  CHECK(plan->version == 0);
  CHECK(plan->mode == Mode::kSaga);
  CHECK(plan->deadline == minutes(90));
  REQUIRE(plan->input);
  CHECK(plan->input->Validate({{"city", "Rome"}}).empty());
  CHECK_FALSE(plan->input->Validate({{"town", "Rome"}}).empty());
  CHECK(plan->output);
  CHECK(plan->labels.size() == 2);
}

TEST_CASE("participants are resolved from the environment") {
  const auto plan = Everything();
  REQUIRE(plan->participants.size() == 2);
  const Participant& flights = plan->participants[0];
  const auto& http = std::get<HttpAddress>(flights.address);
  CHECK(http.base_url == "http://flights.test:7001/api");
  REQUIRE(http.headers.size() == 1);
  CHECK(http.headers[0] == std::pair<std::string, std::string>("Authorization", "Bearer secret"));
  CHECK(flights.timeout == seconds(3));
  CHECK(flights.max_concurrent_calls == 10);
  CHECK(flights.max_calls_per_second == 2.5);
  const auto& grpc = std::get<GrpcAddress>(plan->participants[1].address);
  CHECK(grpc.target == "hotels.test:7002");
  CHECK(grpc.service == "travel.v1.Hotels");
  CHECK(grpc.tls);
  CHECK(grpc.descriptor_set == std::string("\x0A\x00", 2));
  CHECK(grpc.metadata.size() == 1);
}

TEST_CASE("sensitive headers and metadata are named without case, at most so many") {
  const auto plan = PlanOf(R"({"name": "d", "participants": {
      "p": {"http": "http://p.test", "sensitiveHeaders": ["X-Key", "authorization"]},
      "q": {"grpc": "q.test:1", "service": "s.S", "sensitiveMetadata": ["x-key"]},
      "r": {"http": "http://r.test"}}, "steps": [{"id": "s",
      "participant": "p", "action": {"post": "/x"}, "compensate": null}]})");
  CHECK(plan->participants[0].sensitive_headers ==
        std::vector<std::string>{"x-key", "authorization"});
  CHECK(plan->participants[1].sensitive_headers == std::vector<std::string>{"x-key"});
  CHECK(plan->participants[2].sensitive_headers.empty());
  std::string names;
  for (size_t i = 0; i <= limits::kMaxSensitiveHeaders; ++i) {
    names += (names.empty() ? "\"x" : ", \"x") + std::to_string(i) + '"';
  }
  const auto compiled = Compile(R"({"name": "d", "participants": {
      "p": {"http": "http://p.test", "sensitiveHeaders": [)" +
                                    names + R"(]}}, "steps": [{"id": "s",
      "participant": "p", "action": {"post": "/x"}, "compensate": null}]})",
                                CompileOptions());
  const auto* problems = std::get_if<Problems>(&compiled);
  REQUIRE(problems != nullptr);
  CHECK(problems->front().code == "definition.too_many");
}

TEST_CASE("a header's secret stays a name") {
  const auto plan = PlanOf(R"({"name": "d", "participants": {"p": {"http": "http://p.test",
      "headers": {"Authorization": "Bearer ${secret.PAY}", "X": "y"}}}, "steps": [{"id": "s",
      "participant": "p", "action": {"post": "/x"}, "compensate": null}]})");
  const auto& http = std::get<HttpAddress>(plan->participants[0].address);
  REQUIRE(http.secret_headers.size() == 1);
  CHECK(http.headers.size() == 1);
  const auto& [name, text] = http.secret_headers[0];
  CHECK(name == "Authorization");
  REQUIRE(text.parts.size() == 2);
  CHECK(text.parts[0].text == "Bearer ");
  CHECK(text.parts[1].secret);
  CHECK(text.parts[1].text == "PAY");
}

TEST_CASE("scheme and host of an address have no case") {
  const auto address = [](const std::string& url) {
    const auto plan = PlanOf(R"({"name": "d", "participants": {"p": {"http": ")" + url +
                             R"("}}, "steps": [{"id": "s", "participant": "p",
                             "action": {"post": "/x"}, "compensate": null}]})");
    return std::get<HttpAddress>(plan->participants[0].address).base_url;
  };
  CHECK(address("HTTP://Flights.TEST:7001/Api") == "http://flights.test:7001/Api");
  CHECK(address("hTTpS://Flights") == "https://flights");
}

TEST_CASE("the service and methods named are held against the descriptor set") {
  const auto problems_of = [](const std::string& service, const std::string& method,
                              const DescriptorReader& reader) {
    const Json source = {
        {"name", "stay"},
        {"participants",
         {{"hotels",
           {{"grpc", "hotels.test:1"}, {"service", service}, {"descriptorSet", "c2V0"}}}}},
        {"steps",
         {{{"id", "hotel"},
           {"participant", "hotels"},
           {"action", {{"rpc", method}}},
           {"compensate", nullptr}}}}};
    CompileOptions options = TestOptions();
    options.read_descriptors = reader;
    std::vector<std::string> found;
    for (const Problem& problem : ProblemsOf(DumpJson(source), options)) {
      found.push_back(problem.pointer + " " + problem.code + " " + problem.suggestion);
    }
    return found;
  };
  using Found = std::vector<std::string>;
  const DescriptorReader hotels = [](std::string_view set) -> Result<Found> {
    CHECK(set == "set");
    return Found{"travel.v1.Hotels/Reserve", "travel.v1.Hotels/Release", "travel.v1.Cars/Book"};
  };
  CHECK(problems_of("travel.v1.Hotels", "Reserve", hotels).empty());
  CHECK(problems_of("travel.v1.Hotels", "Reserv", hotels) ==
        Found{"/steps/0/action/rpc definition.unknown_method did you mean 'Reserve'?"});
  // A method of another service of the set.
  CHECK(problems_of("travel.v1.Hotels", "Book", hotels) ==
        Found{"/steps/0/action/rpc definition.unknown_method "
              "those it has are 'Reserve' and 'Release'"});
  CHECK(problems_of("travel.v1.Hotel", "Reserve", hotels) ==
        Found{"/participants/hotels/service definition.unknown_service "
              "did you mean 'travel.v1.Hotels'?"});
  const DescriptorReader broken = [](std::string_view) -> Result<Found> {
    return InvalidArgument("descriptor_set.invalid", "no such thing");
  };
  CHECK(problems_of("travel.v1.Hotels", "Reserve", broken) ==
        Found{"/participants/hotels/descriptorSet definition.bad_descriptor_set "
              "encode what 'protoc --include_imports --descriptor_set_out' wrote"});
  CHECK(problems_of("travel.v1.Hotel", "Reserv", nullptr).empty());
}

TEST_CASE("the plan keeps the variables that it names, and no others") {
  const auto plan = Everything();
  CHECK(plan->env == Json({{"FLIGHTS_URL", "http://flights.test:7001/api/"},
                           {"HOTELS_ADDR", "hotels.test:7002"},
                           {"TOKEN", "secret"}}));
  CompileOptions stored;
  stored.allowed_env = {"*"};
  stored.lookup_env = EnvFrom(plan->env);
  CHECK(PlanOf(ReadFile(CaseFolder() / "good/everything.json"), stored)->env == plan->env);
}

TEST_CASE("offline, a variable that is not set stands for itself") {
  CompileOptions offline;
  offline.offline = true;
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/everything.json"), offline);
  CHECK(std::get<HttpAddress>(plan->participants[0].address).base_url == "${env.FLIGHTS_URL}");
  CHECK(plan->env["TOKEN"] == "${env.TOKEN}");
}

TEST_CASE("a step comes after the one before it unless it says otherwise") {
  const auto plan = Everything();
  const auto after = [&](std::string_view id) { return IdsOf(*plan, StepOf(*plan, id).after); };
  CHECK(after("flight").empty());
  CHECK(after("rooms").empty());
  CHECK(after("approval") == std::vector<std::string>{"cool_off"});
  CHECK(after("tickets") == std::vector<std::string>{"opening"});
  CHECK(IdsOf(*plan, StepOf(*plan, "flight").before) ==
        std::vector<std::string>{"cool_off", "insurance"});
}

TEST_CASE("steps stand after their predecessors, else as in the definition") {
  const auto plan = PlanOf(R"({
    "name": "order", "steps": [
      { "id": "a", "after": ["c"], "wait": { "for": "1s" } },
      { "id": "b", "after": [], "wait": { "for": "1s" } },
      { "id": "c", "after": [], "wait": { "for": "1s" } },
      { "id": "d", "after": ["b", "b"], "wait": { "for": "1s" } }
    ] })");
  std::vector<std::string> ids;
  for (const Step& step : plan->steps) {
    ids.push_back(step.id);
    for (const size_t predecessor : step.after) {
      CHECK(predecessor < ids.size() - 1);
    }
  }
  CHECK(ids == std::vector<std::string>{"b", "c", "a", "d"});
  CHECK(StepOf(*plan, "d").after == std::vector<size_t>{0});
  CHECK(plan->steps[0].before == std::vector<size_t>{3});
}

TEST_CASE("steps after the pivot only go forward and are tried for longer") {
  const auto plan = Everything();
  CHECK(StepOf(*plan, "pay").pivot);
  CHECK_FALSE(StepOf(*plan, "pay").after_pivot);
  CHECK(StepOf(*plan, "tickets").after_pivot);
  CHECK_FALSE(StepOf(*plan, "flight").after_pivot);
  CHECK(StepOf(*plan, "tickets").retry.max == DefaultSettleRetry().max);
  CHECK(StepOf(*plan, "pay").retry.max == RetryPolicy().max);
}

TEST_CASE("a policy inherits what it does not say") {
  const auto plan = Everything();
  const Step& flight = StepOf(*plan, "flight");
  CHECK(flight.retry.initial == milliseconds(50));
  CHECK(flight.retry.attempts == 5);
  CHECK(flight.retry.factor == RetryPolicy().factor);
  CHECK(flight.settle_retry.attempts == 60);
  CHECK(flight.settle_retry.factor == 3.0);
  CHECK(flight.settle_retry.jitter == 0.5);
  CHECK(flight.settle_retry.max == minutes(2));
  const auto bare = PlanOf(ReadFile(CaseFolder() / "good/minimal.json"));
  CHECK(bare->steps[0].settle_retry.attempts == DefaultSettleRetry().attempts);
}

TEST_CASE("a long first delay raises the cap that nobody named") {
  const auto plan = PlanOf(R"({
    "name": "slow", "retry": { "initial": "1m" }, "participants": { "p": { "http": "http://p" } },
    "steps": [ { "id": "a", "participant": "p", "action": { "get": "/" }, "compensate": null } ] })");
  CHECK(plan->steps[0].retry.initial == minutes(1));
  CHECK(plan->steps[0].retry.max == minutes(1));
}

TEST_CASE("the nearest timeout counts") {
  const auto plan = Everything();
  CHECK(StepOf(*plan, "flight").timeout == seconds(2));
  CHECK(StepOf(*plan, "pay").timeout == seconds(3));
  CHECK(StepOf(*plan, "rooms").timeout == seconds(5));
  CHECK(StepOf(*plan, "flight").deadline == seconds(30));
  CHECK(PlanOf(ReadFile(CaseFolder() / "good/minimal.json"))->steps[0].timeout ==
        limits::kDefaultCallTimeout);
}

TEST_CASE("a participant that a call names itself brings its own timeout") {
  const auto plan = PlanOf(R"({
    "name": "x", "timeout": "4s",
    "participants": { "p": { "http": "http://p", "timeout": "2s" },
                      "q": { "http": "http://q", "timeout": "3s" }, "r": { "http": "http://r" } },
    "steps": [
      { "id": "a", "action": { "post": "/", "participant": "p" },
        "compensate": { "delete": "/", "participant": "r" } },
      { "id": "b", "participant": "p", "action": { "post": "/" },
        "alternatives": [ { "post": "/", "participant": "q" }, { "post": "/", "participant": "r" } ],
        "compensate": null },
      { "id": "c", "timeout": "1s", "action": { "post": "/", "participant": "q" },
        "compensate": null } ] })");
  const auto timeout = [](const OperationTemplate& operation, const Step& step) {
    return std::get<CallTemplate>(operation).timeout.value_or(step.timeout);
  };
  const auto& [a, b, c] = std::tie(plan->steps[0], plan->steps[1], plan->steps[2]);
  CHECK(timeout(*std::get<CallWork>(a.work).forward, a) == seconds(2));
  CHECK(timeout(std::get<CallWork>(a.work).undo->call, a) == seconds(4));
  CHECK(a.timeout == seconds(4));
  CHECK(timeout(*std::get<CallWork>(b.work).forward, b) == seconds(2));
  CHECK(b.timeout == seconds(4));
  CHECK(timeout(*std::get<CallWork>(b.work).alternatives[0].forward, b) == seconds(3));
  CHECK(timeout(*std::get<CallWork>(b.work).alternatives[1].forward, b) == seconds(4));
  CHECK(timeout(*std::get<CallWork>(c.work).forward, c) == seconds(1));
}

TEST_CASE("only a two-phase commit has a deadline unless it states one") {
  const auto deadline = [](const std::string& head) {
    return PlanOf(R"({ "name": "x", "participants": { "p": { "http": "http://p" } }, )" + head +
                  "}")
        ->deadline;
  };
  const std::string prepare = R"("steps": [ { "id": "a", "participant": "p",
      "prepare": { "post": "/" }, "commit": { "post": "/c" }, "rollback": { "post": "/r" } } ])";
  CHECK(deadline(R"("mode": "2pc", )" + prepare) == limits::kDefaultTwoPhaseDeadline);
  CHECK(deadline(R"("mode": "2pc", "deadline": "2h", )" + prepare) == minutes(120));
  CHECK_FALSE(deadline(R"("steps": [ { "id": "a", "participant": "p", "action": { "post": "/" },
      "compensate": { "delete": "/" } } ])"));
  CHECK_FALSE(deadline(R"("mode": "tcc", "steps": [ { "id": "a", "participant": "p",
      "try": { "post": "/" }, "confirm": { "post": "/c" }, "cancel": { "post": "/x" } } ])"));
}

TEST_CASE("bounds of a step count for its calls, also beside a child") {
  const auto plan = PlanOf(R"({
    "name": "x", "participants": { "p": { "http": "http://p" } },
    "steps": [ { "id": "a", "participant": "p", "timeout": "1s", "deadline": "1m",
                 "retry": { "attempts": 2 }, "action": { "transaction": { "definition": "y" } },
                 "alternatives": [ { "post": "/" } ], "compensate": null },
               { "id": "b", "participant": "p", "timeout": "1s",
                 "action": { "transaction": { "definition": "y" } },
                 "compensate": { "delete": "/" } } ] })");
  CHECK(plan->steps[0].timeout == seconds(1));
  CHECK(plan->steps[0].deadline == minutes(1));
  CHECK(plan->steps[1].timeout == seconds(1));
}

TEST_CASE("too many participants are one mistake") {
  Json definition = {{"name", "x"}, {"steps", Json::array()}};
  for (size_t i = 0; i <= limits::kMaxParticipants; ++i) {
    definition["participants"]["p" + std::to_string(i)] = {{"http", "http://p"}};
  }
  definition["steps"].push_back({{"id", "a"},
                                 {"participant", "p1"},
                                 {"action", {{"post", "/"}}},
                                 {"compensate", {{"delete", "/"}, {"participant", "p64"}}}});
  const Problems problems = ProblemsOf(DumpJson(definition));
  INFO(Describe(problems));
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].pointer == "/participants");
}

TEST_CASE("the regular expressions of a definition share one budget") {
  Json definition = Json::parse(R"_({
    "name": "x", "participants": { "p": { "http": "http://p" } },
    "steps": [ { "id": "a", "participant": "p", "action": { "post": "/" }, "compensate": null } ]
  })_");
  const std::string large = R"(${gid.matches(r'[\p{L}]{1,20}')})";
  Json& step = definition["steps"][0];
  step["when"] = large;
  step["action"]["body"] = std::vector<std::string>(5, large);
  definition["output"] = {{"a", large}};
  CHECK(ProblemsOf(DumpJson(definition)).empty());
  step["action"]["body"] = std::vector<std::string>(100, large);
  const Problems problems = ProblemsOf(DumpJson(definition));
  REQUIRE_FALSE(problems.empty());
  CHECK(problems[0].code == "definition.bad_expression");
  CHECK_THAT(problems[0].message, Catch::Contains("limit of 250000 instructions together"));
  CHECK(problems[0].pointer == "/output/a");  // By place; it was compiled last.
}

TEST_CASE("an HTTP call is rendered from the definition") {
  const auto plan = Everything();
  const CallTemplate& call = ActionOf(StepOf(*plan, "flight"));
  CHECK(plan->participants[call.participant].name == "flights");
  const auto& request = std::get<HttpRequestTemplate>(call.request);
  CHECK(request.method == "PUT");
  const Json names = {{"key", "k/1"}, {"gid", "g"}, {"input", {{"city", "Rome"}}}};
  const cel::Activation activation(names);
  const auto path = request.path.RenderText(
      activation,
      [](const cel::Value&, std::string_view text) { return "<" + std::string(text) + ">"; });
  REQUIRE(path.ok());
  CHECK(*path == "/bookings/<k/1>?city=<Rome>");
  REQUIRE(request.headers.size() == 1);
  CHECK(request.headers[0].first == "X-Trace");
  REQUIRE(request.body);
  CHECK(*request.body->Render(activation) ==
        Json({{"to", "Rome"}, {"tags", {"a", "${literal}", 1, nullptr}}}));
  CHECK(call.answers.succeed_on == std::vector<int>{409});
  CHECK(call.answers.fail_on == std::vector<int>{404, 410});
}

TEST_CASE("a gRPC call names its statuses by number") {
  const auto plan = Everything();
  const CallTemplate& call = ActionOf(StepOf(*plan, "rooms"));
  CHECK(std::get<GrpcRequestTemplate>(call.request).method == "Reserve");
  CHECK(call.answers.succeed_on == std::vector<int>{6});
  CHECK(call.answers.fail_on == std::vector<int>{12, 11});
}

TEST_CASE("an operation may call another participant than its step") {
  const auto plan = Everything();
  const CallTemplate& call = ActionOf(StepOf(*plan, "tickets"));
  CHECK(plan->participants[call.participant].name == "flights");
  CHECK(std::get<HttpRequestTemplate>(call.request).method == "PATCH");
}

TEST_CASE("an undo says what to do when the outcome is unknown") {
  const auto plan = Everything();
  const auto& flight = std::get<CallWork>(StepOf(*plan, "flight").work);
  REQUIRE(flight.undo);
  CHECK(flight.undo->when_unknown == UndoTemplate::WhenUnknown::kOtherCall);
  CHECK(flight.undo->other_call);
  const auto& rooms = std::get<CallWork>(StepOf(*plan, "rooms").work);
  CHECK(rooms.undo->when_unknown == UndoTemplate::WhenUnknown::kIncident);
  CHECK_FALSE(rooms.undo->other_call);
  const auto& insurance = std::get<CallWork>(StepOf(*plan, "insurance").work);
  CHECK(insurance.undo->when_unknown == UndoTemplate::WhenUnknown::kSameCall);
  const auto minimal = PlanOf(ReadFile(CaseFolder() / "good/minimal.json"));
  CHECK_FALSE(std::get<CallWork>(minimal->steps[0].work).undo);
}

TEST_CASE("a child transaction is an operation") {
  const auto plan = Everything();
  const auto& work = std::get<CallWork>(StepOf(*plan, "insurance").work);
  const auto& child = std::get<ChildTemplate>(*work.forward);
  CHECK(child.definitions == std::vector<std::string>{"insure"});
  CHECK(child.version == 3u);
  CHECK_FALSE(child.input.is_literal());
  CHECK(std::get<ChildTemplate>(work.undo->call).version == std::nullopt);
}

TEST_CASE("what is undone by its own compensations is the transaction of that very way") {
  const auto plan = PlanOf(ReadFile(CaseFolder() / "good/held.json"));
  const auto undone = [&](std::string_view id, size_t way) {
    const auto& work = std::get<CallWork>(StepOf(*plan, id).work).way(way);
    CHECK(work.HoldsChild());
    return std::get<ChildTemplate>(work.undo->call).definitions;
  };
  CHECK(undone("room", 0) == std::vector<std::string>{"book-room"});
  CHECK(undone("room", 1) == std::vector<std::string>{"book-tent"});
  CHECK_FALSE(std::get<CallWork>(StepOf(*plan, "room").work).way(2).HoldsChild());
  CHECK_FALSE(std::get<CallWork>(StepOf(*plan, "meal").work).HoldsChild());
  CHECK(undone("meal", 1) == std::vector<std::string>{"cook"});
  CHECK(undone("car", 0) == std::vector<std::string>{"car-small", "car-large"});
}

TEST_CASE("waits are steps of their own kind") {
  const auto plan = Everything();
  const auto wait = [&](std::string_view id) { return std::get<WaitWork>(StepOf(*plan, id).work); };
  CHECK(std::holds_alternative<WaitFor>(wait("cool_off")));
  CHECK(std::holds_alternative<WaitUntil>(wait("opening")));
  const auto signal = std::get<WaitSignal>(wait("approval"));
  CHECK(signal.name == "approved");
  CHECK(signal.timeout == hours(2));
  CHECK_FALSE(signal.fail_on_timeout);
}

TEST_CASE("forEach bounds its branches, also in its short form") {
  const auto plan = Everything();
  REQUIRE(StepOf(*plan, "rooms").for_each);
  CHECK(StepOf(*plan, "rooms").for_each->max_parallel == 4);
  const auto brief = PlanOf(R"({
    "name": "brief", "participants": { "p": { "http": "http://p" } }, "steps": [ { "id": "a",
      "participant": "p", "forEach": "${input.list}", "action": { "put": "/${key}/${index}" },
      "compensate": null } ] })");
  CHECK(brief->steps[0].for_each->max_parallel == limits::kDefaultForEachParallel);
}

TEST_CASE("the other modes become plans of the same shape") {
  const auto tcc = PlanOf(ReadFile(CaseFolder() / "good/tcc.json"));
  CHECK(tcc->mode == Mode::kTcc);
  const auto& flight = std::get<CallWork>(StepOf(*tcc, "flight").work);
  CHECK(flight.finish);
  CHECK(flight.undo);
  CHECK(StepOf(*tcc, "flight").settle_retry.attempts == 100);
  CHECK(StepOf(*tcc, "flight").settle_retry.max == minutes(5));
  const auto& check = std::get<CallWork>(StepOf(*tcc, "credit_check").work);
  CHECK_FALSE(check.finish);
  CHECK_FALSE(check.undo);
  const auto bank = PlanOf(ReadFile(CaseFolder() / "good/two-phase-commit.json"));
  CHECK(bank->mode == Mode::kTwoPhaseCommit);
  CHECK(std::get<CallWork>(bank->steps[1].work).finish);
  CHECK_FALSE(bank->steps[0].one_phase);
  CHECK(bank->steps[1].one_phase);
}

TEST_CASE("a reservation's expiry has a margin, twice the timeout unless it is stated") {
  const auto tcc = PlanOf(ReadFile(CaseFolder() / "good/tcc.json"));
  CHECK(StepOf(*tcc, "flight").expires->margin == seconds(20));
  CHECK(StepOf(*tcc, "hotel").expires->margin == seconds(5));
  CHECK_FALSE(StepOf(*tcc, "credit_check").expires);
}

TEST_CASE("an address that is not to be called is a mistake of the participant that has it") {
  CompileOptions options = TestOptions();
  std::vector<std::string> asked;
  options.check_address = [&asked](std::string_view address, bool grpc) {
    asked.push_back((grpc ? "grpc " : "http ") + std::string(address));
    return grpc ? InvalidArgument("address.own", "it is the coordinator's own") : Status();
  };
  const std::string source = R"({"name": "d", "mode": "saga",
      "participants": {"a": {"http": "http://a:1"}, "b": {"grpc": "b:2", "service": "x.Y"},
                       "c": {"http": "c"}},
      "steps": [{"id": "s", "participant": "a", "action": {"post": "/x"}, "compensate": null}]})";
  const Problems problems = ProblemsOf(source, options);
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].pointer == "/participants/b/grpc");
  CHECK(problems[0].code == "definition.address_not_allowed");
  CHECK(problems[0].message == "it is the coordinator's own");
  CHECK(problems[1].code == "definition.bad_address");
  CHECK(asked == std::vector<std::string>{"http http://a:1", "grpc b:2"});
}

TEST_CASE("a mode that can not be run here is refused by its name") {
  CompileOptions options = TestOptions();
  options.modes = {Mode::kSaga};
  const Problems problems = ProblemsOf(ReadFile(CaseFolder() / "good/tcc.json"), options);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].code == "definition.mode_not_supported");
  CHECK(problems[0].pointer == "/mode");
  CHECK(problems[0].line == 3);
  CHECK(problems[0].column == 11);
}

TEST_CASE("text that is no JSON keeps the reader's reason and place") {
  const Problems problems = ProblemsOf("{\n \"a\": 1,\n \"a\": 2 }");
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].code == "json.duplicate_key");
  CHECK(problems[0].line == 3);
  CHECK(ProblemsOf("")[0].code == "json.syntax");
  CHECK(ProblemsOf("\"\xFF\"")[0].code == "json.bad_utf8");
  CHECK(ProblemsOf(std::string(100, '['))[0].code == "json.too_deep");
  CHECK(ProblemsOf(std::string(limits::kMaxDefinitionBytes + 1, ' '))[0].code == "json.too_large");
}

TEST_CASE("problems are shown in the order of the text, and not without end") {
  std::string many = "{\"name\": \"x\"";
  for (int i = 0; i < 1000; ++i) {
    many += ",\n\"f" + std::to_string(i) + "\": 1";
  }
  const Problems problems = ProblemsOf(many + "}");
  CHECK(problems.size() == kMaxProblems);
  CHECK(std::is_sorted(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  }));
}

TEST_CASE("a problem reads well as text and as JSON") {
  const Problem problem{
      "/a", 3, 7, "definition.unknown_field", "unknown field 'a'", "did you mean 'b'?"};
  CHECK(FormatProblem(problem) == "3:7: /a: unknown field 'a'; did you mean 'b'?");
  CHECK(ProblemToJson(problem)["line"] == 3);
  CHECK(ProblemToJson(problem)["suggestion"] == "did you mean 'b'?");
  CHECK_FALSE(ProblemToJson({"", 1, 1, "c", "m", ""}).contains("suggestion"));
  const Status status = ProblemsToStatus({problem, problem});
  CHECK(status.code() == StatusCode::kInvalidArgument);
  CHECK(status.reason() == "definition.invalid");
  CHECK(
      status.message() ==
      "the definition has 2 problems, the first at 3:7: /a: unknown field 'a'; did you mean 'b'?");
}

TEST_CASE("a stored definition keeps a format that can not be checked") {
  const std::string source = R"({"name": "d", "mode": "saga",
      "input": {"properties": {"phone": {"format": "phone"}}},
      "participants": {"p": {"http": "http://p.example"}},
      "steps": [{"id": "a", "participant": "p", "action": {"put": "/a"},
                 "compensate": {"delete": "/a"}}]})";
  CompileOptions options = TestOptions();
  const Problems problems = ProblemsOf(source, options);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].pointer == "/input/properties/phone/format");
  options.stored = true;
  CHECK(ProblemsOf(source, options).empty());
}

}  // namespace
}  // namespace entente::dsl
