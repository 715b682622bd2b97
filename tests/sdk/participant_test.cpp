#include "entente/participant.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

namespace entente::sdk {
namespace {

HttpRequest Post(const std::string& target, const std::string& body = "{}",
                 HttpHeaderList more = {}) {
  HttpRequest request{.method = "POST",
                      .target = target,
                      .headers = {{"Entente-Gid", "g1"}, {"entente-branch", "flight"}},
                      .body = body};
  for (auto& header : more) {
    request.headers.push_back(std::move(header));
  }
  return request;
}

std::string Header(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

std::string CodeOf(const HttpResponse& response) {
  return Json::parse(response.body).value("code", "");
}

// A participant whose saga handler "x" answers everything with `answer`.
struct Answering {
  explicit Answering(const Result<Answer>& answer) {
    const Handler handler = [answer](const Call&) { return answer; };
    REQUIRE(participant.Register("x", SagaHandlers{handler, handler}).ok());
    REQUIRE(participant.Register("x", TwoPhaseHandlers{handler, handler, handler}).ok());
  }
  HttpResponse Ask(const std::string& operation) {
    return participant.Handle(
        Post("/x/" + operation, "{}", {{"Entente-Completion-Token", "t0ken"}}));
  }
  Participant participant;
};

TEST_CASE("a handler is given the facts of its call") {
  Participant participant("/entente");
  Call seen;
  const Handler remember = [&seen](const Call& call) -> Result<Answer> {
    seen = call;
    return Done({{"seat", "12A"}});
  };
  REQUIRE(participant.Register("flight", TwoPhaseHandlers{remember, remember, remember}).ok());
  const HttpResponse response =
      participant.Handle(Post("/entente/flight/commit?x=1", R"({"to":"Rome"})",
                              {{"IDEMPOTENCY-KEY", "g1:flight:alt2:commit"},
                               {"Entente-Operation", "commit"},
                               {"Entente-Attempt", "3"},
                               {"Entente-Epoch", "7"},
                               {"Entente-Coordinator", "0123456789abcdef"},
                               {"Entente-Completion-Token", "token"},
                               {"Entente-One-Phase", "true"},
                               {"Entente-Deadline", "1700000000123"},
                               {"traceparent", "00-a-b-01"}}));
  CHECK(response.status == 200);
  CHECK(response.body == R"({"seat":"12A"})");
  CHECK(Header(response, "Content-Type") == "application/json");
  CHECK(seen.gid.str() == "g1");
  CHECK(seen.branch.str() == "flight");
  CHECK(seen.operation == Operation::kCommit);
  CHECK(seen.alternative == 2);
  CHECK(seen.attempt == 3);
  CHECK(seen.epoch == Epoch(7));
  CHECK(seen.coordinator == "0123456789abcdef");
  CHECK(seen.idempotency_key == "g1:flight:alt2:commit");
  CHECK(seen.completion_token == "token");
  CHECK(seen.one_phase);
  CHECK(seen.deadline == InstantFromMicros(1'700'000'000'123'000));
  CHECK(seen.traceparent == "00-a-b-01");
  CHECK(seen.input == Json{{"to", "Rome"}});
  // Without them there are defaults; an empty body is null.
  CHECK(participant.Handle(Post("/entente/flight/prepare", "")).status == 200);
  CHECK(seen.attempt == 1);
  CHECK_FALSE(seen.epoch);
  CHECK(seen.coordinator.empty());
  CHECK_FALSE(seen.one_phase);
  CHECK(seen.input == nullptr);
}

TEST_CASE("a whole number is an integer, however it is written") {
  Participant participant;
  Json seen;
  const Handler remember = [&seen](const Call& call) -> Result<Answer> {
    seen = call.input;
    return Done();
  };
  REQUIRE(participant.Register("x", SagaHandlers{remember, remember}).ok());
  const auto given = [&](const std::string& body) {
    CHECK(participant.Handle(Post("/x/action", body)).status == 200);
    return seen;
  };
  for (const char* two : {"2", "2.0", "2e0", "0.2e1", "20E-1"}) {
    CHECK(given(two).is_number_integer());
    CHECK(given(two) == 2);
  }
  CHECK(given("-0.0").dump() == "0");
  CHECK(given("2.5").is_number_float());
  CHECK(given("1e300").is_number_float());
  CHECK(given("9007199254740993").dump() == "9007199254740993");
  CHECK(given(R"({"a":[1.0,{"b":3.0}]})").dump() == R"({"a":[1,{"b":3}]})");
}

TEST_CASE("a deadline that is none is refused") {
  for (const char* bad : {"soon", "-1", "1.5", "9223372036854775808", "9223372036854776"}) {
    const HttpResponse response =
        Answering(Done()).participant.Handle(Post("/x/action", "{}", {{"Entente-Deadline", bad}}));
    CHECK(response.status == 400);
    CHECK(CodeOf(response) == "call.bad_fact");
  }
}

HttpRequest Get(const std::string& target, const std::string& operation = "action") {
  return {
      .method = "GET",
      .target = target,
      .headers = {
          {"Entente-Gid", "g1"}, {"Entente-Branch", "flight"}, {"Entente-Operation", operation}}};
}

TEST_CASE("what is pending is polled where its handler said") {
  Participant participant("/entente");
  Result<Answer> next = Done();
  std::string asked;
  Call seen;
  REQUIRE(participant
              .RegisterPoll("orders",
                            [&](const Call& call, std::string_view rest) {
                              asked = std::string(rest);
                              seen = call;
                              return next;
                            })
              .ok());
  const std::string location = participant.PollLocation("orders", "7/a");
  CHECK(location == "/entente/orders/7/a");
  const auto ask = [&](const Result<Answer>& answer) {
    next = answer;
    return participant.Handle(Get(location, "compensate"));
  };
  const HttpResponse done = ask(Done({{"seat", 4}}));
  CHECK(done.status == 200);
  CHECK(done.body == R"({"seat":4})");
  CHECK(asked == "7/a");
  CHECK(seen.operation == Operation::kCompensate);
  CHECK(seen.branch.str() == "flight");
  CHECK(seen.input == nullptr);
  // Not yet, also without a token, which no poll has.
  CHECK(ask(Pending()).status == 202);
  CHECK(ask(Retry("later", "ask again", std::chrono::seconds(2))).status == 425);
  CHECK(ask(Unavailable("down", "the database")).status == 425);
  CHECK(ask(OutOfService("down", "the database")).status == 503);
  CHECK(ask(Refused("unknown", "no such order")).status == 409);
  CHECK(ask(ReadOnly()).status == 500);
  CHECK(ask(Heuristic(HeuristicOutcome::kMixed, "x")).status == 500);
  // A query is none of its business.
  CHECK(participant.Handle(Get(location + "?x=1")).status == 500);
  CHECK(asked == "7/a");
  // What is polled elsewhere, or by whom nobody knows.
  CHECK(participant.Handle(Get("/entente/orders/")).status == 404);
  CHECK(participant.Handle(Get("/orders/7")).status == 404);
  CHECK(participant.Handle(Get("/entente/others/7")).status == 404);
  CHECK(participant.Handle(Get(location, "")).status == 400);
  HttpRequest post = Get(location);
  post.method = "POST";
  CHECK(participant.Handle(post).status == 404);
  CHECK(participant.RegisterPoll("orders", [](const Call&, std::string_view) { return Done(); })
            .reason() == "participant.duplicate");
  CHECK(participant.RegisterPoll("a/b", [](const Call&, std::string_view) { return Done(); })
            .reason() == "participant.bad_name");
  CHECK(participant.RegisterPoll("empty", {}).reason() == "participant.no_handler");
}

TEST_CASE("a poll's name may be that of handlers too, whatever they throw") {
  Participant participant;
  const Handler pending = [&](const Call&) -> Result<Answer> {
    return Pending(participant.PollLocation("poll", "status"));
  };
  REQUIRE(participant.Register("poll", SagaHandlers{pending, pending}).ok());
  REQUIRE(participant
              .RegisterPoll("poll",
                            [](const Call&, std::string_view) -> Result<Answer> {
                              throw std::runtime_error("boom");
                            })
              .ok());
  const HttpResponse accepted = participant.Handle(Post("/poll/action"));
  CHECK(accepted.status == 202);
  const HttpResponse polled = participant.Handle(Get(Header(accepted, "Location")));
  CHECK(polled.status == 500);
  CHECK(CodeOf(polled) == "handler.threw");
  // An operation's own address is not polled by mistake: it has a method of its own.
  CHECK(participant.Handle(Post("/poll/action", "{}")).status == 202);
}

TEST_CASE("a server that waits is given the answer of a handler that answers later") {
  Participant participant;
  std::vector<std::thread> threads;
  const Handler later = [&threads](const Call& call, Completion completion) {
    if (call.branch.str() == "throws") {
      throw std::runtime_error("boom");
    }
    threads.emplace_back([done = std::make_shared<Completion>(std::move(completion)),
                          silent = call.branch.str() == "silent"] {
      while (silent && done->wanted()) {
        std::this_thread::yield();
      }
      done->Finish(Done("later"));
    });
  };
  REQUIRE(participant.Register("x", SagaHandlers{later, {}}).ok());
  const auto ask = [&](const std::string& branch, const std::string& deadline) {
    return participant.Handle(
        {"POST",
         "/x/action",
         {{"Entente-Gid", "g"}, {"Entente-Branch", branch}, {"Entente-Deadline", deadline}},
         "{}"});
  };
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  CHECK(ask("b", "").body == R"("later")");
  CHECK(ask("b", std::to_string(now - 10'000)).body == R"("later")");
  CHECK(ask("throws", "").status == 500);
  const HttpResponse late = ask("silent", std::to_string(now + 1500));
  CHECK(late.status == 425);
  CHECK(CodeOf(late) == "call.too_late");
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(threads.size() == 3);
}

TEST_CASE("a try says until when it holds what it reserved") {
  Participant participant;
  const Handler hold = [](const Call&) -> Result<Answer> {
    return DoneUntil(InstantFromMicros(1'700'000'000'000'000), {{"seat", 1}});
  };
  REQUIRE(participant.Register("x", TccHandlers{hold, hold, hold}).ok());
  const HttpResponse response = participant.Handle(Post("/x/try", "{}", {}));
  CHECK(response.status == 200);
  CHECK(response.body == R"({"seat":1})");
  CHECK(Header(response, "Entente-Expires") == "2023-11-14T22:13:20Z");
  CHECK(Header(Answering(Done()).Ask("action"), "Entente-Expires").empty());
  // Nothing else expires.
  CHECK(participant.Handle(Post("/x/confirm", "{}", {})).status == 500);
}

TEST_CASE("each answer has its HTTP form") {
  const HttpResponse refused = Answering(Refused("full", "no seat")).Ask("action");
  CHECK(refused.status == 409);
  CHECK(CodeOf(refused) == "full");

  const HttpResponse pending = Answering(Pending("/orders/7")).Ask("action");
  CHECK(pending.status == 202);
  CHECK(Header(pending, "Entente-Pending") == "t0ken");
  CHECK(Header(pending, "Location") == "/orders/7");

  const HttpResponse retry =
      Answering(Retry("later", "soon", std::chrono::milliseconds(1200))).Ask("action");
  CHECK(retry.status == 425);
  CHECK(Header(retry, "Retry-After") == "2");
  CHECK(Header(Answering(Retry("later", "soon")).Ask("action"), "Retry-After").empty());

  const HttpResponse out =
      Answering(OutOfService("down", "gone", std::chrono::seconds(3))).Ask("action");
  CHECK(out.status == 503);
  CHECK(CodeOf(out) == "down");
  CHECK(Header(out, "Retry-After") == "3");

  const HttpResponse read_only = Answering(ReadOnly()).Ask("prepare");
  CHECK(read_only.status == 200);
  CHECK(Header(read_only, "Entente-Vote") == "read-only");

  const HttpResponse heuristic =
      Answering(Heuristic(HeuristicOutcome::kRolledBack, "by hand")).Ask("commit");
  CHECK(heuristic.status == 409);
  CHECK(Header(heuristic, "Entente-Heuristic") == "rolled-back");
  CHECK(Answering(Done()).Ask("compensate").body == "null");
}

TEST_CASE("an error proves nothing: it is to be asked again") {
  CHECK(Answering(Unavailable("barrier.busy", "locked")).Ask("action").status == 425);
  CHECK(Answering(UnknownOutcome("barrier.unknown", "lost")).Ask("action").status == 425);
  // What no other call would be spared.
  CHECK(Answering(Unavailable("barrier.no_connection", "down")).Ask("action").status == 503);
  CHECK(Answering(ResourceExhausted("pool.full", "full")).Ask("action").status == 503);
  CHECK(Answering(Internal("bug", "ours")).Ask("action").status == 500);
  Participant participant;
  REQUIRE(participant
              .Register("x", SagaHandlers{[](const Call&) -> Result<Answer> {
                                            throw std::runtime_error("boom");
                                          },
                                          {}})
              .ok());
  const HttpResponse threw = participant.Handle(Post("/x/action"));
  CHECK(threw.status == 500);
  CHECK(CodeOf(threw) == "handler.threw");
}

TEST_CASE("an answer without a meaning for the operation is the handler's mistake") {
  CHECK(Answering(ReadOnly()).Ask("action").status == 500);
  CHECK(Answering(Heuristic(HeuristicOutcome::kMixed, "")).Ask("action").status == 500);
  Answering pending(Pending());
  CHECK(CodeOf(pending.participant.Handle(Post("/x/action"))) == "handler.bad_answer");
}

TEST_CASE("a request that reaches no handler is refused with its reason") {
  Answering x(Done());
  const auto handle = [&x](const HttpRequest& request) {
    const HttpResponse response = x.participant.Handle(request);
    return std::to_string(response.status) + " " + CodeOf(response);
  };
  CHECK(handle(Post("/y/action")) == "404 handler.unknown");
  CHECK(handle(Post("/x/try")) == "404 handler.no_operation");
  CHECK(handle(Post("/x/dance")) == "404 handler.unknown");
  CHECK(handle(Post("/x")) == "404 handler.unknown");
  CHECK(handle(Post("")) == "404 handler.unknown");
  CHECK(handle(Post("/x/action/")) == "404 handler.unknown");
  CHECK(handle(Post("/x/action", "{")) == "400 json.syntax");
  CHECK(handle(Post("/x/action", R"({"a":1,"a":2})")) == "400 json.duplicate_key");
  CHECK(handle(Post("/x/action", std::string(limits::kMaxUndoBytes + 1, ' '))) ==
        "413 json.too_large");
  CHECK(handle(Post("/x/action", "{}", {{"Entente-Operation", "compensate"}})) ==
        "400 call.wrong_operation");
  CHECK(handle(Post("/x/action", "{}", {{"Entente-Epoch", "-1"}})) == "400 call.bad_fact");
  for (const char* id : {"0123456789abcde", "0123456789abcdeF", "0123456789abcdef0"}) {
    CHECK(handle(Post("/x/action", "{}", {{"Entente-Coordinator", id}})) == "400 call.bad_fact");
  }
  CHECK(handle(Post("/x/action", "{}", {{"Entente-Epoch", "9223372036854775808"}})) ==
        "400 call.bad_fact");
  CHECK(handle(Post("/x/action", "{}", {{"Entente-Attempt", "1x"}})) == "400 call.bad_fact");
  CHECK(handle({.method = "POST", .target = "/x/action"}) == "400 call.no_name");
  HttpRequest get = Post("/x/action");
  get.method = "GET";
  CHECK(handle(get) == "405 call.bad_method");
}

TEST_CASE("the completion token is echoed whole, however long the names in it are") {
  const std::string token =
      "v1." + std::string(128, 'g') + "." + std::string(128, 'b') + ".17.compensate.0123456789";
  Answering pending(Pending());
  HttpRequest request{.method = "POST",
                      .target = "/x/action",
                      .headers = {{"Entente-Gid", std::string(128, 'g')},
                                  {"Entente-Branch", std::string(128, 'b')},
                                  {"Entente-Completion-Token", token}},
                      .body = "{}"};
  const HttpResponse response = pending.participant.Handle(request);
  CHECK(response.status == 202);
  CHECK(Header(response, "Entente-Pending") == token);
}

TEST_CASE("a location that no header can carry is the handler's mistake, and is not shortened") {
  const std::string longest = "/orders/" + std::string(2040, '7');
  CHECK(Header(Answering(Pending(longest)).Ask("action"), "Location") == longest);
  for (const std::string& bad : {longest + "7", std::string("/x\r\nEvil: 1"), std::string("/a b"),
                                 std::string("/\xc3\xa4")}) {
    const HttpResponse response = Answering(Pending(bad)).Ask("action");
    CHECK(response.status == 500);
    CHECK(CodeOf(response) == "handler.bad_answer");
    CHECK(Header(response, "Location").empty());
  }
}

TEST_CASE("handlers are registered once, whole, and under a good name") {
  Participant participant;
  const Handler done = [](const Call&) -> Result<Answer> { return Done(); };
  CHECK(participant.Register("x", TccHandlers{done, done, {}}).reason() ==
        "participant.no_handler");
  CHECK(participant.Handle(Post("/x/try")).status == 404);
  CHECK(participant.Register("x", TccHandlers{done, done, done}).ok());
  CHECK(participant.Register("x", TccHandlers{done, done, done}).reason() ==
        "participant.duplicate");
  CHECK(participant.Register("x", SagaHandlers{done, {}}).ok());
  for (const char* name : {"", "a/b", "a b", "ä"}) {
    CHECK(participant.Register(name, SagaHandlers{done, done}).reason() == "participant.bad_name");
  }
}

}  // namespace
}  // namespace entente::sdk
