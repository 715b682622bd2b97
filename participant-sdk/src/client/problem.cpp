#include "participant-sdk/src/client/problem.h"

#include <array>

namespace entente::sdk {
namespace {

struct ReasonCode {
  std::string_view reason;
  StatusCode code;
};
// One HTTP status stands for several codes; these are told apart by their reason.
constexpr std::array kReasons{
    ReasonCode{"transaction.revision_mismatch", StatusCode::kConflict},
    ReasonCode{"journal.stale_sequence", StatusCode::kConflict},
    ReasonCode{"transaction.content_differs", StatusCode::kAlreadyExists},
    ReasonCode{"transaction.exists", StatusCode::kAlreadyExists},
};

StatusCode CodeOf(int http_status, std::string_view reason) {
  for (const ReasonCode& row : kReasons) {
    if (row.reason == reason) {
      return row.code;
    }
  }
  switch (http_status) {
    case 401: return StatusCode::kUnauthenticated;
    case 403: return StatusCode::kPermissionDenied;
    case 404: return StatusCode::kNotFound;
    case 409: return StatusCode::kFailedPrecondition;
    case 429: return StatusCode::kResourceExhausted;
    case 503: return StatusCode::kUnavailable;
    // What a gateway in between says; the coordinator may have carried it out.
    case 502:
    case 504: return StatusCode::kUnknownOutcome;
    default: break;
  }
  return http_status >= 400 && http_status < 500 ? StatusCode::kInvalidArgument
                                                 : StatusCode::kInternal;
}

std::string TextOf(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

uint64_t NumberOf(const Json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_number_unsigned() ? found->get<uint64_t>() : 0;
}

void AppendMistake(std::string place, const Json& mistake, std::string& message) {
  message += "\n  ";
  if (!place.empty()) {
    message += place + ": ";
  }
  message += TextOf(mistake, "message");
  if (const std::string suggestion = TextOf(mistake, "suggestion"); !suggestion.empty()) {
    message += "; " + suggestion;
  }
}

void AppendMistakes(const Json& problem, std::string& message) {
  if (const auto list = problem.find("problems"); list != problem.end() && list->is_array()) {
    for (const Json& mistake : *list) {
      std::string place = TextOf(mistake, "pointer");
      if (const uint64_t line = NumberOf(mistake, "line"); line != 0) {
        const std::string position =
            std::to_string(line) + ":" + std::to_string(NumberOf(mistake, "column"));
        place = place.empty() ? position : position + ": " + place;
      }
      AppendMistake(std::move(place), mistake, message);
    }
  }
  // One violation is what `detail` says already.
  const auto list = problem.find("violations");
  if (list != problem.end() && list->is_array() && list->size() > 1) {
    for (const Json& mistake : *list) {
      AppendMistake(TextOf(mistake, "field"), mistake, message);
    }
  }
}

}  // namespace

Status StatusOfProblem(int http_status, const Json& problem, std::string_view asked) {
  const std::string reason = problem.is_object() ? TextOf(problem, "code") : std::string();
  if (reason.empty()) {
    return {CodeOf(http_status, ""), "client.bad_answer",
            std::string(asked) + " was answered with HTTP status " + std::to_string(http_status) +
                " and without the reason a coordinator would give; is it one?"};
  }
  std::string message = TextOf(problem, "detail");
  if (message.empty()) {
    message = std::string(asked) + " failed: " + reason;
  }
  AppendMistakes(problem, message);
  return {CodeOf(http_status, reason), reason, std::move(message)};
}

}  // namespace entente::sdk
