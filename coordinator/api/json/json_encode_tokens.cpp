// Tokens, and what they are good for, as JSON text.
#include "coordinator/api/access/access.h"
#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/json_writer.h"

namespace entente::api {
namespace {

void WriteScope(const identity::Scope& scope, JsonWriter& json) {
  if (!scope.definitions.empty()) {
    json.Key("definitions");
    json.BeginArray();
    for (const std::string& pattern : scope.definitions) {
      json.String(pattern);
    }
    json.EndArray();
  }
  WriteLabels(scope.labels, json);
}

void WriteToken(const identity::TokenInfo& info, const std::string& text, JsonWriter& json) {
  json.BeginObject();
  json.Key("id");
  json.String(info.id);
  json.Key("name");
  json.String(info.name);
  json.Key("role");
  json.String(identity::RoleName(info.role));
  json.OptionalBool("payloads", info.payloads);
  WriteScope(info.scope, json);
  json.Key("createdAt");
  json.Time(info.created_at);
  json.OptionalString("createdBy", info.created_by);
  json.OptionalTime("expiresAt", info.expires_at);
  json.OptionalTime("revokedAt", info.revoked_at);
  json.OptionalString("revokedBy", info.revoked_by);
  json.OptionalString("token", text);
  json.EndObject();
}

}  // namespace

std::string TokenJson(const identity::TokenInfo& info, const std::string& text) {
  std::string out;
  JsonWriter json(out);
  WriteToken(info, text, json);
  return out;
}

std::string TokenListJson(const std::vector<identity::TokenInfo>& infos) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("tokens");
  json.BeginArray();
  for (const identity::TokenInfo& info : infos) {
    WriteToken(info, {}, json);
  }
  json.EndArray();
  json.EndObject();
  return out;
}

std::string SessionJson(const identity::Principal& principal) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("name");
  json.String(principal.name);
  json.Key("role");
  json.String(identity::RoleName(principal.role));
  json.OptionalBool("authenticated", principal.authenticated);
  json.OptionalBool("payloads", principal.payloads);
  WriteScope(principal.scope, json);
  json.Key("may");
  json.BeginArray();
  for (const std::string_view method : MethodsFor(principal)) {
    json.String(method);
  }
  json.EndArray();
  json.EndObject();
  return out;
}

}  // namespace entente::api
