// The tables of docs/participants.md that say what an answer means, row by row.
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "coordinator/participants/classify.h"
#include "tests/support/documented_table.h"

namespace entente::participants::documented {
namespace {

using dsl::Mode;
using dsl::Role;
using engine::Reply;
using ::entente::test::Cells;
using Headers = std::vector<std::pair<std::string, std::string>>;

const net::Origin kOrigin = net::ParseUrl("http://flights.example:8081/")->origin;

std::vector<Cells> TableBelow(const std::string& heading) {
  return ::entente::test::TableBelow("docs/participants.md", heading);
}

AnswerContext Context(Mode mode, Role role) {
  return {mode, role, nullptr, "the-token", &kOrigin, Instant(std::chrono::seconds(1'000'000'000))};
}

Reply Http(const AnswerContext& context, int status, const std::string& body,
           const Headers& headers = {}) {
  net::HttpResponse response;
  response.status = status;
  response.body = body;
  for (const auto& [name, value] : headers) {
    response.headers.Add(name, value);
  }
  return ClassifyHttp(std::move(response), context);
}

Reply Grpc(const AnswerContext& context, int code, const Headers& metadata = {}) {
  net::GrpcResponse response;
  response.code = code;
  response.body = Json{{"id", 7}};
  for (const auto& [name, value] : metadata) {
    response.metadata.Add(name, value);
  }
  return ClassifyGrpc(std::move(response), context);
}

std::string KindOf(const Reply& reply) {
  static constexpr const char* kKinds[] = {"done",     "refused", "unknown",
                                           "not sent", "pending", "heuristic"};
  return kKinds[reply.index()];
}

// Whether `reply` is what the cell says, whose first word or two tell.
bool Says(const std::string& cell, const Reply& reply) {
  const std::string kind = KindOf(reply);
  if (cell.starts_with("tried again")) {
    return kind == "refused" || kind == "unknown" || kind == "not sent";
  }
  if (cell.starts_with("see below")) {
    return kind == "heuristic";
  }
  const std::string plain = cell.starts_with("**") ? cell.substr(2) : cell;
  return plain.starts_with(kind);
}

// "408", "5xx": every status that the words of a cell name.
std::set<int> StatusesIn(const std::string& cell) {
  std::set<int> statuses;
  for (size_t at = 0; at + 3 <= cell.size(); ++at) {
    const std::string word = cell.substr(at, 3);
    const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(cell[at - 1])) == 0;
    if (!begins || word[0] < '2' || word[0] > '5') {
      continue;
    }
    if (word.substr(1) == "xx") {
      for (int i = 0; i < 100; ++i) {
        statuses.insert((word[0] - '0') * 100 + i);
      }
    } else if (word.find_first_not_of("0123456789") == std::string::npos) {
      statuses.insert(std::stoi(word));
    }
  }
  return statuses;
}

// The gRPC codes that a cell names.
std::set<int> CodesIn(const std::string& cell) {
  std::set<int> codes;
  for (int code = 0; code <= 16; ++code) {
    if (cell.find("`" + GrpcCodeName(code) + "`") != std::string::npos) {
      codes.insert(code);
    }
  }
  return codes;
}

// What a row of the answers' table stands for, beyond the statuses that it names.
struct Meaning {
  std::function<std::vector<Reply>(const AnswerContext&, int status)> http;
  std::function<std::vector<Reply>(const AnswerContext&, int code)> grpc = {};
};

std::vector<Reply> Errors(const std::vector<net::CallFailure>& failures) {
  std::vector<Reply> replies;
  for (const net::CallFailure failure : failures) {
    replies.push_back(ClassifyError({failure, "reason", "message"}));
  }
  return replies;
}

// By what the first cell begins with.
const std::vector<std::pair<std::string, Meaning>>& Meanings() {
  using C = const AnswerContext&;
  using F = net::CallFailure;
  const auto plain = [](C c, int status) {
    return std::vector{Http(c, status, ""), Http(c, status, "{}"), Http(c, status, "<html>")};
  };
  const auto plain_code = [](C c, int code) { return std::vector{Grpc(c, code)}; };
  static const std::vector<std::pair<std::string, Meaning>> kMeanings = {
      {"2xx, no body or a JSON body",
       {[](C c, int status) {
          return std::vector{Http(c, status, ""), Http(c, status, "[1]"),
                             Http(c, status, "7", {{"Content-Type", "text/html"}})};
        },
        plain_code}},
      {"2xx with a `text/plain` body", {[](C c, int status) {
         return std::vector{
             Http(c, status, "car 7", {{"Content-Type", "text/plain"}}),
             Http(c, status, "12E4", {{"content-type", "text/plain;charset=utf-8"}})};
       }}},
      {"2xx with any other body", {[](C c, int status) {
         return std::vector{Http(c, status, "<html>"),
                            Http(c, status, "a", {{"Content-Type", "text/html"}})};
       }}},
      {"202 with `Entente-Pending` or `Location`",
       {[](C c, int status) {
          return std::vector{Http(c, status, "", {{"Location", "/jobs/1"}}),
                             Http(c, status, "no", {{"Entente-Pending", "the-token"}})};
        },
        [](C c, int code) {
          return std::vector{Grpc(c, code, {{"entente-pending", "the-token"}})};
        }}},
      {"202 with neither", {[](C c, int status) { return std::vector{Http(c, status, "{}")}; }}},
      {"3xx", {plain}},
      {"408", {plain, plain_code}},
      {"any other 4xx", {plain, plain_code}},
      {"409 with `Entente-Heuristic`",
       {[](C c, int status) {
          return std::vector{Http(c, status, "", {{"Entente-Heuristic", "mixed"}})};
        },
        [](C c, int code) {
          return std::vector{Grpc(c, code, {{"entente-heuristic", "mixed"}})};
        }}},
      {"any status, with `Entente-Unverified`",
       {[](C c, int status) {
          return std::vector{Http(c, status, "{}", {{"Entente-Unverified", "signature.stale"}})};
        },
        [](C c, int code) {
          return std::vector{Grpc(c, code, {{"entente-unverified", "signature.stale"}})};
        }}},
      {"any status, with a header",
       {[](C c, int status) {
          return std::vector{Http(c, status, "{}", {{"Retry-After", "1"}, {"Retry-After", "2"}})};
        },
        [](C c, int code) {
          return std::vector{Grpc(c, code, {{"entente-vote", "no"}, {"entente-vote", "yes"}})};
        }}},
      {"a timeout, a broken connection", {[](C, int) {
         return Errors({F::kUnknown, F::kBadResponse});
       }}},
      {"name resolution", {[](C, int) { return Errors({F::kNotSent}); }}},
  };
  return kMeanings;
}

std::set<int> Statuses(const std::vector<Cells>& rows, const Cells& row) {
  std::set<int> statuses = StatusesIn(row[0]);
  if (row[0].starts_with("2xx with any other body")) {
    statuses.erase(204);
  } else if (row[0].starts_with("any other 4xx")) {
    statuses = StatusesIn("4xx");
    for (const Cells& other : rows) {
      if (other[0].starts_with("408")) {
        for (const int status : StatusesIn(other[0])) {
          statuses.erase(status);
        }
      }
    }
  } else if (row[0].starts_with("any status")) {
    statuses = {200, 202, 204, 302, 404, 409, 500, 503};
  }
  return statuses.empty() ? std::set<int>{0} : statuses;
}

TEST_CASE("what docs/participants.md says of an answer is what is made of it") {
  const std::vector<Cells> rows = TableBelow("## What an answer means");
  CHECK(rows.size() == Meanings().size());
  std::set<int> codes_named;
  for (const Cells& row : rows) {
    CAPTURE(row[0]);
    REQUIRE(row.size() == 4);
    const auto meaning =
        std::find_if(Meanings().begin(), Meanings().end(),
                     [&row](const auto& one) { return row[0].starts_with(one.first); });
    REQUIRE(meaning != Meanings().end());
    const std::set<int> codes =
        row[0].starts_with("any status") ? std::set<int>{0, 5, 10, 14} : CodesIn(row[1]);
    codes_named.insert(codes.begin(), codes.end());
    CHECK(codes.empty() == !meaning->second.grpc);
    for (const Mode mode : {Mode::kSaga, Mode::kTcc, Mode::kTwoPhaseCommit}) {
      for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
        const AnswerContext context = Context(mode, role);
        std::vector<Reply> replies;
        const auto add = [&replies](std::vector<Reply> more) {
          replies.insert(replies.end(), more.begin(), more.end());
        };
        for (const int status : Statuses(rows, row)) {
          add(meaning->second.http(context, status));
        }
        for (const int code : codes) {
          add(meaning->second.grpc(context, code));
        }
        for (const Reply& reply : replies) {
          INFO(KindOf(reply));
          CHECK(Says(row[role == Role::kForward ? 2 : 3], reply));
        }
      }
    }
  }
  CHECK(codes_named.size() == 17);
}

// What the row of a header means: the words that its last cell has to have, and what they say.
struct HeaderCase {
  std::string header;
  std::vector<std::string> words;
  std::function<bool()> holds;
};

bool Is(const char* kind, const Reply& reply) {
  return KindOf(reply) == kind;
}

std::vector<HeaderCase> HeaderCases() {
  const AnswerContext action = Context(Mode::kSaga, Role::kForward);
  const AnswerContext undo = Context(Mode::kSaga, Role::kUndo);
  const AnswerContext prepare = Context(Mode::kTwoPhaseCommit, Role::kForward);
  const AnswerContext reserve = Context(Mode::kTcc, Role::kForward);
  const auto vote = [](const AnswerContext& context, int status, const char* value) {
    return Http(context, status, "{}", {{"Entente-Vote", value}});
  };
  return {
      {"`Entente-Pending: <token>`",
       {"must be the token of this call, else the answer is unknown"},
       [=] {
         return Is("pending", Http(action, 202, "", {{"Entente-Pending", "the-token"}})) &&
                Is("unknown", Http(action, 202, "", {{"Entente-Pending", "another"}})) &&
                Is("done", Http(action, 200, "", {{"Entente-Pending", "another"}})) &&
                Is("pending", Grpc(action, 0, {{"entente-pending", "the-token"}})) &&
                Is("unknown", Grpc(action, 0, {{"entente-pending", "another"}}));
       }},
      {"`Location`",
       {"poll there", "HTTP only"},
       [=] {
         const Reply reply = Http(action, 202, "", {{"Location", "/jobs/1"}});
         const auto* pending = std::get_if<engine::ReplyPending>(&reply);
         return pending != nullptr && pending->poll_url == "http://flights.example:8081/jobs/1" &&
                Is("done", Grpc(action, 0, {{"location", "/jobs/1"}}));
       }},
      {"`Retry-After`",
       {"when to come again"},
       [=] {
         for (const int status : {408, 425, 429, 500, 503}) {
           const Reply reply = Http(action, status, "", {{"Retry-After", "7"}});
           if (std::get<engine::ReplyUnknown>(reply).retry_after != std::chrono::seconds(7)) {
             return false;
           }
         }
         const Reply pending =
             Http(action, 202, "", {{"Location", "/jobs/1"}, {"Retry-After", "7"}});
         return std::get<engine::ReplyPending>(pending).poll_after == std::chrono::seconds(7);
       }},
      {"`Entente-Vote: yes`, `read-only` or `no`",
       {"`no`: a refusal", "Any other value, and `yes` or `read-only` with a refusal: unknown"},
       [=] {
         const Reply read_only = vote(prepare, 200, "read-only");
         return Is("done", vote(prepare, 200, "yes")) && Is("done", read_only) &&
                std::get<engine::ReplyDone>(read_only).read_only &&
                Is("refused", vote(prepare, 200, "no")) &&
                Is("refused", vote(prepare, 503, "no")) &&
                Is("unknown", vote(prepare, 200, "perhaps")) &&
                Is("unknown", vote(prepare, 409, "yes")) &&
                Is("unknown", vote(prepare, 409, "read-only")) &&
                Is("done", vote(action, 200, "no"));
       }},
      {"`Entente-Expires: <RFC 3339 instant>`",
       {"anything else makes the answer unknown"},
       [=] {
         const Reply holds =
             Http(reserve, 200, "{}", {{"Entente-Expires", "2001-09-09T02:00:00Z"}});
         return std::get<engine::ReplyDone>(holds).expires.has_value() &&
                Is("unknown", Http(reserve, 200, "{}", {{"Entente-Expires", "90s"}})) &&
                Is("done", Http(action, 200, "{}", {{"Entente-Expires", "90s"}}));
       }},
      {"`Entente-Unverified: <why>`",
       {"No refusal"},
       [=] {
         return Is("not sent", Http(action, 401, "", {{"Entente-Unverified", "unknown key"}})) &&
                Is("not sent", Http(undo, 425, "", {{"Entente-Unverified", "stale"}})) &&
                Is("not sent", Grpc(prepare, 2, {{"entente-unverified", "stale"}})) &&
                Is("refused", Http(action, 401, "", {})) &&
                Is("unknown", Http(action, 425, "", {}));
       }},
      {"`Entente-Heuristic: committed`, `rolled-back` or `mixed`",
       {"`{\"heuristic\": \"...\"}` in the body"},
       [=] {
         return Is("heuristic", Http(undo, 409, "", {{"Entente-Heuristic", "committed"}})) &&
                Is("heuristic", Http(undo, 409, R"({"heuristic": "rolled-back"})")) &&
                Is("heuristic", Grpc(undo, 10, {{"entente-heuristic", "mixed"}})) &&
                Is("refused", Http(undo, 410, "", {{"Entente-Heuristic", "committed"}}));
       }},
  };
}

TEST_CASE("what docs/participants.md says of an answer's headers is what is made of them") {
  const std::vector<Cells> rows = TableBelow("### Headers of an answer");
  const std::vector<HeaderCase> cases = HeaderCases();
  REQUIRE(rows.size() == cases.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i][0]);
    CHECK(rows[i][0] == cases[i].header);
    for (const std::string& words : cases[i].words) {
      CHECK_THAT(rows[i].back(), Catch::Contains(words));
    }
    CHECK(cases[i].holds());
  }
}

}  // namespace
}  // namespace entente::participants::documented
