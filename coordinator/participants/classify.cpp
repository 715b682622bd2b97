#include "coordinator/participants/classify.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/utf8.h"
#include "net/core/url.h"

namespace entente::participants {
namespace {

using engine::Failure;
using engine::Reply;

constexpr int kHttpAccepted = 202;
constexpr int kHttpConflict = 409;
constexpr int kGrpcAborted = 10;
constexpr size_t kShownBodyBytes = 300;
constexpr std::string_view kUnverified = "entente-unverified";
// Between two calls of a participant that can not tell who calls: somebody has to mend that.
constexpr Duration kTrustPause = std::chrono::seconds(10);

template <class Code>
bool Contains(const std::vector<Code>& codes, const Code& code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// `message` may hold what a participant sent: any bytes.
Failure MakeFailure(std::string code, std::string_view message) {
  return {std::move(code), ToUtf8(message, limits::kMaxErrorTextBytes)};
}

// The beginning of a body, for people.
std::string Excerpt(const std::string& body) {
  if (body.empty()) {
    return {};
  }
  return ": " + body.substr(0, kShownBodyBytes) + (body.size() > kShownBodyBytes ? "..." : "");
}

Failure HttpFailure(const net::HttpResponse& response, std::string_view hint = {}) {
  std::string message = "HTTP " + std::to_string(response.status) + " " +
                        std::string(net::HttpReasonPhrase(response.status));
  if (!hint.empty()) {
    message += " (" + std::string(hint) + ")";
  }
  return MakeFailure("http." + std::to_string(response.status), message + Excerpt(response.body));
}

std::optional<Duration> RetryAfter(const net::HttpHeaders& headers, Instant now) {
  const auto value = headers.Find("retry-after");
  return value ? ParseRetryAfter(*value, now) : std::nullopt;
}

// A header says what can not be understood.
Reply BadAnswer(std::string code, std::string_view what, std::string_view value) {
  return engine::ReplyUnknown{
      MakeFailure(std::move(code),
                  std::string(what) + std::string(value.substr(0, kShownBodyBytes))),
      std::nullopt};
}

// Fields that may stand once. Those of ours are told by their beginning.
constexpr std::array<std::string_view, 4> kSingleFields = {"host", "content-type", "retry-after",
                                                           "location"};
constexpr std::string_view kOwnPrefix = "entente-";

bool IsSingle(std::string_view name) {
  return net::EqualsIgnoringCase(name.substr(0, kOwnPrefix.size()), kOwnPrefix) ||
         std::any_of(kSingleFields.begin(), kSingleFields.end(), [name](std::string_view single) {
           return net::EqualsIgnoringCase(name, single);
         });
}

// A field that may stand once and stands twice, with different values.
std::optional<std::string> FindContradiction(const net::HttpHeaders& headers) {
  for (size_t i = 0; i < headers.size(); ++i) {
    const auto first = IsSingle(headers.name(i)) ? headers.Find(headers.name(i)) : std::nullopt;
    if (first && *first != headers.value(i)) {
      return std::string(headers.name(i));
    }
  }
  return std::nullopt;
}

std::optional<Reply> Contradiction(const net::HttpHeaders& headers) {
  const auto name = FindContradiction(headers);
  return name
             ? std::optional(BadAnswer("answer.contradiction",
                                       "an answer with two different values of the header ", *name))
             : std::nullopt;
}

// What some expression reads of a success beside its output.
JsonText KeptOf(int status, const net::HttpHeaders& headers, const AnswerContext& context) {
  const dsl::AnswerRules* rules = context.rules;
  const bool reads = rules != nullptr && (rules->status_code || !rules->headers.empty());
  if (!reads || context.role != dsl::Role::kForward) {
    return {};
  }
  Json kept = Json::object();
  if (rules->status_code) {
    kept["statusCode"] = status;
  }
  for (const std::string& name : rules->headers) {
    if (const auto value = headers.Find(name)) {
      kept["headers"][name] = ToUtf8(*value, limits::kMaxHeaderBytes);
    }
  }
  return kept;
}

// The participant could not tell who calls, and has not looked at what it was asked for. Whatever
// the status is: it says nothing of the operation.
std::optional<Reply> TurnedAway(const net::HttpHeaders& headers, std::string_view detail) {
  const auto why = headers.Find(kUnverified);
  if (!why) {
    return std::nullopt;
  }
  std::string message =
      "the participant can not tell that the coordinator calls (" + std::string(*why) +
      ") and has done nothing; compare the keys that it knows with those at /v1/keys, and the "
      "clocks";
  if (!detail.empty()) {
    message += ": " + std::string(detail.substr(0, kShownBodyBytes));
  }
  engine::ReplyNotSent turned_away{MakeFailure("participant.unverified", message), kTrustPause};
  turned_away.blocked = true;
  return turned_away;
}

// A success, with what the answer to a try says beside its output.
Reply Done(JsonText output, int status, const net::HttpHeaders& headers,
           const AnswerContext& context) {
  const bool carries_out = context.role != dsl::Role::kForward;
  if (const auto heuristic = carries_out ? headers.Find("entente-heuristic") : std::nullopt) {
    return BadAnswer("answer.contradiction", "a success with an Entente-Heuristic: ", *heuristic);
  }
  engine::ReplyDone done;
  done.output = std::move(output);
  done.answer = KeptOf(status, headers, context);
  const bool is_try = context.mode == dsl::Mode::kTcc && context.role == dsl::Role::kForward;
  if (const auto expires = is_try ? headers.Find("entente-expires") : std::nullopt) {
    const auto instant = ParseInstant(*expires);
    if (!instant.ok()) {
      // It holds something, and for how long is not known.
      return BadAnswer(
          "answer.bad_expires",
          "a success with an Entente-Expires header that is no RFC 3339 instant: ", *expires);
    }
    done.expires = *instant;
  }
  return done;
}

// What the answer to a prepare is by its vote. `reply` is what it is without one.
Reply WithVote(Reply reply, const net::HttpHeaders& headers, const AnswerContext& context) {
  const bool prepares =
      context.mode == dsl::Mode::kTwoPhaseCommit && context.role == dsl::Role::kForward;
  const auto vote = prepares ? headers.Find("entente-vote") : std::nullopt;
  if (!vote) {
    return reply;
  }
  if (*vote == "no") {
    return engine::ReplyRefused{
        MakeFailure("answer.vote_no", "an answer with the header Entente-Vote: no")};
  }
  if (*vote != "yes" && *vote != "read-only") {
    return BadAnswer(
        "answer.bad_vote",
        "an answer with an Entente-Vote that is none of yes, read-only and no: ", *vote);
  }
  if (const auto* refused = std::get_if<engine::ReplyRefused>(&reply)) {
    return BadAnswer("answer.contradiction",
                     "a refusal (" + refused->failure.code + ") with an Entente-Vote: ", *vote);
  }
  if (auto* done = std::get_if<engine::ReplyDone>(&reply)) {
    done->read_only = *vote == "read-only";
  }
  return reply;
}

std::optional<engine::HeuristicOutcome> HeuristicNamed(std::string_view name) {
  for (const auto outcome :
       {engine::HeuristicOutcome::kCommitted, engine::HeuristicOutcome::kRolledBack,
        engine::HeuristicOutcome::kMixed}) {
    if (engine::HeuristicOutcomeName(outcome) == name) {
      return outcome;
    }
  }
  return std::nullopt;
}

// As the member `heuristic` of the body of a refusal.
std::optional<engine::HeuristicOutcome> HeuristicInBody(const std::string& body) {
  const auto json = ParseJson(body, limits::kPayloadJson);
  if (!json.ok() || !json->is_object()) {
    return std::nullopt;
  }
  const auto member = json->find("heuristic");
  return member != json->end() && member->is_string() ? HeuristicNamed(member->get<std::string>())
                                                      : std::nullopt;
}

// A participant that settled the branch by itself says so in a header of its refusal, or as the
// member `heuristic` of the refusal's body, where any other value is the service's own affair. Only
// of an operation that carries out a decision. `failure` is what the refusal says.
std::optional<Reply> HeuristicIn(const net::HttpHeaders& headers, const std::string& body,
                                 const AnswerContext& context, const Failure& failure) {
  if (context.role == dsl::Role::kForward) {
    return std::nullopt;
  }
  const auto in_body = HeuristicInBody(body);
  const auto header = headers.Find("entente-heuristic");
  const auto outcome = header ? HeuristicNamed(*header) : in_body;
  if (header && !outcome) {
    return BadAnswer("answer.bad_heuristic",
                     "a refusal with an Entente-Heuristic that is none of committed, rolled-back "
                     "and mixed: ",
                     *header);
  }
  if (in_body && in_body != outcome) {
    return BadAnswer(
        "answer.contradiction",
        "a refusal whose body says another outcome than its Entente-Heuristic: ", *header);
  }
  return outcome ? std::optional<Reply>(engine::ReplyHeuristic{*outcome, failure}) : std::nullopt;
}

Reply Refused(const net::HttpResponse& response, const AnswerContext& context) {
  Failure failure = HttpFailure(response);
  if (response.status == kHttpConflict) {
    if (auto heuristic = HeuristicIn(response.headers, response.body, context, failure)) {
      return std::move(*heuristic);
    }
  }
  return engine::ReplyRefused{std::move(failure)};
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// The media type, without its parameters.
bool IsPlainText(const net::HttpHeaders& headers) {
  const std::string_view type = headers.Find("content-type").value_or("");
  return net::EqualsIgnoringCase(Trimmed(type.substr(0, type.find(';'))), "text/plain");
}

// The parameter `charset` of the media type (RFC 9110, 8.3.1); empty if there is none.
std::string_view CharsetOf(const net::HttpHeaders& headers) {
  constexpr std::string_view kName = "charset=";
  std::string_view rest = headers.Find("content-type").value_or("");
  while (rest.find(';') != std::string_view::npos) {
    rest.remove_prefix(rest.find(';') + 1);
    std::string_view parameter = Trimmed(rest.substr(0, rest.find(';')));
    if (net::EqualsIgnoringCase(parameter.substr(0, kName.size()), kName)) {
      parameter = Trimmed(parameter.substr(kName.size()));
      const bool quoted = parameter.size() >= 2 && parameter.front() == '"';
      return quoted ? parameter.substr(1, parameter.size() - 2) : parameter;
    }
  }
  return {};
}

// Whether a text in this charset is one in UTF-8, too. ASCII is a part of most others.
bool ReadsAsUtf8(std::string_view charset, const std::string& text) {
  if (charset.empty() || net::EqualsIgnoringCase(charset, "utf-8") ||
      net::EqualsIgnoringCase(charset, "utf8") || net::EqualsIgnoringCase(charset, "us-ascii")) {
    return true;
  }
  const auto begins_with = [charset](std::string_view family) {
    return net::EqualsIgnoringCase(charset.substr(0, family.size()), family);
  };
  return (begins_with("iso-8859-") || begins_with("windows-125") || begins_with("latin")) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

dsl::AnswerForm FormOf(const AnswerContext& context) {
  return context.rules == nullptr ? dsl::AnswerForm::kJson : context.rules->form;
}

Result<JsonText> TextOf(const net::HttpResponse& response) {
  if (!ReadsAsUtf8(CharsetOf(response.headers), response.body) ||
      ValidUtf8Prefix(response.body) != response.body.size()) {
    return InvalidArgument("answer.not_text", "it is text, and not UTF-8");
  }
  JsonText text{Json(response.body)};
  if (text.bytes() > limits::kMaxPayloadBytes) {
    return InvalidArgument("answer.too_large", "it is larger than the limit of " +
                                                   std::to_string(limits::kMaxPayloadBytes) +
                                                   " bytes when written as JSON");
  }
  return text;
}

// What a body says: its JSON, or the text of one that is text/plain. Many a server calls JSON
// text/plain, so a list or an object is read as one there too; anything else stays the text that it
// is, for 12E4 may be the name of a seat.
Result<JsonText> OutputOf(const net::HttpResponse& response, dsl::AnswerForm form) {
  if (response.body.empty() || form == dsl::AnswerForm::kNone) {
    return JsonText();
  }
  if (form == dsl::AnswerForm::kText) {
    return TextOf(response);
  }
  auto json = JsonText::Parse(response.body, limits::kPayloadJson);
  if (!IsPlainText(response.headers) ||
      (json.ok() && (json->text().front() == '{' || json->text().front() == '['))) {
    return json;
  }
  return TextOf(response);
}

// An output that can not be read does not matter where none is read.
Reply DoneWithBody(const net::HttpResponse& response, const AnswerContext& context) {
  auto output = OutputOf(response, FormOf(context));
  if (output.ok()) {
    return Done(std::move(output).value(), response.status, response.headers, context);
  }
  if (context.role != dsl::Role::kForward || response.status == 204) {
    return Done(JsonText(), response.status, response.headers, context);
  }
  const std::string status = std::to_string(response.status);
  return engine::ReplyUnknown{
      MakeFailure("answer.not_json",
                  "HTTP " + status + " with a body that can not be read (" +
                      output.status().message() +
                      "): answer JSON, text/plain or no body, or let the definition say "
                      "\"answer\": \"text\", or \"none\" if the body does not matter" +
                      Excerpt(response.body)),
      std::nullopt};
}

// The absolute address of a pending operation, or empty if `location` leads elsewhere.
// Any reference will do (RFC 9110, 10.2.2); an empty one would be the request itself.
std::string ResolvePollUrl(std::string_view location, const AnswerContext& context) {
  if (location.empty() || context.origin == nullptr) {
    return {};
  }
  const net::Url asked{*context.origin, std::string(context.asked)};
  std::string absolute = net::ResolveReference(asked, location);
  const auto url = net::ParseUrl(absolute);
  if (url.ok() && context.called != nullptr && url->origin == *context.called) {
    return asked.origin.ToString() + url->target;  // Where it was accepted.
  }
  return url.ok() && url->origin == asked.origin ? absolute : std::string();
}

// A pending answer, or nothing if a 202 is an ordinary success.
std::optional<Reply> Pending(const net::HttpResponse& response, const AnswerContext& context) {
  const auto token = response.headers.Find("entente-pending");
  const auto location = response.headers.Find("location");
  if (token && *token != context.completion_token) {
    return engine::ReplyUnknown{
        MakeFailure("answer.foreign_token",
                    "HTTP 202 with an Entente-Pending token that is not the one sent as "
                    "Entente-Completion-Token"),
        std::nullopt};
  }
  if (!location) {
    return token ? std::optional<Reply>(engine::ReplyPending{}) : std::nullopt;
  }
  std::string poll_url = ResolvePollUrl(*location, context);
  if (poll_url.empty() && !token) {
    return engine::ReplyUnknown{
        MakeFailure("answer.foreign_location",
                    "HTTP 202 with a Location that is empty, malformed or outside the "
                    "participant's own origin: " +
                        std::string(location->substr(0, kShownBodyBytes))),
        std::nullopt};
  }
  return engine::ReplyPending{std::move(poll_url), RetryAfter(response.headers, context.now)};
}

// RFC 9110, 5.6.7: the form that is sent today, that of RFC 850, and that of C's asctime.
constexpr std::array<const char*, 3> kHttpDates = {
    "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
constexpr size_t kTwoDigitYears = 1;

Instant FromFields(std::tm fields) {
  return Instant(std::chrono::seconds(timegm(&fields)));
}

// 30 February is read, and would become 2 March.
bool IsInCalendar(const std::tm& fields) {
  std::tm normal = fields;
  timegm(&normal);
  return normal.tm_mday == fields.tm_mday && normal.tm_mon == fields.tm_mon;
}

// A year of two digits is the latest one that is not more than 50 years ahead.
Instant WithCentury(std::tm fields, Instant now) {
  constexpr auto kFarAhead = std::chrono::hours(24 * 365 * 50 + 24 * 13);
  fields.tm_year = fields.tm_year % 100 + 200;  // Of 2100 to 2199.
  while (FromFields(fields) > now + kFarAhead) {
    fields.tm_year -= 100;
  }
  return FromFields(fields);
}

std::optional<Instant> ParseHttpDate(const std::string& text, Instant now) {
  for (size_t form = 0; form < kHttpDates.size(); ++form) {
    std::tm fields{};
    const char* end = strptime(text.c_str(), kHttpDates[form], &fields);
    if (end == text.c_str() + text.size()) {
      if (form == kTwoDigitYears) {
        return WithCentury(fields, now);
      }
      return IsInCalendar(fields) ? std::optional(FromFields(fields)) : std::nullopt;
    }
  }
  return std::nullopt;
}

bool IsRetryableHttp(int status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

// Had no effect, or it can not be told: a status that is an error of the caller's says the former.
Reply Again(Failure failure, int status, const net::HttpHeaders& headers,
            const AnswerContext& context) {
  const auto retry_after = RetryAfter(headers, context.now);
  if (status >= 400 && status < 500 && !IsRetryableHttp(status)) {
    return engine::ReplyRefused{std::move(failure), /*again=*/true, retry_after};
  }
  return engine::ReplyUnknown{std::move(failure), retry_after};
}

// The code that a body names as its own, in one of the usual places: {"code": "X"},
// {"error": "X"}, {"error": {"code": "X"}}. Only one that the definition looks for.
std::string CodeIn(const std::string& body, const AnswerContext& context) {
  if (context.rules == nullptr || context.rules->codes.empty()) {
    return {};
  }
  const auto json = ParseJson(body, limits::kPayloadJson);
  if (!json.ok() || !json->is_object()) {
    return {};
  }
  const Json error = json->value("error", Json());
  for (const Json& code :
       {json->value("code", Json()), error.is_object() ? error.value("code", Json()) : error}) {
    if (code.is_string() && Contains(context.rules->codes, code.get<std::string>())) {
      return code.get<std::string>();
    }
  }
  return {};
}

// What the definition says of the answer, if it does. `code` is what the body names.
std::optional<Reply> ByRules(const net::HttpResponse& response, const std::string& code,
                             const AnswerContext& context) {
  const dsl::AnswerRules* rules = context.rules;
  if (rules == nullptr) {
    return std::nullopt;
  }
  if (Contains(rules->fail_on, response.status) || Contains(rules->fail_codes, code)) {
    return engine::ReplyRefused{HttpFailure(response, "listed in failOn")};
  }
  if (Contains(rules->retry_on, response.status) || Contains(rules->retry_codes, code)) {
    return Again(HttpFailure(response, "listed in retryOn"), response.status, response.headers,
                 context);
  }
  return std::nullopt;
}

// The code of a failure is what the body names, where somebody looks for that.
Reply Named(Reply reply, const std::string& code) {
  const auto name = [&code](auto* failed) {
    if (failed != nullptr && !code.empty()) {
      failed->failure.code = code;
    }
  };
  name(std::get_if<engine::ReplyRefused>(&reply));
  name(std::get_if<engine::ReplyUnknown>(&reply));
  return reply;
}

// The table of docs/participants.md, without the vote and what the definition says.
Reply ByStatus(const net::HttpResponse& response, const AnswerContext& context) {
  const int status = response.status;
  if (context.rules != nullptr && Contains(context.rules->succeed_on, status)) {
    auto output = OutputOf(response, FormOf(context));
    return Done(output.ok() ? std::move(output).value() : JsonText(), status, response.headers,
                context);
  }
  if (status >= 200 && status < 300) {
    if (status == kHttpAccepted) {
      if (auto pending = Pending(response, context)) {
        return std::move(*pending);
      }
    }
    return DoneWithBody(response, context);
  }
  if (IsRetryableHttp(status)) {
    return engine::ReplyUnknown{HttpFailure(response), RetryAfter(response.headers, context.now)};
  }
  if (status >= 400) {
    return Refused(response, context);
  }
  return engine::ReplyUnknown{
      HttpFailure(response, "redirects are not followed: put the final URL in the definition"),
      std::nullopt};
}

// Of OK.
Reply DoneOrPending(net::GrpcResponse& response, const AnswerContext& context) {
  const auto token = response.metadata.Find("entente-pending");
  if (!token) {
    return Done(response.body, response.code, response.metadata, context);
  }
  if (*token != context.completion_token) {
    return engine::ReplyUnknown{
        MakeFailure("answer.foreign_token",
                    "OK with an entente-pending token that is not the one sent as "
                    "entente-completion-token"),
        std::nullopt};
  }
  return engine::ReplyPending{};
}

bool IsRefusalOverGrpc(int code) {
  switch (code) {
    case 3:   // INVALID_ARGUMENT
    case 5:   // NOT_FOUND
    case 6:   // ALREADY_EXISTS
    case 7:   // PERMISSION_DENIED
    case 9:   // FAILED_PRECONDITION
    case 10:  // ABORTED
    case 11:  // OUT_OF_RANGE
    case 12:  // UNIMPLEMENTED
    case 16:  // UNAUTHENTICATED
      return true;
    default: return false;
  }
}

Reply ByStatus(net::GrpcResponse& response, const AnswerContext& context) {
  const auto failure = [&response] {
    return MakeFailure("grpc." + GrpcCodeName(response.code),
                       response.message.empty() ? GrpcCodeName(response.code) : response.message);
  };
  if (context.rules != nullptr && Contains(context.rules->fail_on, response.code)) {
    return engine::ReplyRefused{failure()};
  }
  if (context.rules != nullptr && Contains(context.rules->retry_on, response.code)) {
    const auto after = RetryAfter(response.metadata, context.now);
    return IsRefusalOverGrpc(response.code)
               ? Reply(engine::ReplyRefused{failure(), /*again=*/true, after})
               : Reply(engine::ReplyUnknown{failure(), after});
  }
  if (context.rules != nullptr && Contains(context.rules->succeed_on, response.code)) {
    return Done(response.body, response.code, response.metadata, context);
  }
  if (response.code == 0) {
    return DoneOrPending(response, context);
  }
  if (!IsRefusalOverGrpc(response.code)) {
    return engine::ReplyUnknown{failure(), RetryAfter(response.metadata, context.now)};
  }
  if (response.code == kGrpcAborted) {
    if (auto heuristic = HeuristicIn(response.metadata, {}, context, failure())) {
      return std::move(*heuristic);
    }
  }
  return engine::ReplyRefused{failure()};
}

}  // namespace

bool IsUnverified(const net::HttpHeaders& headers) {
  return headers.Has(kUnverified);
}

Reply ClassifyHttp(net::HttpResponse response, const AnswerContext& context) {
  if (auto turned_away = TurnedAway(response.headers, response.body)) {
    return std::move(*turned_away);
  }
  if (auto contradiction = Contradiction(response.headers)) {
    return std::move(*contradiction);
  }
  const std::string code = CodeIn(response.body, context);
  auto by_rules = ByRules(response, code, context);
  Reply reply = Named(by_rules ? std::move(*by_rules) : ByStatus(response, context), code);
  return WithVote(std::move(reply), response.headers, context);
}

Reply ClassifyPoll(net::HttpResponse response, std::string poll_url, const AnswerContext& context) {
  const int status = response.status;
  const auto again = RetryAfter(response.headers, context.now);
  if (auto turned_away = TurnedAway(response.headers, response.body)) {
    return engine::ReplyUnknown{std::get<engine::ReplyNotSent>(*turned_away).failure, kTrustPause};
  }
  if (auto contradiction = Contradiction(response.headers)) {
    std::get<engine::ReplyUnknown>(*contradiction).retry_after = again;
    return std::move(*contradiction);
  }
  Reply reply = engine::ReplyPending{std::move(poll_url), again};
  if ((status >= 300 && status < 400) || IsRetryableHttp(status) || status == 404) {
    reply = engine::ReplyUnknown{HttpFailure(response), again};
  } else if (status >= 400) {
    reply = Named(Refused(response, context), CodeIn(response.body, context));
  } else if (status != kHttpAccepted) {
    reply = DoneWithBody(response, context);
  }
  return WithVote(std::move(reply), response.headers, context);
}

Reply ClassifyGrpc(net::GrpcResponse response, const AnswerContext& context) {
  if (auto turned_away = TurnedAway(response.metadata, response.message)) {
    return std::move(*turned_away);
  }
  if (auto contradiction = Contradiction(response.metadata)) {
    return std::move(*contradiction);
  }
  Reply reply = ByStatus(response, context);
  return WithVote(std::move(reply), response.metadata, context);
}

Reply ClassifyError(const net::CallError& error) {
  Failure failure = MakeFailure(error.reason, error.message);
  switch (error.failure) {
    case net::CallFailure::kInvalidRequest: return engine::ReplyRefused{std::move(failure)};
    case net::CallFailure::kNotSent: return engine::ReplyNotSent{std::move(failure), std::nullopt};
    case net::CallFailure::kUnknown:
    case net::CallFailure::kBadResponse: break;
  }
  return engine::ReplyUnknown{std::move(failure), std::nullopt};
}

Reply ClassifyPollError(const net::CallError& error) {
  return engine::ReplyUnknown{MakeFailure(error.reason, error.message), std::nullopt};
}

std::string GrpcCodeName(int code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  if (code < 0 || static_cast<size_t>(code) >= kNames.size()) {
    return "CODE_" + std::to_string(code);
  }
  return std::string(kNames[static_cast<size_t>(code)]);
}

std::optional<Duration> ParseRetryAfter(std::string_view value, Instant now) {
  constexpr auto kLongest = std::chrono::seconds(24 * 60 * 60);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!value.empty() && std::all_of(value.begin(), value.end(), is_digit)) {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    // More digits than a number holds say as much as a day does.
    return error == std::errc() ? std::min<Duration>(std::chrono::seconds(seconds), kLongest)
                                : Duration(kLongest);
  }
  const auto at = ParseHttpDate(std::string(value), now);
  return at && *at > now ? std::optional(std::min<Duration>(*at - now, kLongest)) : std::nullopt;
}

}  // namespace entente::participants
