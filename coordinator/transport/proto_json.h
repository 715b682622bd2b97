// Protobuf messages to JSON values and back. Internal to transport.
//
// The proto3 JSON mapping (https://protobuf.dev/programming-guides/json), straight between a value
// and a message through reflection: the library's own converter works on text, and resolves types
// by name for every message, which costs more than the call it serves.
#pragma once

#include <string>

#include <google/protobuf/message.h>

#include "base/json.h"
#include "base/status.h"

namespace entente::transport {

// Fills `message`, which must be empty, from `json`. Fails with kInvalidArgument, reason
// proto.mismatch, with the JSON Pointer of the value that does not fit: an unknown field, a wrong
// type, a number out of range, two members of one oneof, a missing required field.
[[nodiscard]] Status MessageFromJson(const Json& json, google::protobuf::Message& message);

// What the JSON form may still grow to. A small message can have a huge one: every element of a
// repeated field prints all its fields without presence.
struct JsonBudget {
  size_t bytes;  // Of text, roughly.
  size_t depth;
};

// The JSON form. Fields without presence are always there, 64-bit integers are strings, bytes are
// base64, enums are names. Fails with kInvalidArgument, reason proto.unprintable, for what has no
// JSON form: a timestamp out of range, an Any of a type that is not known; reason proto.too_large
// past the budget.
[[nodiscard]] Result<Json> MessageToJson(const google::protobuf::Message& message,
                                         JsonBudget budget);

// The types with a JSON form of their own (google.protobuf.Timestamp and its like).
[[nodiscard]] bool IsWellKnown(const google::protobuf::Descriptor& type);
[[nodiscard]] Status WellKnownFromJson(const Json& json, const std::string& where,
                                       google::protobuf::Message& message);
[[nodiscard]] Result<Json> WellKnownToJson(const google::protobuf::Message& message,
                                           JsonBudget& budget);

// The steps of the two above, which the well-known types that hold others take too. `where` is the
// JSON Pointer of `json`.
[[nodiscard]] Status FillMessage(const Json& json, const std::string& where,
                                 google::protobuf::Message& message);
[[nodiscard]] Status FillSingular(const Json& json, const std::string& where,
                                  const google::protobuf::FieldDescriptor& field,
                                  google::protobuf::Message& message);
[[nodiscard]] Result<Json> PrintMessage(const google::protobuf::Message& message,
                                        JsonBudget& budget);
[[nodiscard]] Result<Json> SingularToJson(const google::protobuf::FieldDescriptor& field,
                                          const google::protobuf::Message& message,
                                          JsonBudget& budget);

[[nodiscard]] Status ProtoMismatch(const std::string& where, const std::string& why);

// Base64 (RFC 4648, 4), padded. Decoding also takes the URL alphabet and missing padding.
[[nodiscard]] std::string EncodeBase64(const std::string& bytes);
[[nodiscard]] Result<std::string> DecodeBase64(const std::string& text);

}  // namespace entente::transport
