#include "tests/fuzz/target.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.pb.h>

#include "base/check.h"
#include "base/json_text.h"
#include "base/limits.h"
#include "coordinator/api/command_checks.h"
#include "coordinator/api/json/json_decode.h"
#include "coordinator/participants/classify.h"
#include "dsl/cel/template.h"
#include "dsl/client_branches.h"
#include "dsl/compiler.h"
#include "net/grpc/grpc_descriptors.h"
#include "net/http/http_parser.h"
#include "runtime/record_codec.h"

namespace entente::fuzz {
namespace {

constexpr Instant kNow = InstantFromMicros(1'800'000'000'000'000);

// What is printed from what was read is read again as the same.
void Json(std::string_view input) {
  const auto read = JsonText::Parse(input, limits::kPayloadJson);
  if (!read.ok()) {
    return;
  }
  const auto again = JsonText::Parse(read->text(), limits::kStoredJson);
  ENTENTE_CHECK(again.ok());
  ENTENTE_CHECK(again->text() == read->text());
  const auto exact = ParseExactJson(input, limits::kPayloadJson);
  ENTENTE_CHECK(exact.ok());
  ENTENTE_CHECK(JsonText(*exact).text() == read->text());
}

// A definition compiles to the same, or is refused with the same words, each with a place in it.
void Definition(std::string_view input) {
  const auto first = dsl::Compile(input, dsl::CompileOptions{});
  const auto second = dsl::Compile(input, dsl::CompileOptions{});
  ENTENTE_CHECK(first.index() == second.index());
  if (const auto* problems = std::get_if<dsl::Problems>(&first)) {
    ENTENTE_CHECK(!problems->empty());
    ENTENTE_CHECK(*problems == std::get<dsl::Problems>(second));
  } else {
    const auto& plan = *std::get<std::shared_ptr<const dsl::Plan>>(first);
    for (size_t step = 0; step < plan.steps.size(); ++step) {
      for (const size_t before : plan.steps[step].after) {
        ENTENTE_CHECK(before < step);
      }
    }
  }
}

void Branch(std::string_view input) {
  for (const auto mode : {dsl::Mode::kSaga, dsl::Mode::kTcc, dsl::Mode::kTwoPhaseCommit}) {
    const auto first = dsl::CompileClientBranch(mode, input);
    if (const auto* branch = std::get_if<dsl::ClientBranch>(&first)) {
      // Its canonical description describes it.
      const auto again = dsl::CompileClientBranch(mode, branch->source);
      ENTENTE_CHECK(std::holds_alternative<dsl::ClientBranch>(again));
      ENTENTE_CHECK(std::get<dsl::ClientBranch>(again).source == branch->source);
    }
  }
}

// An expression gives the same each time, within its budget.
void Cel(std::string_view input) {
  const std::string text = "${" + std::string(input) + "}";
  const auto compiled = dsl::cel::Template::Compile(entente::Json(text));
  const auto* ready = std::get_if<dsl::cel::Template>(&compiled);
  if (ready == nullptr) {
    ENTENTE_CHECK(!std::get<std::vector<dsl::cel::TemplateError>>(compiled).empty());
    return;
  }
  const entente::Json names = {{"input", {{"n", 7}, {"s", "text"}, {"list", {1, 2, 3}}}}};
  const dsl::cel::Activation activation(names);
  const auto once = ready->Render(activation);
  const auto twice = ready->Render(activation);
  ENTENTE_CHECK(once.ok() == twice.ok());
  ENTENTE_CHECK(!once.ok() || DumpJson(*once) == DumpJson(*twice));
}

// A record that is read is written as one that is read as the same.
void Record(std::string_view input) {
  const auto read = runtime::DecodeRecord(input);
  if (read.ok()) {
    const std::string written = runtime::EncodeRecord(*read);
    const auto again = runtime::DecodeRecord(written);
    ENTENTE_CHECK(again.ok());
    ENTENTE_CHECK(runtime::EncodeRecord(*again) == written);
  }
}

// However it is cut into pieces, a message is the same one.
template <class Parser>
bool ReadMessage(Parser& parser, std::string_view input, size_t piece) {
  std::string held;
  boost::system::error_code error;
  for (size_t at = 0; at < input.size() && !parser.is_done();) {
    const size_t more = std::min(piece, input.size() - at);
    held.append(input.substr(at, more));
    at += more;
    held.erase(0, parser.Parse(held, error));
    if (error) {
      return false;
    }
  }
  return parser.is_done();
}

constexpr net::ParseLimits kParseLimits{size_t{16} << 10, size_t{64} << 10};

void HttpRequest(std::string_view input) {
  net::RequestParser whole(kParseLimits);
  net::RequestParser pieces(kParseLimits);
  const bool done = ReadMessage(whole, input, input.size() + 1);
  ENTENTE_CHECK(done == ReadMessage(pieces, input, 1));
  if (done) {
    ENTENTE_CHECK(whole.message().method == pieces.message().method);
    ENTENTE_CHECK(whole.message().target == pieces.message().target);
    ENTENTE_CHECK(whole.message().body == pieces.message().body);
    ENTENTE_CHECK(whole.message().body.size() <= kParseLimits.max_body_bytes);
  }
}

// Whatever a participant answers has one meaning for each operation.
void HttpAnswer(std::string_view input) {
  static const net::Origin origin = net::ParseUrl("http://p.test:8081/")->origin;
  net::ResponseParser parser(kParseLimits);
  net::ResponseParser pieces(kParseLimits);
  const bool done = ReadMessage(parser, input, input.size() + 1);
  ENTENTE_CHECK(done == ReadMessage(pieces, input, 1));
  if (!done) {
    return;
  }
  ENTENTE_CHECK(parser.message().body == pieces.message().body);
  for (const auto mode : {dsl::Mode::kSaga, dsl::Mode::kTcc, dsl::Mode::kTwoPhaseCommit}) {
    for (const auto role : {dsl::Role::kForward, dsl::Role::kUndo, dsl::Role::kFinish}) {
      const participants::AnswerContext context{mode, role, nullptr, "token", &origin, kNow, "/a"};
      const engine::Reply reply = participants::ClassifyHttp(parser.message(), context);
      ENTENTE_CHECK(reply.index() == participants::ClassifyHttp(parser.message(), context).index());
      const auto* pending = std::get_if<engine::ReplyPending>(&reply);
      if (pending != nullptr && !pending->poll_url.empty()) {
        ENTENTE_CHECK(pending->poll_url.starts_with("http://p.test:8081/"));
      }
      static_cast<void>(
          participants::ClassifyPoll(parser.message(), "http://p.test:8081/a", context));
    }
  }
}

// Every command of the API, whatever the body holds.
void ApiBody(std::string_view input) {
  auto body = api::ParseBody(input);
  const auto* json = std::get_if<entente::Json>(&body);
  if (json == nullptr) {
    return;
  }
  api::Checker check;
  if (auto submit = api::DecodeSubmit(*json); std::holds_alternative<api::SubmitCommand>(submit)) {
    static_cast<void>(api::ReadSubmit(std::get<api::SubmitCommand>(submit), check));
  }
  if (auto begin = api::DecodeBegin(*json); std::holds_alternative<api::BeginCommand>(begin)) {
    static_cast<void>(api::ReadBegin(std::get<api::BeginCommand>(begin), check));
  }
  for (const auto verb :
       {runtime::OperatorRequest::Verb::kCancel, runtime::OperatorRequest::Verb::kRetry,
        runtime::OperatorRequest::Verb::kSkip, runtime::OperatorRequest::Verb::kComplete,
        runtime::OperatorRequest::Verb::kResolve}) {
    auto operate = api::DecodeOperate(verb, "t1", *json);
    if (auto* command = std::get_if<api::OperateCommand>(&operate)) {
      static_cast<void>(api::ReadOperate(*command, check));
    }
  }
  static_cast<void>(api::DecodeSignal("t1", *json));
  auto complete = api::DecodeComplete("token", *json);
  if (auto* command = std::get_if<api::CompleteCommand>(&complete)) {
    static_cast<void>(api::ReadOutcome(*command, check));
  }
}

void ApiQuery(std::string_view input) {
  api::Checker check;
  auto list = api::DecodeList(input);
  if (auto* command = std::get_if<api::ListCommand>(&list)) {
    static_cast<void>(api::ReadFilter(*command, check));
    static_cast<void>(api::ReadPage(command->limit, command->cursor, check));
  }
  static_cast<void>(api::DecodeGet("t1", input));
  static_cast<void>(api::DecodeEventFilter(input));
}

// A descriptor set is made fit to be built, or refused.
void Descriptors(std::string_view input) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(input.data(), static_cast<int>(input.size()))) {
    return;
  }
  const auto prepared = net::PrepareDescriptors({set.file().begin(), set.file().end()});
  if (!prepared.ok()) {
    ENTENTE_CHECK(prepared.status().reason() == "descriptor_set.invalid");
  }
}

constexpr std::string_view kJsonWords[] = {"{",  "}",   "[",       "]",       ":",
                                           ",",  "\"",  "\\u0000", "\\ud800", "1e400",
                                           "-0", "0.1", "true",    "null",    "\"a\""};
constexpr std::string_view kDefinitionWords[] = {
    R"("name":"x",)",
    R"("mode":"saga",)",
    R"("mode":"tcc",)",
    R"("mode":"2pc",)",
    R"("steps":[)",
    R"("id":"a",)",
    R"("after":[],)",
    R"("participant":"p",)",
    R"("action":{"post":"/a"},)",
    R"("compensate":null)",
    R"("forEach":{"items":"${input.l}","maxParallel":2},)",
    R"("wait":{"signal":"go"})",
    R"("pivot":true,)",
    R"("when":"${input.x}",)",
    "{",
    "}",
    "]",
    ","};
constexpr std::string_view kCelWords[] = {"input",
                                          ".n",
                                          ".s",
                                          ".list",
                                          "[0]",
                                          "size(",
                                          ")",
                                          "map(x, x",
                                          "filter(x,",
                                          "matches(\"",
                                          "\"",
                                          "+",
                                          "-",
                                          "*",
                                          "/",
                                          "%",
                                          "==",
                                          "&&",
                                          "||",
                                          "?",
                                          ":",
                                          "in",
                                          "duration(\"1s\")",
                                          "timestamp(\"",
                                          "1u",
                                          "0x7fffffffffffffff",
                                          "b'",
                                          "r'",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          "has(",
                                          "int("};
constexpr std::string_view kHttpWords[] = {"GET / HTTP/1.1\r\n",
                                           "POST /a HTTP/1.1\r\n",
                                           "HTTP/1.1 200 OK\r\n",
                                           "HTTP/1.1 202 A\r\n",
                                           "HTTP/1.1 409 C\r\n",
                                           "Host: p.test\r\n",
                                           "Content-Length: 2\r\n",
                                           "Transfer-Encoding: chunked\r\n",
                                           "Location: /poll\r\n",
                                           "Entente-Vote: read-only\r\n",
                                           "Entente-Pending: token\r\n",
                                           "Entente-Heuristic: mixed\r\n",
                                           "Retry-After: 1\r\n",
                                           "Content-Type: application/json\r\n",
                                           "\r\n",
                                           "0\r\n\r\n",
                                           "2\r\n{}\r\n",
                                           "{}",
                                           "\r",
                                           "\n"};
constexpr std::string_view kApiWords[] = {R"({"definition":"a",)",
                                          R"("gid":"t1",)",
                                          R"("input":{},)",
                                          R"("labels":{"a":"b"},)",
                                          R"("deadline":"1s",)",
                                          R"("wait":"1s")",
                                          R"("mode":"tcc")",
                                          R"("outcome":"done")",
                                          R"("name":"go")",
                                          R"("payload":1)",
                                          R"("reason":"r",)",
                                          R"("expectedRevision":"1")",
                                          "{",
                                          "}",
                                          ","};
constexpr std::string_view kQueryWords[] = {
    "status=",       "ACTIVE", "&",       "label=",  "a%3db",
    "limit=",        "50",     "cursor=", "since=",  "2026-01-01T00:00:00Z",
    "incident=true", "%",      "%00",     "wait=1s", "q="};
constexpr std::string_view kBytes[] = {
    std::string_view("\0", 1), "\x08\x01", "\x0a\x02", "\x12", "\xff", "a.proto",
    "google.protobuf.Any"};

constexpr std::array kTargets = {
    Target{"json", &Json, kJsonWords},
    Target{"definition", &Definition, kDefinitionWords},
    Target{"branch", &Branch, kDefinitionWords},
    Target{"cel", &Cel, kCelWords},
    Target{"record", &Record, kBytes},
    Target{"http_request", &HttpRequest, kHttpWords},
    Target{"http_answer", &HttpAnswer, kHttpWords},
    Target{"api_body", &ApiBody, kApiWords},
    Target{"api_query", &ApiQuery, kQueryWords},
    Target{"descriptors", &Descriptors, kBytes},
};

}  // namespace

std::span<const Target> Targets() {
  return kTargets;
}

}  // namespace entente::fuzz
