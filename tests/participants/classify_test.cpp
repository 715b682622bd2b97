#include "coordinator/participants/classify.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "base/limits.h"
#include "base/utf8.h"

namespace entente::participants {
namespace {

using dsl::Role;

const net::Origin kOrigin = net::ParseUrl("http://flights.example:8081/")->origin;

net::HttpResponse Http(int status, std::string body = "{}",
                       std::vector<std::pair<std::string, std::string>> headers = {}) {
  net::HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  for (const auto& [name, value] : headers) {
    response.headers.Add(name, value);
  }
  return response;
}

AnswerContext Context(Role role = Role::kForward, dsl::Mode mode = dsl::Mode::kSaga) {
  return {mode, role, nullptr, "the-token", &kOrigin, Instant(std::chrono::seconds(1'000'000'000))};
}

const AnswerContext kPrepare = Context(Role::kForward, dsl::Mode::kTwoPhaseCommit);
const AnswerContext kTry = Context(Role::kForward, dsl::Mode::kTcc);

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
  net::GrpcResponse response;
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
  CHECK(std::get<engine::ReplyDone>(reply).output == JsonText(Json{{"id", 7}}));
  for (const char* type :
       {"text/html", "application/json", "application/xml", "", "text/plainer"}) {
    const engine::Reply unread =
        ClassifyHttp(Http(200, "car 7", {{"Content-Type", type}}), Context());
    REQUIRE(KindOf(unread) == "unknown");
    const std::string& message = std::get<engine::ReplyUnknown>(unread).failure.message;
    CHECK_THAT(message, Catch::Contains("answer JSON, text/plain or no body") &&
                            Catch::Contains("\"answer\": \"text\", or \"none\""));
  }
}

TEST_CASE("the output of an answer in plain text is its text") {
  const std::string type = GENERATE(as<std::string>(), "text/plain", "text/plain; charset=utf-8",
                                    "Text/Plain ;charset=UTF-8");
  const auto [body, output] = GENERATE(table<std::string, Json>({
      {"car 7", "car 7"},
      {"42", "42"},
      {"12E4", "12E4"},  // The name of a seat, not 120000.
      {"true", "true"},
      {"\"quoted\"", "\"quoted\""},
      {" \n", " \n"},
      {"\xC3\xA9", "\xC3\xA9"},
      {"{\"id\": 7}", Json{{"id", 7}}},  // Called text by mistake.
      {"[1]", Json::array({1})},
      {"", nullptr},
  }));
  CAPTURE(type, body);
  const int status = GENERATE(200, 201, 202);
  const std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", type}};
  const engine::Reply reply = ClassifyHttp(Http(status, body, headers), Context());
  REQUIRE(KindOf(reply) == "done");
  CHECK(std::get<engine::ReplyDone>(reply).output == JsonText(output));
  const engine::Reply polled = ClassifyPoll(Http(200, body, headers), "u", Context());
  REQUIRE(KindOf(polled) == "done");
  CHECK(std::get<engine::ReplyDone>(polled).output == JsonText(output));
  const dsl::AnswerRules rules{{404}, {}};
  AnswerContext listed = Context();
  listed.rules = &rules;
  const engine::Reply taken = ClassifyHttp(Http(404, body, headers), listed);
  CHECK(std::get<engine::ReplyDone>(taken).output == JsonText(output));
}

TEST_CASE("plain text that is no text, or too much of it, is unknown") {
  const std::vector<std::pair<std::string, std::string>> headers = {{"Content-Type", "text/plain"}};
  CHECK(KindOf(ClassifyHttp(Http(200, "caf\xE9", headers), Context())) == "unknown");
  const std::string escaped(limits::kMaxPayloadBytes - 10, '\x01');  // Each is six bytes of JSON.
  CHECK(KindOf(ClassifyHttp(Http(200, escaped, headers), Context())) == "unknown");
}

TEST_CASE("what a participant says is kept as text, whatever bytes it sent") {
  std::string body(299, 'x');
  body += "\xC3\xA9\xFF end";  // The excerpt ends in the middle of a character.
  const engine::Reply reply = ClassifyHttp(Http(409, body), Context());
  const std::string& message = std::get<engine::ReplyRefused>(reply).failure.message;
  CHECK(ValidUtf8Prefix(message) == message.size());
  CHECK(message.find("x\xEF\xBF\xBD") != std::string::npos);

  net::GrpcResponse grpc;
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
      {302, "unknown"},
      {404, "unknown"},
      {408, "unknown"},
      {409, "refused"},
      {410, "refused"},
      {429, "unknown"},
      {500, "unknown"},
      {503, "unknown"},
  }));
  CAPTURE(status);
  CHECK(KindOf(ClassifyPoll(Http(status), "u", Context())) == kind);
  const engine::Reply unread =
      ClassifyPoll(Http(200, "<html>", {{"Retry-After", "7"}}), "u", Context());
  REQUIRE(KindOf(unread) == "unknown");
  CHECK(std::get<engine::ReplyUnknown>(unread).failure.code == "answer.not_json");
  const net::CallError refused{net::CallFailure::kInvalidRequest, "address.forbidden", "no"};
  CHECK(KindOf(ClassifyPollError(refused)) == "unknown");
}

TEST_CASE("a definition says how the body of a success is read") {
  dsl::AnswerRules rules;
  AnswerContext context = Context();
  context.rules = &rules;
  const auto output = [&](const std::string& body, const std::string& type) {
    const engine::Reply reply = ClassifyHttp(Http(200, body, {{"Content-Type", type}}), context);
    const auto* done = std::get_if<engine::ReplyDone>(&reply);
    return done == nullptr ? KindOf(reply) : done->output.text();
  };
  CHECK(output("<p>", "text/html") == "unknown");
  rules.form = dsl::AnswerForm::kText;
  CHECK(output("<p>", "text/html") == R"("<p>")");
  CHECK(output("{}", "application/json") == R"("{}")");
  CHECK(output("\xff", "text/html") == "unknown");
  rules.form = dsl::AnswerForm::kNone;
  CHECK(output("<p>", "text/html") == "null");
  const engine::Reply polled = ClassifyPoll(Http(200, "<p>"), "u", context);
  CHECK(KindOf(polled) == "done");
}

TEST_CASE("of a success is kept what the definition reads") {
  dsl::AnswerRules rules;
  rules.headers = {"etag", "x-none"};
  rules.status_code = true;
  AnswerContext context = Context();
  context.rules = &rules;
  const auto kept = [&](const engine::Reply& reply) {
    return std::get<engine::ReplyDone>(reply).answer.text();
  };
  CHECK(kept(ClassifyHttp(Http(201, "{}", {{"ETag", "7"}}), context)) ==
        R"({"headers":{"etag":"7"},"statusCode":201})");
  CHECK(kept(ClassifyPoll(Http(200, "{}", {{"ETag", "8"}}), "u", context)) ==
        R"({"headers":{"etag":"8"},"statusCode":200})");
  CHECK(kept(ClassifyHttp(Http(200), Context())) == "null");
  context.role = Role::kUndo;
  CHECK(kept(ClassifyHttp(Http(200), context)) == "null");
}

TEST_CASE("a definition lists what is refused and what is tried again, by status and by code") {
  dsl::AnswerRules rules;
  rules.fail_on = {503};
  rules.retry_on = {423, 500, 200};
  rules.fail_codes = {"CLOSED"};
  rules.retry_codes = {"BUSY"};
  rules.codes = {"CLOSED", "BUSY", "SOLD_OUT"};
  AnswerContext context = Context();
  context.rules = &rules;
  const auto read = [&](int status, const std::string& body) {
    const engine::Reply reply = ClassifyHttp(Http(status, body, {{"Retry-After", "7"}}), context);
    if (const auto* refused = std::get_if<engine::ReplyRefused>(&reply)) {
      CHECK(refused->retry_after.has_value() == refused->again);
      return (refused->again ? "again " : "refused ") + refused->failure.code;
    }
    const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply);
    return unknown == nullptr ? KindOf(reply) : "unknown " + unknown->failure.code;
  };
  CHECK(read(503, "{}") == "refused http.503");
  CHECK(read(423, "{}") == "again http.423");
  CHECK(read(500, "{}") == "unknown http.500");
  CHECK(read(200, "{}") == "unknown http.200");
  CHECK(read(201, R"({"code": "CLOSED"})") == "refused CLOSED");
  CHECK(read(409, R"({"error": "BUSY"})") == "again BUSY");
  CHECK(read(502, R"({"error": {"code": "BUSY"}})") == "unknown BUSY");
  CHECK(read(409, R"({"error": {"code": "SOLD_OUT"}})") == "refused SOLD_OUT");
  CHECK(read(409, R"({"code": "ELSE", "error": "SOLD_OUT"})") == "refused SOLD_OUT");
  CHECK(read(409, R"({"code": "ELSE"})") == "refused http.409");
  CHECK(read(409, R"(["SOLD_OUT"])") == "refused http.409");
  CHECK(read(201, R"({"code": "SOLD_OUT"})") == "done");
  const engine::Reply polled = ClassifyPoll(Http(409, R"({"code": "SOLD_OUT"})"), "u", context);
  CHECK(std::get<engine::ReplyRefused>(polled).failure.code == "SOLD_OUT");
}

