// The requests of operations: path, headers, body, and how the answer is read. The other half of
// OperationCompiler.
#include <algorithm>
#include <array>
#include <utility>

#include "dsl/addresses.h"
#include "dsl/read/body_kind.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"
#include "dsl/steps/operations.h"

namespace entente::dsl {
namespace {

// By number, from 0 (OK) to 16.
constexpr std::array<std::string_view, 17> kGrpcStatusNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
constexpr int kMinHttpStatus = 200;  // Interim answers are not answers.
constexpr int kMaxHttpStatus = 599;

std::string UpperCase(std::string_view word) {
  std::string upper(word);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return upper;
}

// A part of a template's text that is not an expression.
struct LiteralPart {
  size_t offset;
  std::string_view text;
};

// `text` was compiled before, so its expressions end where they should.
std::vector<LiteralPart> LiteralParts(std::string_view text) {
  std::vector<LiteralPart> parts;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at, 3) == "$${") {
      at += 3;
    } else if (text.substr(at, 2) == "${") {
      parts.push_back({start, text.substr(start, at - start)});
      at += 2;
      static_cast<void>(cel::Expression::ParseUntilBrace(text, &at));
      start = at;
    } else {
      ++at;
    }
  }
  parts.push_back({start, text.substr(start)});
  return parts;
}

// What a body may name as its code; a status in quotes is most likely meant as a number.
bool IsBodyCode(std::string_view text) {
  return !text.empty() && text.size() <= limits::kMaxNameBytes &&
         text.find_first_not_of("0123456789") != std::string_view::npos;
}

bool HasDotSegment(const std::vector<LiteralPart>& parts) {
  std::string path;
  for (const LiteralPart& part : parts) {
    // An expression's value stands for some text that is no dot; the engine checks that.
    path += path.empty() ? "" : "*";
    path += part.text;
  }
  return dsl::HasDotSegment(path);
}

}  // namespace

std::optional<HttpRequestTemplate> OperationCompiler::HttpRequest(const ObjectReader& reader,
                                                                  const OperationSite& site,
                                                                  std::string_view verb,
                                                                  const std::string& content_type) {
  std::optional<cel::Template> path = Path(*reader.Find(verb), reader.PointerTo(verb), site.scope);
  HttpRequestTemplate request{UpperCase(verb), path.value_or(LiteralTemplate("/")), {}, {}};
  Headers(reader, site.scope, &request);
  if (const Json* body = reader.Find("body")) {
    if (verb == "get") {
      problems_.AtKey(reader.PointerTo("body"), "body_not_here", "a GET request has no body",
                      "put what it says into the path, or use 'post'");
    }
    request.body = expressions_.Document(*body, reader.PointerTo("body"), site.scope);
    CheckBodyKind(reader, *body, content_type);
  }
  TextOrForm(reader, site.scope, verb, &request);
  if (!path) {
    return std::nullopt;
  }
  return request;
}

void OperationCompiler::TextOrForm(const ObjectReader& reader, const Scope& scope,
                                   std::string_view verb, HttpRequestTemplate* request) {
  std::string_view said = reader.Has("body") ? "body" : "";
  for (const std::string_view field : {"form", "text"}) {
    const Json* json = reader.Find(field);
    if (json == nullptr) {
      continue;
    }
    const std::string pointer = reader.PointerTo(field);
    if (verb == "get") {
      problems_.AtKey(pointer, "body_not_here", "a GET request has no body",
                      "put what it says into the path, or use 'post'");
    }
    if (!said.empty()) {
      problems_.AtKey(pointer, "contradiction",
                      Quote(field) + " and " + Quote(said) + " both say what is sent",
                      "keep one of them");
    }
    said = field;
    const bool is_form = field == "form";
    if (is_form && json->is_object()) {
      CheckFormFields(*json, pointer);
    } else if (is_form) {
      problems_.AtValue(pointer, "wrong_type",
                        "'form' must be an object, not " + std::string(TypeName(*json)),
                        R"(write {"field": "${...}"})");
    }
    Scope text_scope = scope;
    text_scope.place = "'text'";
    request->body = is_form ? expressions_.Document(*json, pointer, scope)
                            : expressions_.Text(*json, pointer, text_scope);
    SayContentType(reader, is_form, pointer, request);
  }
}

