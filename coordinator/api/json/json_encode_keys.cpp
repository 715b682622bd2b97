// Keys as a JSON Web Key Set (RFC 7517, RFC 8037), with members of ours beside the standard's.
#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/json_writer.h"

namespace entente::api {

std::string KeySetJson(const KeyList& keys) {
  std::string out;
  JsonWriter json(out);
  json.BeginObject();
  json.Key("keys");
  json.BeginArray();
  for (const KeyInfo& key : keys) {
    json.BeginObject();
    json.Key("kty");
    json.String("OKP");
    json.Key("crv");
    json.String("Ed25519");
    json.Key("x");
    json.String(key.x);
    json.Key("kid");
    json.String(key.id);
    json.Key("alg");
    json.String("EdDSA");
    json.Key("use");
    json.String("sig");
    json.Key("signsFrom");
    json.Time(key.signs_from);
    json.Key("signing");
    json.Bool(key.signing);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  return out;
}

}  // namespace entente::api