TEST_CASE("a definition lists what is tried again over gRPC") {
  dsl::AnswerRules rules;
  rules.retry_on = {10, 13};
  AnswerContext context = Context();
  context.rules = &rules;
  net::GrpcResponse response;
  response.code = 10;
  const engine::Reply aborted = ClassifyGrpc(response, context);
  REQUIRE(KindOf(aborted) == "refused");
  CHECK(std::get<engine::ReplyRefused>(aborted).again);
  response.code = 13;
  CHECK(KindOf(ClassifyGrpc(response, context)) == "unknown");
}

TEST_CASE("the vote in the answer to a poll counts as in a direct answer") {
  const auto [status, vote, kind] = GENERATE(table<int, std::string, std::string>({
      {200, "yes", "done"},
      {200, "no", "refused"},
      {202, "no", "refused"},
      {404, "no", "refused"},
      {500, "no", "refused"},
      {202, "yes", "pending u"},
      {500, "yes", "unknown"},
      {409, "yes", "unknown"},
      {200, "perhaps", "unknown"},
      {202, "perhaps", "unknown"},
  }));
  CAPTURE(status, vote);
  const net::HttpResponse response = Http(status, "{}", {{"Entente-Vote", vote}});
  CHECK(KindOf(ClassifyPoll(response, "u", kPrepare)) == kind);
  if (status != 404) {
    const std::string direct = KindOf(ClassifyHttp(response, kPrepare));
    // A 202 without more is an ordinary success of a direct answer.
    CHECK(direct == (kind == "pending u" ? "done" : kind));
  }
}