// An author may say himself what kind of text it is, but not that a form is something else.
void OperationCompiler::SayContentType(const ObjectReader& reader, bool is_form,
                                       const std::string& pointer, HttpRequestTemplate* request) {
  const auto said =
      std::find_if(request->headers.begin(), request->headers.end(),
                   [](const auto& header) { return UpperCase(header.first) == "CONTENT-TYPE"; });
  if (said == request->headers.end()) {
    request->headers.emplace_back("Content-Type",
                                  LiteralTemplate(is_form ? "application/x-www-form-urlencoded"
                                                          : "text/plain; charset=utf-8"));
    return;
  }
  const Json& type = (*reader.Find("headers"))[said->first];
  const BodyKind kind = KindOfBody(type.is_string() ? type.get<std::string>() : "");
  if (kind != (is_form ? BodyKind::kForm : BodyKind::kText)) {
    problems_.AtKey(pointer, "contradiction",
                    Quote(is_form ? "form" : "text") + " can not be sent under the Content-Type " +
                        Quote(DumpJson(type)),
                    "remove that header, or write 'body'");
  }
}

void OperationCompiler::CheckFormFields(const Json& form, const std::string& pointer) {
  for (const auto& [name, value] : form.items()) {
    if (value.is_structured()) {
      problems_.AtValue(pointer + "/" + EscapePointerToken(name), "wrong_type",
                        "a field of a form can not be a list or an object");
    }
  }
}

// Where the type is an expression's value, the call finds out.
void OperationCompiler::CheckBodyKind(const ObjectReader& reader, const Json& body,
                                      std::string content_type) {
  if (const Json* headers = reader.Find("headers"); headers != nullptr && headers->is_object()) {
    for (const auto& [name, value] : headers->items()) {
      if (UpperCase(name) == "CONTENT-TYPE" && value.is_string()) {
        content_type = value.get<std::string>();
      }
    }
  }
  const BodyKind kind = KindOfBody(content_type);
  if (kind == BodyKind::kJson || content_type.find("${") != std::string::npos) {
    return;
  }
  const bool form = kind == BodyKind::kForm && body.is_object();
  if (body.is_structured() && !form) {
    problems_.AtValue(reader.PointerTo("body"), "wrong_type",
                      "under the Content-Type " + Quote(content_type) +
                          " the body can not be a list or an object",
                      "write a string, or send JSON");
    return;
  }
  if (form) {
    CheckFormFields(body, reader.PointerTo("body"));
  }
}

std::optional<cel::Template> OperationCompiler::Path(const Json& value, const std::string& pointer,
                                                     const Scope& scope) {
  Scope path_scope = scope;
  path_scope.place = "a path";
  std::optional<cel::Template> path = expressions_.Text(value, pointer, path_scope);
  if (!path) {
    return std::nullopt;
  }
  const auto& text = value.get_ref<const std::string&>();
  if (!text.starts_with('/')) {
    problems_.AtValue(pointer, "bad_path",
                      "the path " + Quote(text) +
                          " does not start with '/'; what an expression gives becomes part of one "
                          "segment, a '/' in it percent-encoded",
                      text.find("://") != std::string::npos
                          ? "the host belongs into 'participants'; write the path only"
                          : "write " + Quote("/" + text));
  }
  const std::vector<LiteralPart> parts = LiteralParts(text);
  if (HasDotSegment(parts)) {
    problems_.AtValue(pointer, "bad_path",
                      "the path " + Quote(text) + " has '.' or '..' as one of its segments",
                      "write the path that it leads to");
  }
  for (const LiteralPart& part : parts) {
    if (const auto bad = FindBadPathByte(part.text)) {
      problems_.InString(pointer, part.offset + *bad, "bad_path",
                         "a path can not hold this character as it is", "percent-encode it");
      break;
    }
  }
  return path;
}

void OperationCompiler::Headers(const ObjectReader& reader, const Scope& scope,
                                HttpRequestTemplate* request) {
  const Json* headers = reader.Object("headers");
  if (headers == nullptr) {
    return;
  }
  for (const auto& [name, value] : headers->items()) {
    const std::string pointer = reader.PointerTo("headers") + "/" + EscapePointerToken(name);
    if (const auto bad = CheckHeaderName(name)) {
      problems_.AtKey(pointer, "bad_header", bad->message, bad->suggestion);
    }
    Scope header_scope = scope;
    header_scope.place = "a header";
    std::optional<std::string> literal;
    auto text = expressions_.Text(value, pointer, header_scope, &literal);
    if (literal && !IsHeaderValue(*literal)) {
      problems_.AtValue(
          pointer, "bad_header",
          "the value of " + Quote(name) + " holds a line break or a control character");
    }
    if (text) {
      request->headers.emplace_back(name, *std::move(text));
    }
  }
}

