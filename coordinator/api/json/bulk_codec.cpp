// Bulk actions as text, and what they are asked with.
#include <array>
#include <utility>

#include "base/json.h"
#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/command_checks.h"
#include "coordinator/api/json/json_decode.h"

namespace entente::api {
namespace {

using Verb = BulkRequest::Verb;

constexpr std::array kVerbs{std::pair{Verb::kRetry, std::string_view("retry")},
                            std::pair{Verb::kPause, std::string_view("pause")},
                            std::pair{Verb::kResume, std::string_view("resume")},
                            std::pair{Verb::kCancel, std::string_view("cancel")}};
constexpr std::array kStates{BulkState::kRunning, BulkState::kStopped, BulkState::kFinished};

Status Damaged() {
  return DataLoss("bulk.damaged", "a bulk action in the store can not be read");
}

std::string TextOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t NumberOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

std::optional<BulkState> StateNamed(const std::string& name) {
  for (const BulkState state : kStates) {
    if (BulkStateName(state) == name) {
      return state;
    }
  }
  return std::nullopt;
}

Json RefusalsJson(const std::vector<BulkRefusal>& refusals) {
  Json list = Json::array();
  for (const BulkRefusal& refusal : refusals) {
    list.push_back({{"gid", refusal.gid}, {"code", refusal.code}, {"message", refusal.message}});
  }
  return list;
}

}  // namespace

std::string_view BulkStateName(BulkState state) {
  switch (state) {
    case BulkState::kRunning: return "running";
    case BulkState::kStopped: return "stopped";
    case BulkState::kFinished: return "finished";
  }
  CheckFailed("BulkState is a declared enumerator", __FILE__, __LINE__);
}

std::optional<Verb> BulkVerbNamed(std::string_view name) {
  for (const auto& [verb, known] : kVerbs) {
    if (known == name) {
      return verb;
    }
  }
  return std::nullopt;
}

std::string_view BulkVerbName(Verb verb) {
  for (const auto& [known, name] : kVerbs) {
    if (known == verb) {
      return name;
    }
  }
  CheckFailed("a bulk action has one of four verbs", __FILE__, __LINE__);
}

Result<storage::Filter> BulkFilterOf(const std::string& query) {
  Outcome<ListCommand> decoded = DecodeList(query);
  if (auto* error = std::get_if<Error>(&decoded)) {
    return std::move(error->status);
  }
  auto& command = std::get<ListCommand>(decoded);
  if (query.empty() || command.limit != 0 || !command.cursor.empty() || !command.sort.empty()) {
    return InvalidArgument(
        "bulk.bad_filter",
        "'filter' is the query of a list, without 'limit', 'cursor' and 'sort', and "
        "says something: what is meant to be all is not said by nothing");
  }
  Checker check;
  storage::Filter filter = ReadFilter(command, check);
  if (!check.ok()) {
    return std::move(check.TakeError().status);
  }
  return filter;
}

std::string EncodeBulk(const BulkAction& action) {
  Json json{{"id", action.id},
            {"verb", BulkVerbName(action.request.verb)},
            {"filter", action.request.query},
            {"actor", action.request.actor.name},
            {"reason", action.request.actor.reason},
            {"scope", identity::ScopeJson(action.request.scope)},
            {"state", BulkStateName(action.state)},
            {"matched", action.matched},
            {"more", action.more},
            {"done", action.done},
            {"refused", action.refused},
            {"refusals", RefusalsJson(action.refusals)},
            {"createdAt", static_cast<uint64_t>(ToMicros(action.created_at))},
            {"cursor", action.cursor}};
  if (action.ended_at) {
    json["endedAt"] = static_cast<uint64_t>(ToMicros(*action.ended_at));
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<BulkAction> DecodeBulk(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Damaged();
  }
  const auto verb = BulkVerbNamed(TextOf(json, "verb"));
  const auto state = StateNamed(TextOf(json, "state"));
  if (!verb || !state) {
    return Damaged();
  }
  BulkAction action;
  action.id = TextOf(json, "id");
  action.request.verb = *verb;
  action.request.query = TextOf(json, "filter");
  ENTENTE_ASSIGN_OR_RETURN(action.request.filter, BulkFilterOf(action.request.query));
  action.request.actor = {TextOf(json, "actor"), TextOf(json, "reason")};
  if (json.contains("scope")) {  // Absent: written before there were scopes, for everything.
    ENTENTE_ASSIGN_OR_RETURN(action.request.scope, identity::ScopeFrom(json["scope"]));
  }
  action.state = *state;
  action.matched = static_cast<uint32_t>(NumberOf(json, "matched"));
  action.more = json.value("more", false);
  action.done = NumberOf(json, "done");
  action.refused = NumberOf(json, "refused");
  for (const Json& refusal : json.value("refusals", Json::array())) {
    action.refusals.push_back(
        {TextOf(refusal, "gid"), TextOf(refusal, "code"), TextOf(refusal, "message")});
  }
  action.created_at = InstantFromMicros(static_cast<int64_t>(NumberOf(json, "createdAt")));
  if (json.contains("endedAt")) {
    action.ended_at = InstantFromMicros(static_cast<int64_t>(NumberOf(json, "endedAt")));
  }
  action.cursor = TextOf(json, "cursor");
  return action;
}

}  // namespace entente::api
