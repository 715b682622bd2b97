#include "explore/requests.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>
#include <variant>

namespace entente::explore {
namespace {

// Whether an rpc of this name only reads, as such methods are called by custom.
bool IsReadingName(std::string_view method) {
  static constexpr std::array<std::string_view, 10> kVerbs = {
      "Get", "List", "Find", "Search", "Read", "Lookup", "Query", "Describe", "Check", "Count"};
  return std::any_of(kVerbs.begin(), kVerbs.end(), [method](std::string_view verb) {
    return method.starts_with(verb) &&
           (method.size() == verb.size() ||
            std::isupper(static_cast<unsigned char>(method[verb.size()])) != 0);
  });
}

RequestFacts Read(const engine::CallBranch& call) {
  const std::string key = engine::StepKey(call.command);
  RequestFacts facts;
  facts.participant = call.participant;
  if (const auto* http = std::get_if<engine::RenderedHttp>(&call.request)) {
    facts.rest = true;
    facts.method = http->method;
    facts.target = http->target;
    facts.acts = http->method != "GET";
    facts.names_key = http->target.find(key) != std::string::npos ||
                      (http->body && http->body->find(key) != std::string::npos) ||
                      std::any_of(http->headers.begin(), http->headers.end(), [&](const auto& one) {
                        return one.second.find(key) != std::string::npos;
                      });
  } else {
    const auto& grpc = std::get<engine::RenderedGrpc>(call.request);
    facts.method = grpc.method;
    facts.target = grpc.body.text();
    facts.acts = !IsReadingName(grpc.method.substr(grpc.method.rfind('/') + 1));
    facts.names_key = facts.target.find(key) != std::string::npos;
  }
  return facts;
}

bool ReadsIdentity(const dsl::cel::Template& source, const std::string& step) {
  const auto& references = source.references();
  return std::any_of(references.begin(), references.end(), [&](const auto& reference) {
    const std::vector<std::string>& names = reference.path.names;
    return names[0] == "key" || names[0] == "gid" ||
           (names[0] == "steps" && names.size() > 1 && names[1] == step);
  });
}

bool OperationReadsIdentity(const dsl::OperationTemplate& operation, const std::string& step) {
  const auto* call = std::get_if<dsl::CallTemplate>(&operation);
  if (call == nullptr) {
    return ReadsIdentity(std::get<dsl::ChildTemplate>(operation).input, step);
  }
  if (const auto* grpc = std::get_if<dsl::GrpcRequestTemplate>(&call->request)) {
    return ReadsIdentity(grpc->body, step);
  }
  const auto& http = std::get<dsl::HttpRequestTemplate>(call->request);
  return ReadsIdentity(http.path, step) || (http.body && ReadsIdentity(*http.body, step)) ||
         std::any_of(http.headers.begin(), http.headers.end(),
                     [&](const auto& header) { return ReadsIdentity(header.second, step); });
}

bool IsGrpc(const dsl::Participant& participant) {
  return std::holds_alternative<dsl::GrpcAddress>(participant.address);
}

struct NamedStatus {
  int number;
  std::string_view name;
};
// Of gRPC: what says nothing about the effect.
constexpr std::array<NamedStatus, 7> kUndecidedGrpc = {{{1, "CANCELLED"},
                                                        {2, "UNKNOWN"},
                                                        {4, "DEADLINE_EXCEEDED"},
                                                        {13, "INTERNAL"},
                                                        {15, "DATA_LOSS"},
                                                        {8, "RESOURCE_EXHAUSTED"},
                                                        {14, "UNAVAILABLE"}}};

template <class Counts>
std::optional<std::string> FirstOf(const std::vector<int>& statuses, bool grpc,
                                   const Counts& counts) {
  for (const int status : statuses) {
    if (!counts(status)) {
      continue;
    }
    const auto named =
        std::find_if(kUndecidedGrpc.begin(), kUndecidedGrpc.end(),
                     [status](const NamedStatus& one) { return one.number == status; });
    return grpc && named != kUndecidedGrpc.end() ? std::string(named->name)
                                                 : std::to_string(status);
  }
  return std::nullopt;
}

}  // namespace

std::optional<RequestFacts> ReadRequest(const engine::Effect& effect) {
  if (const auto* call = std::get_if<engine::CallBranch>(&effect)) {
    return Read(*call);
  }
  if (const auto* child = std::get_if<engine::StartChild>(&effect)) {
    RequestFacts facts;
    facts.method = "transaction";
    facts.target = child->definition + ' ' + child->input.text();
    facts.names_key = true;  // Its gid is made of it.
    return facts;
  }
  return std::nullopt;
}

bool UndoReadsIdentity(const dsl::Step& step, uint32_t alternative) {
  const auto& undo = std::get<dsl::CallWork>(step.work).way(alternative).undo;
  return undo && (OperationReadsIdentity(undo->call, step.id) ||
                  (undo->other_call && OperationReadsIdentity(*undo->other_call, step.id)));
}

// 429 and 503 (RESOURCE_EXHAUSTED, UNAVAILABLE) mostly mean that it was not begun, and an author
// who takes them for a refusal may know that; of the others nobody can.
std::optional<std::string> UnprovenRefusal(const dsl::Participant& participant,
                                           const dsl::AnswerRules& rules) {
  const bool grpc = IsGrpc(participant);
  return FirstOf(rules.fail_on, grpc, [grpc](int status) {
    return grpc ? status == 1 || status == 2 || status == 4 || status == 13 || status == 15
                : status == 408 || status == 500 || status == 502 || status == 504 || status > 505;
  });
}

std::optional<std::string> UnprovenSuccess(const dsl::Participant& participant,
                                           const dsl::AnswerRules& rules) {
  const bool grpc = IsGrpc(participant);
  return FirstOf(rules.succeed_on, grpc, [grpc](int status) {
    return grpc ? std::any_of(kUndecidedGrpc.begin(), kUndecidedGrpc.end(),
                              [status](const NamedStatus& one) { return one.number == status; })
                : status == 408 || status == 425 || status == 429 || status >= 500;
  });
}

bool TakesNotFound(const dsl::Participant& participant, const dsl::AnswerRules& rules) {
  const int not_found = IsGrpc(participant) ? 5 : 404;
  return std::find(rules.succeed_on.begin(), rules.succeed_on.end(), not_found) !=
         rules.succeed_on.end();
}

}  // namespace entente::explore