std::optional<GrpcRequestTemplate> OperationCompiler::GrpcRequest(const ObjectReader& reader,
                                                                  const OperationSite& site) {
  const std::optional<std::string> method = reader.String("rpc");
  if (method && !IsProtoIdentifier(*method)) {
    const size_t slash = method->find_last_of("/.");
    problems_.AtValue(
        reader.PointerTo("rpc"), "bad_name", Quote(*method) + " is not the name of a gRPC method",
        slash == std::string::npos
            ? ""
            : "the service belongs to the participant; write " + Quote(method->substr(slash + 1)));
  }
  std::optional<cel::Template> body = LiteralTemplate(Json::object());
  if (const Json* json = reader.Find("body")) {
    const bool whole_expression =
        json->is_string() && json->get_ref<const std::string&>().starts_with("${");
    if (!json->is_object() && !whole_expression) {
      problems_.AtValue(reader.PointerTo("body"), "wrong_type",
                        "the body of an rpc is a message: it must be an object or an expression, "
                        "not " +
                            std::string(TypeName(*json)));
    }
    body = expressions_.Document(*json, reader.PointerTo("body"), site.scope);
  }
  if (!method || !body) {
    return std::nullopt;
  }
  return GrpcRequestTemplate{*method, *std::move(body)};
}

AnswerRules OperationCompiler::Answers(const ObjectReader& reader, bool http) {
  AnswerRules rules;
  rules.succeed_on = Statuses(reader, "succeedOn", http);
  rules.fail_on = Statuses(reader, "failOn", http, &rules.fail_codes);
  rules.retry_on = Statuses(reader, "retryOn", http, &rules.retry_codes);
  rules.form = ReadAnswerForm(reader);
  rules.codes = rules.fail_codes;
  rules.codes.insert(rules.codes.end(), rules.retry_codes.begin(), rules.retry_codes.end());
  CheckApart(reader, http, {"succeedOn", rules.succeed_on}, {"failOn", rules.fail_on});
  CheckApart(reader, http, {"succeedOn", rules.succeed_on}, {"retryOn", rules.retry_on});
  CheckApart(reader, http, {"failOn", rules.fail_on}, {"retryOn", rules.retry_on});
  for (const std::string& code : rules.retry_codes) {
    if (std::find(rules.fail_codes.begin(), rules.fail_codes.end(), code) !=
        rules.fail_codes.end()) {
      problems_.AtValue(reader.PointerTo("retryOn"), "contradiction",
                        "the code " + Quote(code) + " stands in both 'failOn' and 'retryOn'",
                        "remove it from one of them");
    }
  }
  return rules;
}

// An answer means one thing.
void OperationCompiler::CheckApart(const ObjectReader& reader, bool http, const Listed& some,
                                   const Listed& others) {
  for (const int status : others.statuses) {
    if (std::find(some.statuses.begin(), some.statuses.end(), status) != some.statuses.end()) {
      problems_.AtValue(reader.PointerTo(others.field), "contradiction",
                        "the answer " +
                            (http ? std::to_string(status)
                                  : std::string(kGrpcStatusNames[static_cast<size_t>(status)])) +
                            " stands in both " + Quote(some.field) + " and " + Quote(others.field),
                        "remove it from one of them");
    }
  }
}

AnswerForm OperationCompiler::ReadAnswerForm(const ObjectReader& reader) {
  const auto said = reader.String("answer");
  if (!said || *said == "json") {
    return AnswerForm::kJson;
  }
  if (*said != "text" && *said != "none") {
    problems_.AtValue(reader.PointerTo("answer"), "bad_value",
                      "'answer' says what the body of the answer is, \"json\", \"text\" or "
                      "\"none\", not " +
                          Quote(*said),
                      DidYouMean(*said, {"json", "text", "none"}));
  }
  return *said == "text" ? AnswerForm::kText : AnswerForm::kNone;
}

