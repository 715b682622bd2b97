// The well-known types of Protobuf, each with a JSON form of its own.
#include <array>
#include <cmath>
#include <optional>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/field_mask_util.h>
#include <google/protobuf/util/time_util.h>

#include "base/json_number.h"
#include "net/grpc/proto_json.h"
#include "net/grpc/proto_time.h"

namespace entente::net {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::FieldMaskUtil;
using google::protobuf::util::TimeUtil;

constexpr int kStructFields = 1;
constexpr int kListValues = 1;
constexpr int kWrapperValue = 1;
constexpr int kAnyTypeUrl = 1;
constexpr int kAnyValue = 2;
enum ValueKind { kNull = 1, kNumber = 2, kString = 3, kBool = 4, kStruct = 5, kList = 6 };

const FieldDescriptor& Field(const Message& message, int number) {
  return *message.GetDescriptor()->FindFieldByNumber(number);
}

Status Unprintable(const Message& message, const std::string& why) {
  return InvalidArgument(
      "proto.unprintable",
      "an answer's " + message.GetDescriptor()->full_name() + " has no JSON form: " + why);
}

// The generated and the dynamic form of a well-known type share their wire format.
template <class Known>
Known ToKnown(const Message& message) {
  Known known;
  known.ParseFromString(message.SerializeAsString());
  return known;
}
void FromKnown(const Message& known, Message& message) {
  message.ParseFromString(known.SerializeAsString());
}

template <class Known>
Status TimeFromJson(const Json& json, const std::string& where, Message& message,
                    std::optional<SecondsAndNanos> (*read)(std::string_view), const char* form) {
  const auto time = json.is_string() ? read(json.get_ref<const std::string&>()) : std::nullopt;
  if (!time) {
    return ProtoMismatch(where, std::string("the value is not a string such as \"") + form + "\"");
  }
  Known known;
  known.set_seconds(time->seconds);
  known.set_nanos(time->nanos);
  FromKnown(known, message);
  return Status();
}

Status TimestampFromJson(const Json& json, const std::string& where, Message& message,
                         JsonReading& /*reading*/) {
  return TimeFromJson<google::protobuf::Timestamp>(
      json, where, message, &ReadTimestamp,
      "2026-01-02T03:04:05.5Z with at most nine digits after the point, of the years 1 to 9999");
}

Result<Json> TimestampToJson(const Message& message, JsonBudget& /*budget*/) {
  const auto known = ToKnown<google::protobuf::Timestamp>(message);
  if (known.seconds() < TimeUtil::kTimestampMinSeconds ||
      known.seconds() > TimeUtil::kTimestampMaxSeconds || known.nanos() < 0 ||
      known.nanos() > 999'999'999) {
    return Unprintable(message, "it is out of range");
  }
  return Json(TimeUtil::ToString(known));
}

Status DurationFromJson(const Json& json, const std::string& where, Message& message,
                        JsonReading& /*reading*/) {
  return TimeFromJson<google::protobuf::Duration>(
      json, where, message, &ReadDuration,
      "1.5s with at most nine digits after the point and at most 315576000000 seconds");
}

Result<Json> DurationToJson(const Message& message, JsonBudget& /*budget*/) {
  const auto known = ToKnown<google::protobuf::Duration>(message);
  const bool mixed =
      (known.seconds() < 0 && known.nanos() > 0) || (known.seconds() > 0 && known.nanos() < 0);
  if (known.seconds() < TimeUtil::kDurationMinSeconds ||
      known.seconds() > TimeUtil::kDurationMaxSeconds || std::abs(known.nanos()) > 999'999'999 ||
      mixed) {
    return Unprintable(message, "it is out of range");
  }
  return Json(TimeUtil::ToString(known));
}

Status FieldMaskFromJson(const Json& json, const std::string& where, Message& message,
                         JsonReading& /*reading*/) {
  google::protobuf::FieldMask known;
  if (!json.is_string() ||
      !FieldMaskUtil::FromJsonString(json.get_ref<const std::string&>(), &known)) {
    return ProtoMismatch(where, "the value is not a string such as \"user.displayName,photo\"");
  }
  FromKnown(known, message);
  return Status();
}

Result<Json> FieldMaskToJson(const Message& message, JsonBudget& /*budget*/) {
  std::string text;
  if (!FieldMaskUtil::ToJsonString(ToKnown<google::protobuf::FieldMask>(message), &text)) {
    return Unprintable(message, "a path can not be written in lowerCamelCase");
  }
  return Json(std::move(text));
}

Status WrapperFromJson(const Json& json, const std::string& where, Message& message,
                       JsonReading& reading) {
  return FillSingular(json, where, Field(message, kWrapperValue), message, reading);
}

Result<Json> WrapperToJson(const Message& message, JsonBudget& budget) {
  return SingularToJson(Field(message, kWrapperValue), message, budget);
}

Status StructFromJson(const Json& json, const std::string& where, Message& message,
                      JsonReading& reading) {
  if (!json.is_object()) {
    return ProtoMismatch(where, "the value is not an object");
  }
  const FieldDescriptor& fields = Field(message, kStructFields);
  for (const auto& [name, value] : json.items()) {
    Message& entry = *message.GetReflection()->AddMessage(&message, &fields);
    entry.GetReflection()->SetString(&entry, fields.message_type()->map_key(), name);
    ENTENTE_RETURN_IF_ERROR(FillSingular(value, where + "/" + EscapePointerToken(name),
                                         *fields.message_type()->map_value(), entry, reading));
  }
  return Status();
}

Result<Json> StructToJson(const Message& message, JsonBudget& budget) {
  const FieldDescriptor& fields = Field(message, kStructFields);
  const auto& reflection = *message.GetReflection();
  Json json = Json::object();
  for (int i = 0; i < reflection.FieldSize(message, &fields); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &fields, i);
    const std::string name =
        entry.GetReflection()->GetString(entry, fields.message_type()->map_key());
    ENTENTE_ASSIGN_OR_RETURN(json[name],
                             SingularToJson(*fields.message_type()->map_value(), entry, budget));
  }
  return json;
}

