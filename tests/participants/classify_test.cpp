#include "coordinator/participants/classify.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/utf8.h"

namespace entente::participants {
namespace {

using dsl::Role;

const transport::Origin kOrigin = transport::ParseUrl("http://flights.example:8081/")->origin;

transport::HttpResponse Http(int status, std::string body = "{}",
                             std::vector<std::pair<std::string, std::string>> headers = {}) {
  transport::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  for (const auto& [name, value] : headers) {
    response.headers.Add(name, value);
  }
  return response;
}

AnswerContext Context(Role role = Role::kForward) {
  return {role, nullptr, "the-token", &kOrigin, Instant(std::chrono::seconds(1'000'000'000))};
}

struct KindNamer {
  std::string operator()(const engine::ReplyDone&) const { return "done"; }
  std::string operator()(const engine::ReplyRefused&) const { return "refused"; }
  std::string operator()(const engine::ReplyUnknown&) const { return "unknown"; }
  std::string operator()(const engine::ReplyNotSent&) const { return "not-sent"; }
  std::string operator()(const engine::ReplyPending& pending) const {
    return "pending " + pending.poll_url;
  }
  std::string operator()(const engine::ReplyHeuristic& heuristic) const {
    return "heuristic " + std::string(engine::HeuristicOutcomeName(heuristic.outcome));
  }
};

std::string KindOf(const engine::Reply& reply) {
  return std::visit(KindNamer{}, reply);
}

}  // namespace

TEST_CASE("every HTTP status has one meaning") {
  const auto [status, kind] = GENERATE(table<int, std::string>({
      {200, "done"},    {201, "done"},    {202, "done"},    {204, "done"},    {299, "done"},
      {300, "unknown"}, {301, "unknown"}, {302, "unknown"}, {307, "unknown"}, {400, "refused"},
      {401, "refused"}, {403, "refused"}, {404, "refused"}, {405, "refused"}, {408, "unknown"},
      {409, "refused"}, {410, "refused"}, {412, "refused"}, {422, "refused"}, {425, "unknown"},
      {429, "unknown"}, {451, "refused"}, {500, "unknown"}, {501, "unknown"}, {502, "unknown"},
      {503, "unknown"}, {504, "unknown"}, {599, "unknown"},
  }));
  CAPTURE(status);
  CHECK(KindOf(ClassifyHttp(Http(status), Context())) == kind);
}

TEST_CASE("every gRPC status has one meaning") {
  const auto [code, kind] = GENERATE(table<int, std::string>({
      {0, "done"},     {1, "unknown"},  {2, "unknown"},  {3, "refused"},  {4, "unknown"},
      {5, "refused"},  {6, "refused"},  {7, "refused"},  {8, "unknown"},  {9, "refused"},
      {10, "refused"}, {11, "refused"}, {12, "refused"}, {13, "unknown"}, {14, "unknown"},
      {15, "unknown"}, {16, "refused"}, {17, "unknown"}, {99, "unknown"},
  }));
  CAPTURE(code);
  transport::GrpcResponse response;
  response.code = code;
  CHECK(KindOf(ClassifyGrpc(std::move(response), Context())) == kind);
}

TEST_CASE("a definition widens what counts as done and as refused, and refused wins") {
  const dsl::AnswerRules rules{{404, 503}, {503, 200}};
  AnswerContext context = Context();
  context.rules = &rules;
  CHECK(KindOf(ClassifyHttp(Http(404, "no JSON"), context)) == "done");
  CHECK(KindOf(ClassifyHttp(Http(503), context)) == "refused");
  CHECK(KindOf(ClassifyHttp(Http(200), context)) == "refused");
  CHECK(KindOf(ClassifyHttp(Http(409), context)) == "refused");
}

TEST_CASE("a forward answer that can not be read is unknown, an undo's is done") {
  CHECK(KindOf(ClassifyHttp(Http(200, "<html>"), Context())) == "unknown");
  CHECK(KindOf(ClassifyHttp(Http(200, "<html>"), Context(Role::kUndo))) == "done");
  CHECK(KindOf(ClassifyHttp(Http(200, ""), Context())) == "done");
  const engine::Reply reply = ClassifyHttp(Http(200, R"({"id": 7})"), Context());
  CHECK(std::get<engine::ReplyDone>(reply).output == Json{{"id", 7}});
}

TEST_CASE("what a participant says is kept as text, whatever bytes it sent") {
  std::string body(299, 'x');
  body += "\xC3\xA9\xFF end";  // The excerpt ends in the middle of a character.
  const engine::Reply reply = ClassifyHttp(Http(409, body), Context());
  const std::string& message = std::get<engine::ReplyRefused>(reply).failure.message;
  CHECK(ValidUtf8Prefix(message) == message.size());
  CHECK(message.find("x\xEF\xBF\xBD") != std::string::npos);

  transport::GrpcResponse grpc;
  grpc.code = 9;
  grpc.message = "\xFF\xFE";
  const engine::Reply refused = ClassifyGrpc(std::move(grpc), Context());
  const std::string& text = std::get<engine::ReplyRefused>(refused).failure.message;
  CHECK(ValidUtf8Prefix(text) == text.size());

  CHECK(KindOf(ClassifyHttp(Http(202, "", {{"Location", "/jobs/\xFF"}}), Context())) == "unknown");
}

TEST_CASE("202 is pending only with a place to ask or the token that was sent") {
  const auto kind = [](std::vector<std::pair<std::string, std::string>> headers) {
    return KindOf(ClassifyHttp(Http(202, "{}", std::move(headers)), Context()));
  };
  CHECK(kind({}) == "done");
  CHECK(kind({{"Entente-Pending", "the-token"}}) == "pending ");
  CHECK(kind({{"Entente-Pending", "another"}}) == "unknown");
  CHECK(kind({{"Location", "/jobs/1"}}) == "pending http://flights.example:8081/jobs/1");
  CHECK(kind({{"Location", "http://flights.example:8081/jobs/1"}}) ==
        "pending http://flights.example:8081/jobs/1");
  AnswerContext context = Context();
  context.asked = "/flights/book?at=1";
  CHECK(KindOf(ClassifyHttp(Http(202, "", {{"Location", "jobs/1"}}), context)) ==
        "pending http://flights.example:8081/flights/jobs/1");
  CHECK(KindOf(ClassifyHttp(Http(202, "", {{"Location", "?job=1"}}), context)) ==
        "pending http://flights.example:8081/flights/book?job=1");
}

TEST_CASE("an answer can not steer the coordinator to another host") {
  for (const char* location :
       {"http://evil.example/", "//evil.example/x", "https://flights.example:8081/x",
        "http://flights.example:8082/x", "ftp://flights.example:8081/x", ""}) {
    CAPTURE(location);
    CHECK(KindOf(ClassifyHttp(Http(202, "{}", {{"Location", location}}), Context())) == "unknown");
  }
}

TEST_CASE("a poll that says nothing certain is repeated") {
  const auto [status, kind] = GENERATE(table<int, std::string>({
      {200, "done"},
      {202, "pending u"},
      {302, "pending u"},
      {404, "pending u"},
      {408, "pending u"},
      {409, "refused"},
      {410, "refused"},
      {429, "pending u"},
      {500, "pending u"},
      {503, "pending u"},
  }));
  CAPTURE(status);
  CHECK(KindOf(ClassifyPoll(Http(status), "u", Context())) == kind);
  CHECK(KindOf(ClassifyPoll(Http(200, "<html>"), "u", Context())) == "pending u");
}

TEST_CASE("what the transport knows decides between unknown and not sent") {
  using transport::CallFailure;
  const auto kind = [](CallFailure failure) {
    return KindOf(ClassifyError({failure, "reason", "message"}));
  };
  CHECK(kind(CallFailure::kInvalidRequest) == "refused");
  CHECK(kind(CallFailure::kNotSent) == "not-sent");
  CHECK(kind(CallFailure::kUnknown) == "unknown");
  CHECK(kind(CallFailure::kBadResponse) == "unknown");
}

TEST_CASE("Retry-After is read as seconds or as a date, within a day, and never backwards") {
  const Instant now = Instant(std::chrono::seconds(784'111'777));  // 1994-11-06T08:49:37Z
  CHECK(ParseRetryAfter("120", now) == Duration(std::chrono::seconds(120)));
  CHECK(ParseRetryAfter("99999999", now) == Duration(std::chrono::hours(24)));
  CHECK(ParseRetryAfter("Sun, 06 Nov 1994 08:49:47 GMT", now) ==
        Duration(std::chrono::seconds(10)));
  CHECK_FALSE(ParseRetryAfter("Sun, 06 Nov 1994 08:49:00 GMT", now));
  CHECK_FALSE(ParseRetryAfter("-1", now));
  CHECK_FALSE(ParseRetryAfter("soon", now));
  CHECK_FALSE(ParseRetryAfter("", now));
}

TEST_CASE("a vote may be read-only, and a reservation may say how long it holds") {
  const auto done = [](const AnswerContext& context, const std::string& name,
                       const std::string& value) {
    return std::get<engine::ReplyDone>(ClassifyHttp(Http(200, "{}", {{name, value}}), context));
  };
  CHECK(done(Context(), "Entente-Vote", "read-only").read_only);
  CHECK_FALSE(done(Context(), "Entente-Vote", "yes").read_only);
  CHECK_FALSE(done(Context(Role::kFinish), "Entente-Vote", "read-only").read_only);
  CHECK(done(Context(), "Entente-Expires", "2001-09-09T02:00:00Z").expires ==
        Context().now + std::chrono::seconds(800));
  CHECK_FALSE(done(Context(Role::kUndo), "Entente-Expires", "2001-09-09T02:00:00Z").expires);
  CHECK_FALSE(done(Context(Role::kUndo), "Entente-Expires", "soon").expires);
  for (const char* bad : {"90s", "soon", ""}) {
    const engine::Reply reply =
        ClassifyHttp(Http(200, "{}", {{"Entente-Expires", bad}}), Context());
    const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply);
    REQUIRE(unknown != nullptr);
    CHECK(unknown->failure.code == "answer.bad_expires");
  }

  transport::GrpcResponse vote;
  vote.metadata.Add("entente-vote", "read-only");
  CHECK(std::get<engine::ReplyDone>(ClassifyGrpc(vote, Context())).read_only);
}

TEST_CASE("a success that says no is a refusal, and one that says neither is unknown") {
  const auto vote = [](const std::string& value, const AnswerContext& context) {
    transport::GrpcResponse grpc;
    grpc.metadata.Add("entente-vote", value);
    const engine::Reply reply = ClassifyHttp(Http(200, "{}", {{"Entente-Vote", value}}), context);
    CHECK(KindOf(ClassifyGrpc(std::move(grpc), context)) == KindOf(reply));
    return reply;
  };
  CHECK(KindOf(vote("yes", Context())) == "done");
  CHECK(std::get<engine::ReplyRefused>(vote("no", Context())).failure.code == "answer.vote_no");
  CHECK(KindOf(vote("no", Context(Role::kUndo))) == "done");
  for (const char* bad : {"No", "readonly", "true", ""}) {
    CAPTURE(bad);
    CHECK(std::get<engine::ReplyUnknown>(vote(bad, Context())).failure.code == "answer.bad_vote");
  }
}

TEST_CASE("a participant that decided by itself says so where a decision is carried out") {
  const Role settling = GENERATE(Role::kUndo, Role::kFinish);
  const auto kind = [&](int status, const std::string& body, const std::string& header) {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!header.empty()) {
      headers.emplace_back("Entente-Heuristic", header);
    }
    return KindOf(ClassifyHttp(Http(status, body, headers), Context(settling)));
  };
  CHECK(kind(409, "", "committed") == "heuristic committed");
  CHECK(kind(409, "{}", "rolled-back") == "heuristic rolled-back");
  CHECK(kind(409, R"({"heuristic": "mixed"})", "") == "heuristic mixed");
  CHECK(kind(409, R"({"heuristic": "perhaps"})", "") == "refused");
  CHECK(kind(409, R"({"heuristic": "mixed"})", "perhaps") == "unknown");
  CHECK(KindOf(ClassifyPoll(Http(409, "", {{"Entente-Heuristic", "perhaps"}}), "/x",
                            Context(settling))) == "pending /x");
  CHECK(kind(409, R"(["heuristic"])", "") == "refused");
  CHECK(kind(409, "not json", "") == "refused");
  CHECK(kind(410, "", "committed") == "refused");
  CHECK(kind(500, "", "committed") == "unknown");
  CHECK(KindOf(ClassifyHttp(Http(409, "", {{"Entente-Heuristic", "mixed"}}), Context())) ==
        "refused");
  CHECK(KindOf(ClassifyPoll(Http(409, "", {{"Entente-Heuristic", "mixed"}}), "/x",
                            Context(settling))) == "heuristic mixed");

  transport::GrpcResponse aborted;
  aborted.code = 10;
  aborted.metadata.Add("entente-heuristic", "rolled-back");
  CHECK(KindOf(ClassifyGrpc(aborted, Context(settling))) == "heuristic rolled-back");
  CHECK(KindOf(ClassifyGrpc(aborted, Context())) == "refused");
}

}  // namespace entente::participants