TEST_CASE("a text in another charset than UTF-8 is no output") {
  const auto [type, body, kind] = GENERATE(table<std::string, std::string, std::string>({
      {"text/plain; charset=utf-8", "\xC3\xA9", "done"},
      {"text/plain; Charset=\"UTF-8\"", "\xC3\xA9", "done"},
      {"text/plain; format=flowed; charset=us-ascii", "a", "done"},
      {"text/plain;charset=ISO-8859-1", "only ASCII", "done"},
      {"text/plain;charset=ISO-8859-1", "\xC3\xA9", "unknown"},
      {"text/plain; charset=windows-1252", "\xC3\xA9", "unknown"},
      {"text/plain; charset=utf-16", std::string("a\0b\0", 4), "unknown"},
      {"text/plain; charset=utf-7", "a+AGI-", "unknown"},
      {"text/plain; charset=", "a", "done"},
  }));
  CAPTURE(type, body);
  CHECK(KindOf(ClassifyHttp(Http(200, body, {{"Content-Type", type}}), Context())) == kind);
}

TEST_CASE("what the transport knows decides between unknown and not sent") {
  using net::CallFailure;
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
  const auto [value, seconds] = GENERATE(table<std::string, int>({
      {"120", 120},
      {"0", 0},
      {"99999999", 86'400},
      {"99999999999999999999", 86'400},  // More than 64 bits.
      {"Sun, 06 Nov 1994 08:49:47 GMT", 10},
      {"Sunday, 06-Nov-94 08:49:47 GMT", 10},  // RFC 850.
      {"Sun Nov  6 08:49:47 1994", 10},        // asctime.
      {"Sat, 06 Nov 2094 08:49:47 GMT", 86'400},
  }));
  CAPTURE(value);
  CHECK(ParseRetryAfter(value, now) == Duration(std::chrono::seconds(seconds)));
}

TEST_CASE("a Retry-After that is none, or that is over, says nothing") {
  const Instant now = Instant(std::chrono::seconds(784'111'777));
  const std::string value =
      GENERATE(as<std::string>(), "Sun, 06 Nov 1994 08:49:00 GMT", "Sunday, 06-Nov-94 08:49:00 GMT",
               "Sun Nov  6 08:49:00 1994", "-1", "+5", "1.5", "0x10", "soon", "", "120s", "120,120",
               "Sun, 06 Nov 1994 08:49:47 GMT, Sun", "Sun, 36 Nov 1994 08:49:47 GMT",
               "Wed, 30 Nov 1994 24:49:47 GMT", "Tue, 30 Feb 1995 08:49:47 GMT",
               "Wed, 29 Feb 1995 08:49:47 GMT", "Thu, 31 Nov 1994 08:49:47 GMT",
               "Sun, 06 Nov 1994 08:49:47 +0100", "1994-11-06T08:49:47Z");
  CAPTURE(value);
  CHECK_FALSE(ParseRetryAfter(value, now));
}

TEST_CASE("a year of two digits is never more than fifty years ahead") {
  const Instant now = Instant(std::chrono::seconds(1'795'990'000));     // 2026-11-29.
  CHECK_FALSE(ParseRetryAfter("Sunday, 06-Nov-94 08:49:37 GMT", now));  // 1994.
  CHECK(ParseRetryAfter("Friday, 06-Nov-70 08:49:37 GMT", now) == Duration(std::chrono::hours(24)));
  CHECK_FALSE(ParseRetryAfter("Monday, 06-Nov-00 08:49:37 GMT", now));  // 2000.
}

TEST_CASE("a reservation may say how long it holds") {
  const auto expires = [](const AnswerContext& context, const std::string& value) {
    return std::get<engine::ReplyDone>(
               ClassifyHttp(Http(200, "{}", {{"Entente-Expires", value}}), context))
        .expires;
  };
  CHECK(expires(kTry, "2001-09-09T02:00:00Z") == kTry.now + std::chrono::seconds(800));
  const AnswerContext other = GENERATE(Context(), kPrepare, Context(Role::kUndo, dsl::Mode::kTcc));
  CHECK_FALSE(expires(other, "2001-09-09T02:00:00Z"));
  CHECK_FALSE(expires(other, "soon"));
  for (const char* bad : {"90s", "soon", ""}) {
    const engine::Reply reply = ClassifyHttp(Http(200, "{}", {{"Entente-Expires", bad}}), kTry);
    const auto* unknown = std::get_if<engine::ReplyUnknown>(&reply);
    REQUIRE(unknown != nullptr);
    CHECK(unknown->failure.code == "answer.bad_expires");
  }
}

// The same over both protocols.
engine::Reply WithVote(int http, int grpc, const std::string& vote, const AnswerContext& context) {
  const std::string body = http >= 400 ? "no" : "{}";
  const engine::Reply reply = ClassifyHttp(Http(http, body, {{"Entente-Vote", vote}}), context);
  net::GrpcResponse response;
  response.code = grpc;
  response.metadata.Add("entente-vote", vote);
  CHECK(KindOf(ClassifyGrpc(std::move(response), context)) == KindOf(reply));
  return reply;
}

TEST_CASE("the vote of a prepare counts whatever the status") {
  const auto [http, grpc] = GENERATE(table<int, int>({{200, 0}, {409, 10}, {503, 14}, {404, 5}}));
  CAPTURE(http, grpc);
  const engine::Reply no = WithVote(http, grpc, "no", kPrepare);
  CHECK(std::get<engine::ReplyRefused>(no).failure.code == "answer.vote_no");
  for (const char* bad : {"No", "readonly", "true", "", "yes, no"}) {
    CAPTURE(bad);
    const engine::Reply reply = WithVote(http, grpc, bad, kPrepare);
    CHECK(std::get<engine::ReplyUnknown>(reply).failure.code == "answer.bad_vote");
  }
  const std::string yes = GENERATE(as<std::string>(), "yes", "read-only");
  const engine::Reply reply = WithVote(http, grpc, yes, kPrepare);
  CHECK(KindOf(reply) == (http == 200 ? "done" : "unknown"));
  if (const auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    CHECK(done->read_only == (yes == "read-only"));
  }
}

TEST_CASE("a vote means nothing with any other operation") {
  const AnswerContext context =
      GENERATE(Context(), kTry, Context(Role::kUndo), Context(Role::kUndo, dsl::Mode::kTcc),
               Context(Role::kFinish, dsl::Mode::kTwoPhaseCommit));
  const std::string vote = GENERATE(as<std::string>(), "yes", "no", "read-only", "perhaps");
  CAPTURE(vote);
  const engine::Reply reply = WithVote(200, 0, vote, context);
  REQUIRE(KindOf(reply) == "done");
  CHECK_FALSE(std::get<engine::ReplyDone>(reply).read_only);
  CHECK(KindOf(WithVote(409, 10, vote, context)) == "refused");
  CHECK(KindOf(WithVote(503, 14, vote, context)) == "unknown");
}

TEST_CASE("a header that may stand once and says two things leaves the outcome unknown") {
  const auto [name, one, other] = GENERATE(table<std::string, std::string, std::string>({
      {"Entente-Vote", "yes", "no"},
      {"Entente-Expires", "2001-09-09T02:00:00Z", "2001-09-09T03:00:00Z"},
      {"Entente-Heuristic", "committed", "rolled-back"},
      {"Entente-Pending", "the-token", "another"},
      {"Entente-Anything", "1", "2"},
      {"Retry-After", "1", "2"},
      {"Location", "/a", "/b"},
      {"Content-Type", "text/plain", "application/json"},
      {"Host", "a", "b"},
  }));
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return std::tolower(c); });
  const int status = GENERATE(200, 202, 409, 500);
  const Role role = GENERATE(Role::kForward, Role::kUndo, Role::kFinish);
  const AnswerContext context = Context(role, dsl::Mode::kTwoPhaseCommit);
  CAPTURE(name, status);
  const auto answer = [&](const std::string& second, const AnswerContext& with) {
    return ClassifyHttp(Http(status, "{}", {{name, one}, {"X-Between", "1"}, {lower, second}}),
                        with);
  };
  const engine::Reply reply = answer(other, context);
  REQUIRE(KindOf(reply) == "unknown");
  CHECK(std::get<engine::ReplyUnknown>(reply).failure.code == "answer.contradiction");
  const dsl::AnswerRules rules{{}, {409}};
  AnswerContext failing = context;
  failing.rules = &rules;
  CHECK(KindOf(answer(other, failing)) == "unknown");
  CHECK(KindOf(ClassifyPoll(Http(status, "{}", {{name, one}, {lower, other}}), "u", context)) ==
        "unknown");
  // Twice the same is once.
  CHECK(KindOf(answer(one, context)) ==
        KindOf(ClassifyHttp(Http(status, "{}", {{name, one}}), context)));

  net::GrpcResponse grpc;
  grpc.metadata.Add(lower, one);
  grpc.metadata.Add(lower, other);
  CHECK(KindOf(ClassifyGrpc(std::move(grpc), context)) == "unknown");
}

TEST_CASE("other headers may stand twice") {
  CHECK(KindOf(ClassifyHttp(Http(200, "{}", {{"Set-Cookie", "a"}, {"Set-Cookie", "b"}}),
                            Context())) == "done");
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
                            Context(settling))) == "unknown");
  // Two that differ, and a success that was none.
  CHECK(kind(409, R"({"heuristic": "rolled-back"})", "committed") == "unknown");
  CHECK(kind(409, R"({"heuristic": "mixed"})", "mixed") == "heuristic mixed");
  CHECK(kind(409, R"({"heuristic": "perhaps"})", "mixed") == "heuristic mixed");
  CHECK(kind(200, "", "rolled-back") == "unknown");
  CHECK(kind(204, "", "committed") == "unknown");
  CHECK(kind(409, R"(["heuristic"])", "") == "refused");
  CHECK(kind(409, "not json", "") == "refused");
  CHECK(kind(410, "", "committed") == "refused");
  CHECK(kind(500, "", "committed") == "unknown");
  CHECK(KindOf(ClassifyHttp(Http(409, "", {{"Entente-Heuristic", "mixed"}}), Context())) ==
        "refused");
  CHECK(KindOf(ClassifyPoll(Http(409, "", {{"Entente-Heuristic", "mixed"}}), "/x",
                            Context(settling))) == "heuristic mixed");

  net::GrpcResponse aborted;
  aborted.code = 10;
  aborted.metadata.Add("entente-heuristic", "rolled-back");
  CHECK(KindOf(ClassifyGrpc(aborted, Context(settling))) == "heuristic rolled-back");
  CHECK(KindOf(ClassifyGrpc(aborted, Context())) == "refused");
}

