#include "engine/dry_run/dry_run_answers.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/state_lookup.h"

namespace entente::engine {
namespace {

Status Bad(const std::string& where, const std::string& what) {
  return InvalidArgument("dry_run.bad_answers", "answers, " + where + ": " + what);
}

Result<Duration> ReadDuration(const std::string& where, const Json& json) {
  if (!json.is_string()) {
    return Bad(where, "a duration is written as a string, such as \"2s\"");
  }
  auto duration = ParseDuration(json.get<std::string>());
  return duration.ok() ? duration : Bad(where, duration.status().message());
}

Result<std::optional<Duration>> ReadOptionalDuration(const std::string& where, const Json& json,
                                                     const char* member) {
  if (!json.contains(member)) {
    return std::optional<Duration>();
  }
  ENTENTE_ASSIGN_OR_RETURN(const Duration duration,
                           ReadDuration(where + '/' + member, json[member]));
  return std::optional<Duration>(duration);
}

constexpr std::array<std::string_view, 7> kOutcomes = {"done",    "readOnly", "refused",  "unknown",
                                                       "notSent", "pending",  "heuristic"};

Result<std::string> OutcomeOf(const std::string& where, const Json& json) {
  std::string found;
  for (const auto& [name, value] : json.items()) {
    if (std::find(kOutcomes.begin(), kOutcomes.end(), name) != kOutcomes.end()) {
      if (!found.empty()) {
        return Bad(where, "it is either '" + found + "' or '" + name + "'");
      }
      found = name;
    } else if (name != "takes" && name != "retryAfter" && name != "headers" &&
               name != "statusCode") {
      return Bad(where, "unknown member '" + name + "'");
    }
  }
  if (found.empty()) {
    return Bad(where,
               "it needs one of done, readOnly, refused, unknown, notSent, pending, heuristic");
  }
  return found;
}

Result<Reply> ReadHeuristic(const std::string& where, const std::string& name) {
  for (const HeuristicOutcome outcome :
       {HeuristicOutcome::kCommitted, HeuristicOutcome::kRolledBack, HeuristicOutcome::kMixed}) {
    if (HeuristicOutcomeName(outcome) == name) {
      return Reply(ReplyHeuristic{outcome, Failure{"participant.heuristic", name}});
    }
  }
  return Bad(where + "/heuristic", "it is committed, rolled-back or mixed");
}

// What an answer has beside its body.
Result<JsonText> ReadKept(const std::string& where, const Json& json) {
  Json kept = Json::object();
  for (const char* name : {"headers", "statusCode"}) {
    if (json.contains(name)) {
      kept[name] = json[name];
    }
  }
  const Json headers = kept.value("headers", Json::object());
  const bool texts =
      headers.is_object() && std::all_of(headers.begin(), headers.end(),
                                         [](const Json& header) { return header.is_string(); });
  if (!texts || !kept.value("statusCode", Json(0)).is_number_integer()) {
    return Bad(where, "'headers' is an object of texts, 'statusCode' a number");
  }
  return kept.empty() ? JsonText() : JsonText(kept);
}

Result<StatedAnswer> ReadAnswer(const std::string& where, const Json& json) {
  if (json.is_string()) {
    const std::string name = json.get<std::string>();
    const Json value = name == "done" ? Json::object() : Json("stated");
    return ReadAnswer(where, Json{{name, value}});
  }
  if (!json.is_object()) {
    return Bad(where, "an answer is an object, such as {\"done\": {}}");
  }
  ENTENTE_ASSIGN_OR_RETURN(const std::string outcome, OutcomeOf(where, json));
  StatedAnswer answer;
  ENTENTE_ASSIGN_OR_RETURN(answer.takes, ReadOptionalDuration(where, json, "takes"));
  ENTENTE_ASSIGN_OR_RETURN(const auto retry_after, ReadOptionalDuration(where, json, "retryAfter"));
  const Json& value = json[outcome];
  if (outcome == "done" || outcome == "readOnly") {
    ReplyDone done;
    done.output = value;
    done.read_only = outcome == "readOnly";
    ENTENTE_ASSIGN_OR_RETURN(done.answer, ReadKept(where, json));
    answer.reply = std::move(done);
    return answer;
  }
  if (outcome == "pending") {
    ENTENTE_ASSIGN_OR_RETURN(answer.completes_after, ReadOptionalDuration(where, json, "pending"));
    answer.reply = ReplyPending{};
    return answer;
  }
  if (!value.is_string()) {
    return Bad(where + '/' + outcome, "it is a code, such as \"http.409\"");
  }
  if (outcome == "heuristic") {
    ENTENTE_ASSIGN_OR_RETURN(answer.reply, ReadHeuristic(where, value.get<std::string>()));
    return answer;
  }
  Failure failure{value.get<std::string>(), ""};
  if (outcome == "refused") {
    answer.reply = ReplyRefused{std::move(failure)};
  } else if (outcome == "unknown") {
    answer.reply = ReplyUnknown{std::move(failure), retry_after};
  } else {
    answer.reply = ReplyNotSent{std::move(failure), retry_after};
  }
  return answer;
}

// "flight.action" or "room:2.action" -> fails if there is no such step or operation.
Status CheckOperation(const dsl::Plan& plan, const std::string& key) {
  const size_t dot = key.rfind('.');
  if (dot == std::string::npos) {
    return Bad("'" + key + "'", "members are named <step>.<operation>, or 'events'");
  }
  const std::string operation = key.substr(dot + 1);
  const BranchId branch(key.substr(0, dot));
  const std::string step(ParseBranchName(branch).step);
  const auto known = std::find_if(plan.steps.begin(), plan.steps.end(),
                                  [&step](const dsl::Step& one) { return one.id == step; });
  if (known == plan.steps.end()) {
    return Bad("'" + key + "'", "the definition has no step '" + step + "'");
  }
  if (const auto* wait = std::get_if<dsl::WaitWork>(&known->work)) {
    const bool signal = std::holds_alternative<dsl::WaitSignal>(*wait);
    return Bad("'" + key + "'",
               "the step '" + step + "' waits and calls nobody, so nothing answers; " +
                   (signal ? "write its signal into 'events'" : "it takes the time it says"));
  }
  if (std::holds_alternative<dsl::DecideWork>(known->work)) {
    return Bad("'" + key + "'",
               "the step '" + step + "' decides by the data and calls nobody, so nothing answers");
  }
  for (const Role role : {Role::kForward, Role::kUndo, Role::kFinish}) {
    const bool exists = role != Role::kFinish || plan.mode != Mode::kSaga;
    if (exists && dsl::OperationName(plan.mode, role) == operation) {
      return {};
    }
  }
  return Bad("'" + key + "'", "a " + std::string(dsl::ModeName(plan.mode)) + " has no operation '" +
                                  operation + "'");
}

Status CheckSignal(const dsl::Plan& plan, const std::string& where, const std::string& name) {
  std::string known;
  for (const dsl::Step& step : plan.steps) {
    const auto* wait = std::get_if<dsl::WaitWork>(&step.work);
    const auto* signal = wait == nullptr ? nullptr : std::get_if<dsl::WaitSignal>(wait);
    if (signal != nullptr && signal->name == name) {
      return {};
    }
    if (signal != nullptr) {
      known += (known.empty() ? "'" : ", '") + signal->name + "'";
    }
  }
  return Bad(where, "no step waits for a signal '" + name + "'" +
                        (known.empty() ? "" : "; those waited for are " + known));
}

Result<StatedEvent> ReadEvent(const dsl::Plan& plan, const std::string& where, const Json& json) {
  if (!json.is_object() || !json.contains("at")) {
    return Bad(where, "an event is an object with 'at' and either 'cancel' or 'signal'");
  }
  for (const auto& [name, value] : json.items()) {
    if (name != "at" && name != "cancel" && name != "signal" && name != "payload") {
      return Bad(where, "unknown member '" + name + "'");
    }
  }
  const bool cancel = json.contains("cancel");
  const char* member = cancel ? "cancel" : "signal";
  if (cancel == json.contains("signal") || !json[member].is_string()) {
    return Bad(where, "it needs either 'cancel' or 'signal', which is a string");
  }
  ENTENTE_ASSIGN_OR_RETURN(const Duration at, ReadDuration(where + "/at", json["at"]));
  if (cancel) {
    return StatedEvent{at, AbortRequested{{"", json["cancel"].get<std::string>()}}};
  }
  ENTENTE_RETURN_IF_ERROR(CheckSignal(plan, where, json["signal"].get<std::string>()));
  return StatedEvent{at,
                     SignalSent{json["signal"].get<std::string>(), json.value("payload", Json())}};
}

}  // namespace

Result<StatedAnswers> StatedAnswers::Read(const dsl::Plan& plan, const Json& json) {
  StatedAnswers stated;
  if (json.is_null()) {
    return stated;
  }
  if (!json.is_object()) {
    return Bad("the whole", "it must be an object");
  }
  for (const auto& [key, list] : json.items()) {
    if (!list.is_array()) {
      return Bad("'" + key + "'", "it must be a list");
    }
    const bool events = key == "events";
    if (!events) {
      ENTENTE_RETURN_IF_ERROR(CheckOperation(plan, key));
    }
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = "'" + key + "'/" + std::to_string(i);
      if (events) {
        ENTENTE_ASSIGN_OR_RETURN(StatedEvent event, ReadEvent(plan, where, list[i]));
        stated.events_.push_back(std::move(event));
      } else {
        ENTENTE_ASSIGN_OR_RETURN(StatedAnswer answer, ReadAnswer(where, list[i]));
        stated.answers_[key].push_back(std::move(answer));
      }
    }
  }
  return stated;
}

StatedAnswer StatedAnswers::Next(const std::string& step, const BranchId& branch,
                                 std::string_view operation) {
  for (const std::string& name : {branch.str(), step}) {
    const auto found = answers_.find(name + '.' + std::string(operation));
    if (found != answers_.end() && !found->second.empty()) {
      StatedAnswer answer = std::move(found->second.front());
      found->second.pop_front();
      return answer;
    }
  }
  return {};
}

}  // namespace entente::engine