Status ListFromJson(const Json& json, const std::string& where, Message& message,
                    JsonReading& reading) {
  if (!json.is_array()) {
    return ProtoMismatch(where, "the value is not an array");
  }
  const FieldDescriptor& values = Field(message, kListValues);
  for (size_t i = 0; i < json.size(); ++i) {
    ENTENTE_RETURN_IF_ERROR(
        FillSingular(json[i], where + "/" + std::to_string(i), values, message, reading));
  }
  return Status();
}

Result<Json> ListToJson(const Message& message, JsonBudget& budget) {
  const FieldDescriptor& values = Field(message, kListValues);
  const auto& reflection = *message.GetReflection();
  Json json = Json::array();
  for (int i = 0; i < reflection.FieldSize(message, &values); ++i) {
    ENTENTE_ASSIGN_OR_RETURN(
        Json element, PrintMessage(reflection.GetRepeatedMessage(message, &values, i), budget));
    json.push_back(std::move(element));
  }
  return json;
}

Status ValueFromJson(const Json& json, const std::string& where, Message& message,
                     JsonReading& reading) {
  const int kind = json.is_null()       ? kNull
                   : IsJsonNumber(json) ? kNumber
                   : json.is_string()   ? kString
                   : json.is_boolean()  ? kBool
                   : json.is_object()   ? kStruct
                                        : kList;
  return FillSingular(json, where, Field(message, kind), message, reading);
}

Result<Json> ValueToJson(const Message& message, JsonBudget& budget) {
  const FieldDescriptor* set = message.GetReflection()->GetOneofFieldDescriptor(
      message, message.GetDescriptor()->oneof_decl(0));
  if (set == nullptr) {
    return Unprintable(message, "it holds no value");
  }
  if (set->number() == kNumber &&
      !std::isfinite(message.GetReflection()->GetDouble(message, set))) {
    return Unprintable(message, "JSON has no number for NaN and Infinity");
  }
  return SingularToJson(*set, message, budget);
}

// The empty message of the type that a type URL names, from the pool of `any`'s own type. Entries
// of maps are types for Protobuf only.
const Message* AnyPrototype(const Message& any, const std::string& type_url) {
  const std::string name = type_url.substr(type_url.rfind('/') + 1);
  const Descriptor* type = any.GetDescriptor()->file()->pool()->FindMessageTypeByName(name);
  return type == nullptr || type->options().map_entry()
             ? nullptr
             : any.GetReflection()->GetMessageFactory()->GetPrototype(type);
}

// What an Any holds of a type with a JSON form of its own, Empty among them for what it reads.
Result<const Json*> WrappedValue(const Json& json, const std::string& where) {
  if (!json.contains("value")) {
    return ProtoMismatch(where, "a value of this type stands under \"value\", which is missing");
  }
  if (json.size() > 2) {
    return ProtoMismatch(where, "a value of this type has no members but \"@type\" and \"value\"");
  }
  return &json.at("value");
}

Status FillAny(const Json& json, const std::string& where, Message& inner, JsonReading& reading) {
  const Descriptor& type = *inner.GetDescriptor();
  const bool empty = type.full_name() == "google.protobuf.Empty";
  if (IsWellKnown(type) || (empty && json.contains("value"))) {
    ENTENTE_ASSIGN_OR_RETURN(const Json* const value, WrappedValue(json, where));
    return FillMessage(*value, where + "/value", inner, reading);
  }
  Json members = json;
  members.erase("@type");
  return FillMessage(members, where, inner, reading);
}

