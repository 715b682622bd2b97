#include "coordinator/audit/audit_entry.h"

#include <array>
#include <utility>

#include "base/limits.h"

namespace entente::audit {
namespace {

constexpr JsonLimits kEntryLimits{size_t{256} * 1024, limits::kMaxJsonDepth + 8};

struct Member {
  const char* name;
  std::string AuditEntry::*text;
};
constexpr std::array kMembers{
    Member{"actor", &AuditEntry::actor},     Member{"token", &AuditEntry::token},
    Member{"action", &AuditEntry::action},   Member{"subject", &AuditEntry::subject},
    Member{"outcome", &AuditEntry::outcome}, Member{"code", &AuditEntry::code},
    Member{"reason", &AuditEntry::reason},   Member{"peer", &AuditEntry::peer}};

Status Damaged(const std::string& id) {
  return DataLoss("store.bad_audit", "the audit's entry '" + id + "' can not be read");
}

}  // namespace

Json AuditJson(const AuditEntry& entry) {
  Json json{{"id", entry.id}, {"at", FormatInstant(entry.at)}};
  for (const Member& member : kMembers) {
    if (const std::string& text = entry.*member.text; !text.empty()) {
      json[member.name] = text;
    }
  }
  if (!entry.before.is_null()) {
    json["before"] = entry.before;
  }
  if (!entry.after.is_null()) {
    json["after"] = entry.after;
  }
  if (entry.times != 1) {
    json["times"] = entry.times;
  }
  return json;
}

Result<AuditEntry> AuditFrom(const std::string& id, const std::string& text) {
  const auto json = ParseJson(text, kEntryLimits);
  if (!json.ok() || !json->is_object()) {
    return Damaged(id);
  }
  AuditEntry entry;
  entry.id = id;
  for (const Member& member : kMembers) {
    if (const auto found = json->find(member.name); found != json->end() && found->is_string()) {
      entry.*member.text = found->get<std::string>();
    }
  }
  const Json at = json->value("at", Json());
  const auto instant =
      at.is_string() ? ParseInstant(at.get<std::string>()) : Result<Instant>(Damaged(id));
  const Json times = json->value("times", Json(1U));
  if (!instant.ok() || entry.action.empty() || entry.outcome.empty() ||
      !times.is_number_unsigned()) {
    return Damaged(id);
  }
  entry.at = *instant;
  entry.times = times.get<uint32_t>();
  entry.before = json->value("before", Json());
  entry.after = json->value("after", Json());
  return entry;
}

}  // namespace entente::audit
