#include "coordinator/dead_letters.h"

#include <string>

#include "base/json.h"

namespace entente::coordinator {
namespace {

// Bodies are the coordinator's own, and small.
constexpr JsonLimits kBodyLimits{64 * 1024, 4};

api::DeadLetter Shown(const outlets::DeadLetter& letter) {
  api::DeadLetter shown;
  shown.id = letter.webhook.id;
  shown.at = letter.webhook.at;
  shown.why = letter.why;
  shown.since = letter.since;
  shown.waiting = letter.waiting;
  const auto body = ParseJson(letter.webhook.body, kBodyLimits);
  if (!body.ok() || !body->is_object()) {
    return shown;
  }
  const auto text = [&body](const char* name) {
    const auto found = body->find(name);
    return found != body->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  shown.type = text("type");
  shown.gid = text("gid");
  shown.definition = text("definition");
  shown.branch = text("branch");
  if (const auto found = body->find("revision");
      found != body->end() && found->is_number_unsigned()) {
    shown.revision = found->get<uint64_t>();
  }
  return shown;
}

}  // namespace

std::vector<api::DeadLetter> ShownDeadLetters(const outlets::Webhooks& webhooks) {
  std::vector<api::DeadLetter> shown;
  for (const outlets::DeadLetter& letter : webhooks.DeadLetters()) {
    shown.push_back(Shown(letter));
  }
  return shown;
}

}  // namespace entente::coordinator
