#include "dsl/steps/operations.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/durations.h"
#include "dsl/read/names.h"
#include "dsl/read/object_reader.h"

namespace entente::dsl {
namespace {

bool IsHttpMethod(std::string_view verb) {
  const auto methods = fields::HttpMethods();
  return std::find(methods.begin(), methods.end(), verb) != methods.end();
}

std::vector<std::string_view> Verbs(bool transaction) {
  std::vector<std::string_view> verbs(fields::HttpMethods().begin(), fields::HttpMethods().end());
  verbs.push_back("rpc");
  if (transaction) {
    verbs.push_back("transaction");
  }
  return verbs;
}

}  // namespace

std::optional<OperationTemplate> OperationCompiler::Compile(const Json& json,
                                                            const OperationSite& site) {
  return CompileAs(json, site,
                   {fields::kHttpOperation, fields::kGrpcOperation, fields::kTransactionOperation});
}

std::optional<OperationTemplate> OperationCompiler::CompileForward(const Json& json,
                                                                   const OperationSite& site) {
  return CompileAs(json, site,
                   {fields::kHttpForward, fields::kGrpcForward, fields::kTransactionOperation});
}

std::optional<OperationTemplate> OperationCompiler::CompileAlternative(const Json& json,
                                                                       const OperationSite& site,
                                                                       Mode mode) {
  return CompileAs(json, site,
                   {fields::HttpAlternativeOf(mode), fields::GrpcAlternativeOf(mode),
                    fields::kTransactionAlternative});
}

std::optional<OperationTemplate> OperationCompiler::CompileAs(const Json& json,
                                                              const OperationSite& site,
                                                              const Specs& specs) {
  if (!ObjectReader::IsObject(json, site.pointer, site.scope.place, problems_)) {
    return std::nullopt;
  }
  const std::optional<std::string_view> verb = FindVerb(json, site);
  if (!verb) {
    return std::nullopt;
  }
  const ObjectSpec& spec = *verb == "rpc"           ? specs.grpc
                           : *verb == "transaction" ? specs.transaction
                                                    : specs.http;
  const ObjectReader reader(json, site.pointer, spec, problems_);
  const std::array elsewhere = {&fields::kHttpUndo, &fields::kGrpcUndo, &fields::kHttpForward};
  reader.RefuseUnknownFields(elsewhere);
  if (*verb == "transaction") {
    return Transaction(reader, site);
  }
  return Call(json, site, *verb, spec);
}

std::optional<std::string_view> OperationCompiler::FindVerb(const Json& json,
                                                            const OperationSite& site) {
  const std::vector<std::string_view> verbs = Verbs(/*transaction=*/true);
  std::vector<std::string_view> found;
  for (const std::string_view verb : verbs) {
    if (json.contains(verb)) {
      found.push_back(verb);
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  if (found.empty()) {
    const std::vector<std::string_view> possible = Verbs(site.may_be_transaction);
    std::string suggestion;
    for (const auto& [name, value] : json.items()) {
      if (!fields::kHttpUndo.Has(name) && suggestion.empty()) {
        suggestion = DidYouMean(name, possible);
      }
    }
    problems_.AtValue(site.pointer, "missing_operation",
                      std::string(site.scope.place) +
                          " does not say what to call: it needs one of " + QuoteAll(possible),
                      std::move(suggestion));
  } else {
    problems_.AtKey(site.pointer + "/" + std::string(found.back()), "ambiguous_operation",
                    std::string(site.scope.place) + " names " + QuoteAll(found, "and") +
                        "; an operation is one call",
                    "keep one of them; further calls are steps or alternatives of their own");
  }
  return std::nullopt;
}

std::optional<OperationTemplate> OperationCompiler::Call(const Json& json,
                                                         const OperationSite& site,
                                                         std::string_view verb,
                                                         const ObjectSpec& spec) {
  const ObjectReader reader(json, site.pointer, spec, problems_);
  const bool http = IsHttpMethod(verb);
  const std::optional<size_t> participant = FindParticipant(reader, site, verb);
  AnswerRules answers = Answers(reader, http);
  std::optional<RefuseRule> refuses =
      spec.Has("refuseWhen") ? Refuses(reader, site.scope) : std::nullopt;
  std::optional<RepeatRule> repeats =
      spec.Has("repeat") ? Repeats(reader, site.scope) : std::nullopt;
  std::optional<CompletionRule> completes =
      spec.Has("completion") ? Completes(reader, site.scope) : std::nullopt;
  static_cast<void>(expressions_.TakeTokenRead());
  std::optional<std::variant<HttpRequestTemplate, GrpcRequestTemplate>> request;
  if (http) {
    const std::string types = participant ? participants_[*participant].content_type : "";
    request = HttpRequest(reader, site, verb, types.empty() ? "application/json" : types);
  } else {
    request = GrpcRequest(reader, site);
  }
  if (!participant || !request) {
    return std::nullopt;
  }
  if (const auto* grpc = std::get_if<GrpcRequestTemplate>(&*request)) {
    CheckMethod(reader, grpc->method, participants_[*participant]);
  }
  CallTemplate call{*participant, *std::move(request), std::move(answers)};
  call.refuse = std::move(refuses);
  call.repeat = std::move(repeats);
  call.completion = std::move(completes);
  call.sends_token = expressions_.TakeTokenRead();
  if (participants_[*participant].computed_url) {
    call.base_url = BaseUrl(participants_[*participant], site);
  }
  if (site.default_timeout) {
    call.timeout = participants_[*participant].timeout.value_or(*site.default_timeout);
  }
  return call;
}

// What undoes or finishes a call must reach whom that called: so the address reads nothing that is
// known only afterwards.
std::optional<cel::Template> OperationCompiler::BaseUrl(const KnownParticipant& called,
                                                        const OperationSite& site) {
  Scope scope = site.scope;
  scope.place = "'http'";
  scope.key = false;
  scope.token = false;
  scope.failure = false;
  scope.own_output = false;
  scope.when_unknown = false;
  return expressions_.Text(*called.computed_url, called.pointer, scope);
}

std::optional<size_t> OperationCompiler::FindParticipant(const ObjectReader& reader,
                                                         const OperationSite& site,
                                                         std::string_view verb) {
  std::optional<size_t> participant = site.participant;
  if (reader.Has("participant")) {
    participant = ReadParticipant(reader, participants_, problems_);
    if (!participant) {
      return std::nullopt;
    }
  } else if (!participant) {
    if (site.participant_known) {
      problems_.AtValue(site.pointer, "missing_field",
                        std::string(site.scope.place) +
                            " calls somebody, but neither it nor its step names a 'participant'",
                        "add \"participant\" to the step");
    }
    return std::nullopt;
  }
  const KnownParticipant& called = participants_[*participant];
  const bool http = IsHttpMethod(verb);
  if (called.kind == KnownParticipant::Kind::kHttp && !http) {
    problems_.AtKey(
        reader.PointerTo(verb), "wrong_protocol",
        "'rpc' calls over gRPC, but participant " + Quote(called.name) + " is called over HTTP",
        "write one of " + QuoteAll({"get", "put", "post", "patch", "delete"}) + " with a path");
  } else if (called.kind == KnownParticipant::Kind::kGrpc && http) {
    problems_.AtKey(reader.PointerTo(verb), "wrong_protocol",
                    Quote(verb) + " calls over HTTP, but participant " + Quote(called.name) +
                        " is called over gRPC",
                    "write \"rpc\" with the name of a method");
  }
  return participant;
}

void OperationCompiler::CheckMethod(const ObjectReader& reader, const std::string& method,
                                    const KnownParticipant& called) {
  if (!called.methods ||
      std::find(called.methods->begin(), called.methods->end(), method) != called.methods->end()) {
    return;
  }
  const std::vector<std::string_view> methods(called.methods->begin(), called.methods->end());
  std::string suggestion = DidYouMean(method, methods);
  if (suggestion.empty()) {
    suggestion = "those it has are " + QuoteAll(methods, "and");
  }
  problems_.AtValue(
      reader.PointerTo("rpc"), "unknown_method",
      "the service of participant " + Quote(called.name) + " has no unary method " + Quote(method),
      std::move(suggestion));
}

void OperationCompiler::CheckChild(const std::string& pointer, const std::string& definition,
                                   std::optional<uint32_t> version) {
  if (const auto bad = CheckName(definition, "a definition's name")) {
    problems_.AtValue(pointer, "bad_name", bad->message, bad->suggestion);
    return;
  }
  if (!options_.has_definition || options_.has_definition(definition, version)) {
    return;
  }
  problems_.WarnAtValue(
      pointer, "child_not_found",
      "there is no definition " + Quote(definition) +
          (version ? " of version " + std::to_string(*version) : std::string()) +
          " (yet): until it is registered, no transaction of this one can be submitted",
      "register it");
}

bool OperationCompiler::ChildDefinitions(const ObjectReader& reader, const Scope& scope,
                                         ChildTemplate* child) {
  const Json* json = reader.Require("definition", "name the definition to run");
  const auto name = reader.String("definition");
  const std::string pointer = reader.PointerTo("definition");
  const bool computed = name && name->find("${") != std::string::npos;
  if (!computed) {
    if (reader.Has("among")) {
      problems_.AtKey(reader.PointerTo("among"), "contradiction",
                      "'among' lists what an expression may choose, and 'definition' names one",
                      "remove 'among', or write \"definition\": \"${...}\"");
    }
    if (name) {
      CheckChild(pointer, *name, child->version);
      child->definitions = {*name};
    }
    return name.has_value();
  }
  // Whoever submits must not be able to run whatever is registered, and what a transaction may run
  // is looked at before it is accepted.
  const Json* among = reader.Array("among");
  if (among == nullptr || among->empty() || among->size() > limits::kMaxSteps) {
    problems_.AtValue(reader.Has("among") ? reader.PointerTo("among") : pointer, "missing_field",
                      "a definition that an expression chooses is one of a list, of at most " +
                          std::to_string(limits::kMaxSteps),
                      R"(add "among": ["pay-card", "pay-invoice"])");
    return false;
  }
  if (child->version) {
    problems_.AtKey(reader.PointerTo("version"), "contradiction",
                    "'version' is of one definition, and 'among' lists several", "remove it");
  }
  for (size_t i = 0; i < among->size(); ++i) {
    const std::string place = reader.PointerTo("among") + "/" + std::to_string(i);
    if (const auto* one = (*among)[i].get_ptr<const std::string*>()) {
      CheckChild(place, *one, std::nullopt);
      child->definitions.push_back(*one);
    } else {
      problems_.AtValue(
          place, "wrong_type",
          "'among' lists names of definitions, not " + std::string(TypeName((*among)[i])));
    }
  }
  Scope chooses = scope;
  chooses.place = "'definition'";
  chooses.token = false;
  child->chosen = expressions_.Text(*json, pointer, chooses);
  return child->chosen.has_value();
}

std::optional<OperationTemplate> OperationCompiler::Transaction(const ObjectReader& outer,
                                                                const OperationSite& site) {
  if (!site.may_be_transaction) {
    problems_.AtKey(
        outer.PointerTo("transaction"), "transaction_not_here",
        std::string(site.scope.place) +
            (site.once_aborted
                 ? " can not be a transaction: once a transaction aborts, its children do as well"
                 : " can not be a transaction: only a saga's step can run one"),
        site.of_branch      ? "call the participant"
        : site.once_aborted ? "call a participant"
                            : "call a participant, or make this definition a saga");
  }
  const Json* json = outer.Find("transaction");
  const std::string pointer = outer.PointerTo("transaction");
  if (!ObjectReader::IsObject(*json, pointer, "'transaction'", problems_)) {
    return std::nullopt;
  }
  const ObjectReader reader(*json, pointer, fields::kTransaction, problems_);
  reader.RefuseUnknownFields();
  ChildTemplate child{{}, std::nullopt, std::nullopt, LiteralTemplate(Json::object())};
  if (const auto version = reader.Integer("version", 1, UINT32_MAX)) {
    child.version = static_cast<uint32_t>(*version);
  }
  if (!ChildDefinitions(reader, site.scope, &child)) {
    return std::nullopt;
  }
  Scope bounds = site.scope;
  bounds.place = "'deadline'";
  bounds.token = false;
  DurationField deadline = ReadDuration(reader, "deadline", std::chrono::milliseconds(1),
                                        kMaxDuration, bounds, expressions_, problems_);
  child.deadline = deadline.stated;
  child.computed_deadline = std::move(deadline.computed);
  if (const Json* input = reader.Find("input")) {
    auto compiled = expressions_.Document(*input, reader.PointerTo("input"), site.scope);
    if (!compiled) {
      return std::nullopt;
    }
    child.input = *std::move(compiled);
  }
  return child;
}

}  // namespace entente::dsl
