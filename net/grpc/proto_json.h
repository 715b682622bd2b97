// Protobuf messages to JSON values and back. Internal to net.
//
// The proto3 JSON mapping (https://protobuf.dev/programming-guides/json), straight between a value
// and a message through reflection: the library's own converter works on text, and resolves types
// by name for every message, which costs more than the call it serves.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/status.h"
#include "net/grpc/proto_fields.h"

namespace entente::net {

// One conversion from JSON.
struct JsonReading {
  FieldIndex& fields;
  size_t memory = limits::kMaxMessageMemoryBytes;  // What the message may still take.
};

// Fills `message`, which must be empty, from `json`. Extension fields are members named
// "[package.extension]". Fails with kInvalidArgument, reason proto.mismatch, with the JSON Pointer
// of the value that does not fit: an unknown field, a wrong type, a number out of range, two
// members of one oneof, a missing required field; reason proto.too_large for more than
// limits::kMaxMessageMemoryBytes in memory.
[[nodiscard]] Status MessageFromJson(const Json& json, google::protobuf::Message& message,
                                     JsonReading& reading);

// What the JSON form may still grow to. A small message can have a huge one: every element of a
// repeated field prints all its fields without presence.
struct JsonBudget {
  size_t bytes;  // Of text, roughly.
  size_t depth;
  // Fields looked at: those that are absent print nothing and still take their time.
  size_t fields = limits::kMaxMessageFieldsRead;
  size_t memory = limits::kMaxMessageMemoryBytes;  // Of what an Any holds, once it is parsed.
};

// The JSON form. Fields without presence are always there, 64-bit integers are strings, bytes are
// base64, enums are names, extensions that the descriptors know are named "[package.extension]".
// Fails with kInvalidArgument, reason proto.unprintable, for what has no JSON form: a timestamp out
// of range, an Any of a type that is not known, NaN in a google.protobuf.Value, text that is not
// UTF-8, two fields with one JSON name; reason proto.too_large past the budget.
[[nodiscard]] Result<Json> MessageToJson(const google::protobuf::Message& message,
                                         JsonBudget budget);

// Parses `bytes` into `message`, which must be empty. Fails with kInvalidArgument, reason
// proto.malformed for what is no such message, also if a required field is missing; reason
// proto.too_large, before anything is allocated, for a message that would take more than `memory`,
// from which what it takes is subtracted. An element of two bytes can stand for an object of
// hundreds.
[[nodiscard]] Status ParseMessage(std::string_view bytes, google::protobuf::Message& message,
                                  size_t& memory);

// Roughly what one message of this type takes in memory before any of its fields is set.
[[nodiscard]] size_t EmptyMessageBytes(const google::protobuf::Descriptor& type);

// The types with a JSON form of their own (google.protobuf.Timestamp and its like).
[[nodiscard]] bool IsWellKnown(const google::protobuf::Descriptor& type);
[[nodiscard]] Status WellKnownFromJson(const Json& json, const std::string& where,
                                       google::protobuf::Message& message, JsonReading& reading);
[[nodiscard]] Result<Json> WellKnownToJson(const google::protobuf::Message& message,
                                           JsonBudget& budget);

// The steps of the two above, which the well-known types that hold others take too. `where` is the
// JSON Pointer of `json`.
[[nodiscard]] Status FillMessage(const Json& json, const std::string& where,
                                 google::protobuf::Message& message, JsonReading& reading);
[[nodiscard]] Status FillSingular(const Json& json, const std::string& where,
                                  const google::protobuf::FieldDescriptor& field,
                                  google::protobuf::Message& message, JsonReading& reading);
[[nodiscard]] Result<Json> PrintMessage(const google::protobuf::Message& message,
                                        JsonBudget& budget);
[[nodiscard]] Result<Json> SingularToJson(const google::protobuf::FieldDescriptor& field,
                                          const google::protobuf::Message& message,
                                          JsonBudget& budget);

[[nodiscard]] Status ProtoMismatch(const std::string& where, const std::string& why);

// Base64 (RFC 4648, 4), as Protobuf's mapping has it: also of the URL alphabet, and without
// padding.
[[nodiscard]] Result<std::string> DecodeBase64(const std::string& text);

}  // namespace entente::net