Status AnyFromJson(const Json& json, const std::string& where, Message& message,
                   JsonReading& reading) {
  if (json.is_object() && json.empty()) {
    return Status();
  }
  if (!json.is_object() || !json.contains("@type") || !json.at("@type").is_string()) {
    return ProtoMismatch(where, "the value is not an object with an \"@type\"");
  }
  const auto& url = json.at("@type").get_ref<const std::string&>();
  const Message* prototype = AnyPrototype(message, url);
  if (prototype == nullptr || url.find('/') == std::string::npos) {
    return ProtoMismatch(where, "the type '" + url + "' is not known to the service");
  }
  const std::unique_ptr<Message> inner(prototype->New());
  ENTENTE_RETURN_IF_ERROR(FillAny(json, where, *inner, reading));
  if (!inner->IsInitialized()) {
    return ProtoMismatch(where,
                         "required fields are missing: " + inner->InitializationErrorString());
  }
  message.GetReflection()->SetString(&message, &Field(message, kAnyTypeUrl), url);
  message.GetReflection()->SetString(&message, &Field(message, kAnyValue),
                                     inner->SerializeAsString());
  return Status();
}

Result<Json> AnyToJson(const Message& message, JsonBudget& budget) {
  const auto& reflection = *message.GetReflection();
  const std::string url = reflection.GetString(message, &Field(message, kAnyTypeUrl));
  const std::string bytes = reflection.GetString(message, &Field(message, kAnyValue));
  if (url.empty()) {
    return Json::object();
  }
  const Message* prototype = AnyPrototype(message, url);
  if (prototype == nullptr) {
    return Unprintable(message, "the type '" + url + "' is not known");
  }
  const std::unique_ptr<Message> inner(prototype->New());
  ENTENTE_RETURN_IF_ERROR(ParseMessage(bytes, *inner, budget.memory));
  ENTENTE_ASSIGN_OR_RETURN(Json content, PrintMessage(*inner, budget));
  Json json = IsWellKnown(*inner->GetDescriptor()) ? Json{{"value", std::move(content)}}
                                                   : std::move(content);
  if (!json.emplace("@type", url).second) {
    return Unprintable(message, "a field of what it holds is called \"@type\"");
  }
  return json;
}

struct WellKnown {
  std::string_view name;  // Without "google.protobuf.".
  Status (*from_json)(const Json&, const std::string&, Message&, JsonReading&);
  Result<Json> (*to_json)(const Message&, JsonBudget&);
};
constexpr std::array<WellKnown, 16> kWellKnown = {{
    {"Timestamp", &TimestampFromJson, &TimestampToJson},
    {"Duration", &DurationFromJson, &DurationToJson},
    {"FieldMask", &FieldMaskFromJson, &FieldMaskToJson},
    {"Struct", &StructFromJson, &StructToJson},
    {"Value", &ValueFromJson, &ValueToJson},
    {"ListValue", &ListFromJson, &ListToJson},
    {"Any", &AnyFromJson, &AnyToJson},
    {"BoolValue", &WrapperFromJson, &WrapperToJson},
    {"BytesValue", &WrapperFromJson, &WrapperToJson},
    {"DoubleValue", &WrapperFromJson, &WrapperToJson},
    {"FloatValue", &WrapperFromJson, &WrapperToJson},
    {"Int32Value", &WrapperFromJson, &WrapperToJson},
    {"Int64Value", &WrapperFromJson, &WrapperToJson},
    {"StringValue", &WrapperFromJson, &WrapperToJson},
    {"UInt32Value", &WrapperFromJson, &WrapperToJson},
    {"UInt64Value", &WrapperFromJson, &WrapperToJson},
}};

const WellKnown* FindWellKnown(const Descriptor& type) {
  constexpr std::string_view kPackage = "google.protobuf.";
  const std::string_view name = type.full_name();
  if (!name.starts_with(kPackage)) {
    return nullptr;
  }
  for (const WellKnown& known : kWellKnown) {
    if (known.name == name.substr(kPackage.size())) {
      return &known;
    }
  }
  return nullptr;
}

}  // namespace

bool IsWellKnown(const Descriptor& type) {
  return FindWellKnown(type) != nullptr;
}

Status WellKnownFromJson(const Json& json, const std::string& where, Message& message,
                         JsonReading& reading) {
  return FindWellKnown(*message.GetDescriptor())->from_json(json, where, message, reading);
}

Result<Json> WellKnownToJson(const Message& message, JsonBudget& budget) {
  return FindWellKnown(*message.GetDescriptor())->to_json(message, budget);
}

}  // namespace entente::net