std::optional<RefuseRule> OperationCompiler::Refuses(const ObjectReader& reader,
                                                     const Scope& scope) {
  const auto effect = reader.String("effect");
  const auto code = ReadRefusalCode(reader, "refuseCode", problems_);
  if (effect && *effect != "kept" && *effect != "none") {
    problems_.AtValue(
        reader.PointerTo("effect"), "bad_value",
        "'effect' says what is left of a refused call, \"none\" or \"kept\", not " + Quote(*effect),
        DidYouMean(*effect, {"none", "kept"}));
  }
  const Json* when = reader.Find("refuseWhen");
  for (const std::string_view field : {"refuseCode", "refuseMessage", "effect"}) {
    if (when == nullptr && reader.Has(field)) {
      problems_.AtKey(reader.PointerTo(field), "missing_field",
                      Quote(field) + " says nothing without 'refuseWhen'",
                      "add \"refuseWhen\": \"${output.state == 'DENIED'}\"");
    }
  }
  if (when == nullptr) {
    return std::nullopt;
  }
  Scope answered = scope;
  answered.answer = true;
  answered.token = false;
  answered.place = "'refuseWhen'";
  auto condition =
      expressions_.Whole(*when, reader.PointerTo("refuseWhen"), answered, cel::Kind::kBool);
  answered.place = "'refuseMessage'";
  std::optional<cel::Template> message =
      LiteralTemplate("the answer says so: 'refuseWhen' holds of it");
  if (const Json* text = reader.Find("refuseMessage")) {
    message = expressions_.Text(*text, reader.PointerTo("refuseMessage"), answered);
  }
  if (!condition || !message) {
    return std::nullopt;
  }
  return RefuseRule{*std::move(condition), code.value_or("refused"), *std::move(message),
                    effect == "kept"};
}

std::optional<RepeatRule> OperationCompiler::Repeats(const ObjectReader& outer,
                                                     const Scope& scope) {
  const Json* json = outer.Find("repeat");
  const std::string pointer = outer.PointerTo("repeat");
  if (json == nullptr || !ObjectReader::IsObject(*json, pointer, "'repeat'", problems_)) {
    return std::nullopt;
  }
  const ObjectReader reader(*json, pointer, fields::kRepeat, problems_);
  reader.RefuseUnknownFields();
  const Json* until =
      reader.Require("until", "say what is waited for: \"${output.state == 'DONE'}\"");
  reader.Require("every", R"(say how long to wait between two calls: "1m")");
  const auto every = reader.DurationIn("every", limits::kMinPollInterval, kMaxDuration);
  const auto backoff = reader.Number("backoff", 1.0, limits::kMaxRetryFactor);
  const auto times = reader.Integer("times", 1, limits::kMaxPolls);
  const auto within = reader.DurationIn("within", limits::kMinPollInterval, kMaxDuration);
  Scope answered = scope;
  answered.answer = true;
  answered.token = false;
  answered.place = "'until'";
  auto condition = until == nullptr ? std::nullopt
                                    : expressions_.Whole(*until, reader.PointerTo("until"),
                                                         answered, cel::Kind::kBool);
  if (!condition || !every) {
    return std::nullopt;
  }
  return RepeatRule{*std::move(condition), *every, backoff.value_or(1.0),
                    static_cast<uint32_t>(times.value_or(limits::kMaxPolls)), within};
}

std::optional<CompletionRule> OperationCompiler::Completes(const ObjectReader& outer,
                                                           const Scope& scope) {
  const Json* json = outer.Find("completion");
  const std::string pointer = outer.PointerTo("completion");
  if (json == nullptr || !ObjectReader::IsObject(*json, pointer, "'completion'", problems_)) {
    return std::nullopt;
  }
  if (outer.Has("repeat")) {
    problems_.AtKey(pointer, "contradiction",
                    "a call either is repeated until its answer is the one that is waited for, or "
                    "is completed by somebody else",
                    "remove 'repeat' or 'completion'");
  }
  const ObjectReader reader(*json, pointer, fields::kCompletion, problems_);
  reader.RefuseUnknownFields();
  Scope sent = scope;
  sent.token = false;
  sent.body = true;
  CompletionRule rule;
  if (const Json* when = reader.Find("when")) {
    sent.place = "'when'";
    rule.when = expressions_.Whole(*when, reader.PointerTo("when"), sent, cel::Kind::kBool);
  }
  if (const Json* output = reader.Find("output")) {
    sent.place = "'output'";
    rule.output = expressions_.Document(*output, reader.PointerTo("output"), sent);
  }
  return rule;
}

