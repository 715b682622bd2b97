// The audit as JSON text.
#include "coordinator/api/json/json_encode.h"

namespace entente::api {

std::string AuditListJson(const audit::AuditPage& page) {
  Json json{{"entries", Json::array()}};
  for (const audit::AuditEntry& entry : page.entries) {
    json["entries"].push_back(audit::AuditJson(entry));
  }
  if (!page.next_cursor.empty()) {
    json["nextCursor"] = page.next_cursor;
  }
  return DumpJson(json);
}

}  // namespace entente::api