TEST_CASE("a participant that can not tell who calls has neither refused nor done anything") {
  const auto check = [](const engine::Reply& reply) {
    const auto* turned_away = std::get_if<engine::ReplyNotSent>(&reply);
    REQUIRE(turned_away != nullptr);
    CHECK(turned_away->blocked);
    CHECK(turned_away->retry_after > Duration(0));
    CHECK(turned_away->failure.code == "participant.unverified");
    CHECK(turned_away->failure.message.find("signature.stale") != std::string::npos);
    CHECK(turned_away->failure.message.find("an hour ago") != std::string::npos);
  };
  dsl::AnswerRules rules;
  rules.succeed_on = {200, 401, 425, 2};
  rules.fail_on = {409, 16};
  for (const int status : {200, 202, 401, 409, 425, 503}) {
    for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
      CAPTURE(status);
      AnswerContext context = Context(role);
      context.rules = &rules;
      check(ClassifyHttp(
          Http(status, "signed an hour ago", {{"Entente-Unverified", "signature.stale"}}),
          context));
    }
  }
  for (const int code : {0, 2, 16}) {
    net::GrpcResponse response;
    response.code = code;
    response.message = "signed an hour ago";
    response.metadata.Add("entente-unverified", "signature.stale");
    AnswerContext context = Context();
    context.rules = &rules;
    check(ClassifyGrpc(std::move(response), context));
  }
}

TEST_CASE("a poll that is not taken for the coordinator's ends no wait") {
  const engine::Reply reply = ClassifyPoll(
      Http(425, "", {{"Entente-Unverified", "signature.missing"}}), "http://p/1", Context());
  CHECK(KindOf(reply) == "unknown");
}

}  // namespace entente::participants
