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
    facts.target = http->base_url + http->target;
    facts.acts = http->method != "GET";
    facts.names_key = facts.target.find(key) != std::string::npos ||
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

// Of the expressions of one step.
class IdentityReader {
 public:
  IdentityReader(const dsl::Plan& plan, const dsl::Step& step) : plan_(plan), step_(step) {}

  [[nodiscard]] bool Reads(const dsl::OperationTemplate& operation) const {
    const auto* call = std::get_if<dsl::CallTemplate>(&operation);
    if (call == nullptr) {
      const auto& child = std::get<dsl::ChildTemplate>(operation);
      return child.aborts_forward || Reads(child.input);
    }
    if (const auto* grpc = std::get_if<dsl::GrpcRequestTemplate>(&call->request)) {
      return Reads(grpc->body);
    }
    const auto& http = std::get<dsl::HttpRequestTemplate>(call->request);
    return Reads(http.path) || (http.body && Reads(*http.body)) ||
           std::any_of(http.headers.begin(), http.headers.end(),
                       [&](const auto& header) { return Reads(header.second); });
  }

 private:
  [[nodiscard]] bool Reads(const dsl::cel::Template& source) const {
    const auto& references = source.references();
    return std::any_of(references.begin(), references.end(), [&](const auto& reference) {
      const std::vector<std::string>& names = reference.path.names;
      return names[0] == "key" || names[0] == "gid" ||
             (names[0] == "steps" && names.size() > 1 && names[1] == step_.id) ||
             ReadsByName(names[0], step_.lets) || ReadsByName(names[0], plan_.lets);
    });
  }

  // Values with a name read each other in no circle.
  [[nodiscard]] bool ReadsByName(const std::string& name, const std::vector<dsl::Let>& lets) const {
    const auto found = std::find_if(lets.begin(), lets.end(),
                                    [&](const dsl::Let& let) { return let.name == name; });
    return found != lets.end() && Reads(found->value);
  }

  const dsl::Plan& plan_;
  const dsl::Step& step_;
};

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

bool UndoReadsIdentity(const dsl::Plan& plan, const dsl::Step& step, uint32_t alternative) {
  const auto& undo = std::get<dsl::CallWork>(step.work).way(alternative).undo;
  const IdentityReader reader(plan, step);
  return undo &&
         (reader.Reads(undo->call) || (undo->other_call && reader.Reads(*undo->other_call)));
}

Json AnswerOf(const dsl::AnswerRules& rules) {
  Json answer = Json::object();
  if (rules.status_code) {
    answer["statusCode"] = 200;
  }
  for (const std::string& name : rules.headers) {
    answer["headers"][name] = "x";
  }
  return answer;
}

Json AnswerOf(const dsl::Step& step) {
  const auto* work = std::get_if<dsl::CallWork>(&step.work);
  const auto* call =
      work != nullptr && work->forward ? std::get_if<dsl::CallTemplate>(&*work->forward) : nullptr;
  return call == nullptr ? Json::object() : AnswerOf(call->answers);
}

Refusals RefusalsOf(const dsl::Plan& plan, const dsl::CallWork& work, uint32_t alternative) {
  const auto& forward = work.way(alternative).forward;
  const auto* call = forward ? std::get_if<dsl::CallTemplate>(&*forward) : nullptr;
  const bool grpc = call != nullptr && IsGrpc(plan.participants[call->participant]);
  Refusals refusals;
  std::vector<std::string> listed;
  for (size_t next = alternative; next < work.alternatives.size(); ++next) {
    const std::vector<std::string>& on = work.alternatives[next].on;
    listed.insert(listed.end(), on.begin(), on.end());
  }
  for (const std::string& code : listed) {
    const bool status = std::all_of(code.begin(), code.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    std::string whole = status ? "http." + code : code;
    if (std::find(refusals.codes.begin(), refusals.codes.end(), whole) == refusals.codes.end()) {
      refusals.codes.push_back(std::move(whole));
    }
  }
  std::vector<std::string> usual = {"http.409", "http.422", "http.400", "explored"};
  if (call == nullptr) {
    usual = {"child.aborted", "explored"};
  } else if (grpc) {
    usual = {"grpc.FAILED_PRECONDITION", "grpc.ABORTED", "explored"};
  }
  const auto fits_none = [&](const std::string& code) {
    return std::none_of(
        work.alternatives.begin(), work.alternatives.end(),
        [&](const dsl::CallWay& way) { return !way.on.empty() && way.IsFor(code); });
  };
  const auto other = std::find_if(usual.begin(), usual.end(), fits_none);
  refusals.other = other == usual.end() ? usual.back() : *other;
  return refusals;
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