std::vector<int> OperationCompiler::Statuses(const ObjectReader& reader, std::string_view field,
                                             bool http, std::vector<std::string>* codes) {
  std::vector<int> statuses;
  const Json* array = reader.Array(field);
  if (array == nullptr) {
    return statuses;
  }
  for (size_t i = 0; i < array->size(); ++i) {
    const auto* text = (*array)[i].get_ptr<const std::string*>();
    if (http && codes != nullptr && text != nullptr && IsBodyCode(*text)) {
      codes->push_back(*text);
      continue;
    }
    const auto status =
        Status((*array)[i], reader.PointerTo(field) + "/" + std::to_string(i), http);
    if (status && std::find(statuses.begin(), statuses.end(), *status) == statuses.end()) {
      statuses.push_back(*status);
    }
  }
  return statuses;
}

std::optional<int> OperationCompiler::Status(const Json& value, const std::string& pointer,
                                             bool http) {
  const int min = http ? kMinHttpStatus : 0;
  const int max = http ? kMaxHttpStatus : static_cast<int>(kGrpcStatusNames.size()) - 1;
  if (value.is_number_integer() && value >= min && value <= max) {
    return value.get<int>();
  }
  if (http) {
    problems_.AtValue(pointer, "bad_status",
                      "an HTTP answer is named by its status, a number from 200 to 599, not " +
                          Quote(DumpJson(value)));
    return std::nullopt;
  }
  std::string suggestion = "write its name, such as \"NOT_FOUND\"";
  if (const auto* name = value.get_ptr<const std::string*>()) {
    const auto known = std::find(kGrpcStatusNames.begin(), kGrpcStatusNames.end(), *name);
    if (known != kGrpcStatusNames.end()) {
      return static_cast<int>(known - kGrpcStatusNames.begin());
    }
    auto similar = DidYouMean(UpperCase(*name), {kGrpcStatusNames.begin(), kGrpcStatusNames.end()});
    suggestion = similar.empty() ? suggestion : similar;
  }
  problems_.AtValue(pointer, "bad_status",
                    Quote(DumpJson(value)) + " is not a gRPC status, by name or by number 0 to 16",
                    std::move(suggestion));
  return std::nullopt;
}

std::optional<UndoTemplate> OperationCompiler::CompileUndo(const Json& json,
                                                           const OperationSite& site) {
  static_cast<void>(expressions_.TakeOwnOutputRead());
  std::optional<OperationTemplate> call =
      CompileAs(json, site, {fields::kHttpUndo, fields::kGrpcUndo, fields::kTransactionUndo});
  const auto reads_output = expressions_.TakeOwnOutputRead();
  const bool says_when_unknown = json.is_object() && json.contains("whenUnknown");
  if (reads_output && !says_when_unknown) {
    problems_.InString(
        reads_output->pointer, reads_output->offset, "undo_reads_output",
        std::string(site.scope.place) +
            " reads its own step's output, which is not there when the call's outcome is unknown",
        "undo by 'key', or add \"whenUnknown\": \"incident\" or another call");
  }
  WhenUnknown when_unknown;
  if (says_when_unknown) {
    when_unknown = CompileWhenUnknown(json["whenUnknown"], site);
  }
  if (!call) {
    return std::nullopt;
  }
  return UndoTemplate{*std::move(call), when_unknown.what, std::move(when_unknown.other_call)};
}

OperationCompiler::WhenUnknown OperationCompiler::CompileWhenUnknown(const Json& json,
                                                                     const OperationSite& site) {
  OperationSite other = site;
  other.pointer = site.pointer + "/whenUnknown";
  other.scope.place = "'whenUnknown'";
  other.scope.own_output = false;
  other.scope.when_unknown = true;
  if (json.is_object()) {
    return {UndoTemplate::WhenUnknown::kOtherCall, Compile(json, other)};
  }
  if (json != "incident") {
    problems_.AtValue(
        other.pointer, "bad_value",
        "'whenUnknown' must be \"incident\" or an operation, not " + Quote(DumpJson(json)),
        json.is_string() ? DidYouMean(json.get<std::string>(), {"incident"}) : "");
  }
  return {UndoTemplate::WhenUnknown::kIncident, std::nullopt};
}

}  // namespace entente::dsl
