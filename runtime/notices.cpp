#include "runtime/notices.h"

#include "engine/family/family.h"

#include <variant>

namespace entente::runtime {

bool IsNotable(const engine::Record& record, bool client_driven) {
  if (const auto* abort = std::get_if<engine::AbortDecided>(&record.body)) {
    return abort->actor && abort->actor->name != engine::kParentActor && !client_driven;
  }
  if (const auto* ended = std::get_if<engine::Ended>(&record.body)) {
    return ended->status == engine::TxnStatus::kMixed;
  }
  return std::holds_alternative<engine::IncidentRaised>(record.body) ||
         std::holds_alternative<engine::OperatorRetried>(record.body) ||
         std::holds_alternative<engine::OperatorEdited>(record.body) ||
         std::holds_alternative<engine::OperatorSkipped>(record.body) ||
         std::holds_alternative<engine::OperatorCompleted>(record.body) ||
         std::holds_alternative<engine::Paused>(record.body) ||
         std::holds_alternative<engine::Resumed>(record.body);
}

}  // namespace entente::runtime
