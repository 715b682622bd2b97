#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_set>

#include <google/protobuf/descriptor.h>

#include "base/json_number.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string FieldNames(const Descriptor& type) {
  constexpr size_t kMaxShownBytes = 512;
  std::string names;
  for (int i = 0; i < type.field_count(); ++i) {
    if (names.size() > kMaxShownBytes) {
      names += ", ...";
      break;
    }
    names += (i == 0 ? "" : ", ") + type.field(i)->json_name();
  }
  return names.empty() ? "it has none" : "it has " + names;
}

std::string Shown(const Json& json) {
  std::string text = DumpJson(json);
  if (text.size() > 64) {
    text.resize(61);
    text += "...";
  }
  return text;
}

// The whole text as a number.
template <class Number>
bool ParseWhole(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && rest == end;
}

template <class Integer>
Status NoInteger(const Json& json, const std::string& where) {
  using Limits = std::numeric_limits<Integer>;
  return ProtoMismatch(where, Shown(json) + " is not an integer from " +
                                  std::to_string(Limits::min()) + " to " +
                                  std::to_string(Limits::max()));
}

// An integer given as a number, as a number with a zero fraction, or as a string of either.
template <class Integer>
Result<Integer> ReadInteger(const Json& json, const std::string& where) {
  using Limits = std::numeric_limits<Integer>;
  if (IsNumberText(json)) {
    // 12345678901234567.0 is a whole number that no double holds.
    const Decimal decimal(NumberText(json));
    const auto digits = decimal.WholeDigits(std::numeric_limits<uint64_t>::digits10 + 1);
    Integer value{};
    const std::string text =
        (decimal.negative() ? "-" : "") + (decimal.is_zero() ? "0" : digits.value_or(""));
    if (decimal.is_integer() && digits && ParseWhole(text, value)) {
      return value;
    }
    return NoInteger<Integer>(json, where);
  }
  if (json.is_number_unsigned()) {
    const auto value = json.get<uint64_t>();
    if (value <= static_cast<uint64_t>(Limits::max())) {
      return static_cast<Integer>(value);
    }
  } else if (json.is_number_integer()) {
    const auto value = json.get<int64_t>();
    if (value >= static_cast<int64_t>(Limits::min()) &&
        (value < 0 || static_cast<uint64_t>(value) <= static_cast<uint64_t>(Limits::max()))) {
      return static_cast<Integer>(value);
    }
  } else if (json.is_number_float() || json.is_string()) {
    Integer exact{};
    double value = 0;
    if (json.is_string() && ParseWhole(json.get_ref<const std::string&>(), exact)) {
      return exact;
    }
    const bool number = json.is_number_float()
                            ? (value = json.get<double>(), true)
                            : ParseWhole(json.get_ref<const std::string&>(), value);
    // The upper bound is a power of two, hence exact as a double, and itself out of range.
    const double bound = std::ldexp(1.0, Limits::digits);
    if (number && std::trunc(value) == value && value < bound &&
        value >= static_cast<double>(Limits::min())) {
      return static_cast<Integer>(value);
    }
  }
  return NoInteger<Integer>(json, where);
}

Result<double> ReadDouble(const Json& json, const std::string& where) {
  if (IsNumberText(json)) {
    const std::optional<Json> exact = ExactNumber(NumberText(json));
    return exact ? ReadDouble(*exact, where)
                 : ProtoMismatch(where, Shown(json) + " has more digits than a double holds");
  }
  if (json.is_number()) {
    return json.get<double>();
  }
  if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (text == "NaN") {
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (text == "Infinity" || text == "-Infinity") {
      const double infinity = std::numeric_limits<double>::infinity();
      return text.front() == '-' ? -infinity : infinity;
    }
    double value = 0;
    if (ParseWhole(text, value) && std::isfinite(value)) {
      return value;
    }
  }
  return ProtoMismatch(where, Shown(json) + " is not a number");
}

Result<float> ReadFloat(const Json& json, const std::string& where) {
  using Limits = std::numeric_limits<float>;
  ENTENTE_ASSIGN_OR_RETURN(const double value, ReadDouble(json, where));
  if (!std::isfinite(value) || std::abs(value) <= Limits::max()) {
    return static_cast<float>(value);
  }
  // The decimal that stands for the largest float is a little larger than it. What is nearer to it
  // than to the next power of two means it.
  constexpr double kRoundsToInfinity = 0x1.ffffffp127;
  if (std::abs(value) < kRoundsToInfinity) {
    return value < 0 ? Limits::lowest() : Limits::max();
  }
  return ProtoMismatch(where, Shown(json) + " is out of the range of float");
}

Result<bool> ReadBool(const Json& json, const std::string& where) {
  if (json.is_boolean()) {
    return json.get<bool>();
  }
  return ProtoMismatch(where, Shown(json) + " is not true or false");
}

Result<std::string> ReadString(const Json& json, const std::string& where) {
  if (json.is_string()) {
    return json.get<std::string>();
  }
  return ProtoMismatch(where, Shown(json) + " is not a string");
}

Result<std::string> ReadBytes(const Json& json, const std::string& where) {
  if (json.is_string()) {
    auto bytes = DecodeBase64(json.get_ref<const std::string&>());
    if (bytes.ok()) {
      return bytes;
    }
  }
  return ProtoMismatch(where, Shown(json) + " is not a base64 string");
}

Result<int> ReadEnum(const Json& json, const std::string& where, const FieldDescriptor& field) {
  const auto& type = *field.enum_type();
  if (json.is_null() && type.full_name() == "google.protobuf.NullValue") {
    return 0;
  }
  if (json.is_string()) {
    const EnumValueDescriptor* value = type.FindValueByName(json.get_ref<const std::string&>());
    if (value != nullptr) {
      return value->number();
    }
  } else if (IsJsonNumber(json)) {
    ENTENTE_ASSIGN_OR_RETURN(const int number, ReadInteger<int32_t>(json, where));
    if (type.file()->syntax() == google::protobuf::FileDescriptor::SYNTAX_PROTO3 ||
        type.FindValueByNumber(number) != nullptr) {
      return number;
    }
  }
  return ProtoMismatch(where, Shown(json) + " is not a value of the enum " + type.full_name());
}

// Sets the field, or appends to it if it is repeated.
template <class Value>
void Put(Message& message, const FieldDescriptor& field, Value value,
         void (Reflection::*set)(Message*, const FieldDescriptor*, Value) const,
         void (Reflection::*add)(Message*, const FieldDescriptor*, Value) const) {
  (message.GetReflection()->*(field.is_repeated() ? add : set))(&message, &field, std::move(value));
}

// A map key, which JSON always writes as a string, as the value that its type reads.
Json KeyValue(const std::string& key, const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL && (key == "true" || key == "false")) {
    return key == "true";
  }
  return key;
}

// Charges for one more message of this type, before it is made.
Status Charge(const Descriptor& type, JsonReading& reading) {
  const size_t bytes = EmptyMessageBytes(type);
  if (bytes > reading.memory) {
    return InvalidArgument("proto.too_large", "the request message takes more than the limit of " +
                                                  std::to_string(limits::kMaxMessageMemoryBytes) +
                                                  " bytes in memory; send fewer elements");
  }
  reading.memory -= bytes;
  return Status();
}

Status FillMap(const Json& json, const std::string& where, const FieldDescriptor& field,
               Message& message, JsonReading& reading) {
  if (!json.is_object()) {
    return ProtoMismatch(where, Shown(json) + " is not an object, which a map needs");
  }
  const FieldDescriptor& key = *field.message_type()->map_key();
  const FieldDescriptor& value = *field.message_type()->map_value();
  const bool keys_are_texts = key.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  std::unordered_set<std::string> keys;  // As numbers: "1" and "1.0" are one key.
  for (const auto& [name, element] : json.items()) {
    const std::string at = where + "/" + EscapePointerToken(name);
    ENTENTE_RETURN_IF_ERROR(Charge(*field.message_type(), reading));
    Message& entry = *message.GetReflection()->AddMessage(&message, &field);
    ENTENTE_RETURN_IF_ERROR(FillSingular(KeyValue(name, key), at, key, entry, reading));
    if (!keys_are_texts && !keys.insert(entry.SerializePartialAsString()).second) {
      return ProtoMismatch(at, "the map has this key twice");
    }
    ENTENTE_RETURN_IF_ERROR(FillSingular(element, at, value, entry, reading));
  }
  return Status();
}

bool TakesNull(const FieldDescriptor& field) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return field.message_type()->full_name() == "google.protobuf.Value";
  }
  return field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM &&
         field.enum_type()->full_name() == "google.protobuf.NullValue";
}

Status FillField(const Json& json, const std::string& where, const FieldDescriptor& field,
                 Message& message, JsonReading& reading) {
  if (json.is_null() && (field.is_repeated() || !TakesNull(field))) {
    return Status();  // The same as absent.
  }
  if (field.is_map()) {
    return FillMap(json, where, field, message, reading);
  }
  if (!field.is_repeated()) {
    return FillSingular(json, where, field, message, reading);
  }
  if (!json.is_array()) {
    return ProtoMismatch(where, Shown(json) + " is not an array, which a repeated field needs");
  }
  for (size_t i = 0; i < json.size(); ++i) {
    ENTENTE_RETURN_IF_ERROR(
        FillSingular(json[i], where + "/" + std::to_string(i), field, message, reading));
  }
  return Status();
}

}  // namespace

Status ProtoMismatch(const std::string& where, const std::string& why) {
  return InvalidArgument("proto.mismatch", "at '" + where + "' of the request message: " + why);
}

Status FillSingular(const Json& json, const std::string& where, const FieldDescriptor& field,
                    Message& message, JsonReading& reading) {
  using R = Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      ENTENTE_ASSIGN_OR_RETURN(const int32_t value, ReadInteger<int32_t>(json, where));
      Put<int32_t>(message, field, value, &R::SetInt32, &R::AddInt32);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ENTENTE_ASSIGN_OR_RETURN(const int64_t value, ReadInteger<int64_t>(json, where));
      Put<int64_t>(message, field, value, &R::SetInt64, &R::AddInt64);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      ENTENTE_ASSIGN_OR_RETURN(const uint32_t value, ReadInteger<uint32_t>(json, where));
      Put<uint32_t>(message, field, value, &R::SetUInt32, &R::AddUInt32);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      ENTENTE_ASSIGN_OR_RETURN(const uint64_t value, ReadInteger<uint64_t>(json, where));
      Put<uint64_t>(message, field, value, &R::SetUInt64, &R::AddUInt64);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      ENTENTE_ASSIGN_OR_RETURN(const double value, ReadDouble(json, where));
      Put<double>(message, field, value, &R::SetDouble, &R::AddDouble);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      ENTENTE_ASSIGN_OR_RETURN(const float value, ReadFloat(json, where));
      Put<float>(message, field, value, &R::SetFloat, &R::AddFloat);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      ENTENTE_ASSIGN_OR_RETURN(const bool value, ReadBool(json, where));
      Put<bool>(message, field, value, &R::SetBool, &R::AddBool);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      ENTENTE_ASSIGN_OR_RETURN(const int value, ReadEnum(json, where, field));
      Put<int>(message, field, value, &R::SetEnumValue, &R::AddEnumValue);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      ENTENTE_ASSIGN_OR_RETURN(std::string value, field.type() == FieldDescriptor::TYPE_BYTES
                                                      ? ReadBytes(json, where)
                                                      : ReadString(json, where));
      Put<std::string>(message, field, std::move(value), &R::SetString, &R::AddString);
      return Status();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Reflection& reflection = *message.GetReflection();
      ENTENTE_RETURN_IF_ERROR(Charge(*field.message_type(), reading));
      return FillMessage(json, where,
                         field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                             : *reflection.MutableMessage(&message, &field),
                         reading);
    }
  }
  return ProtoMismatch(where, "the field's type is not known");
}

Status FillMessage(const Json& json, const std::string& where, Message& message,
                   JsonReading& reading) {
  const Descriptor& type = *message.GetDescriptor();
  if (IsWellKnown(type)) {
    return WellKnownFromJson(json, where, message, reading);
  }
  if (!json.is_object()) {
    return ProtoMismatch(where,
                         Shown(json) + " is not an object, which " + type.full_name() + " needs");
  }
  std::unordered_set<const FieldDescriptor*> seen;
  std::unordered_set<const google::protobuf::OneofDescriptor*> chosen;
  for (const auto& [name, value] : json.items()) {
    const FieldDescriptor* field = reading.fields.Find(type, name);
    if (field == nullptr) {
      return ProtoMismatch(where,
                           type.full_name() + " has no field '" + name + "'; " + FieldNames(type));
    }
    if (!seen.insert(field).second) {
      return ProtoMismatch(where,
                           "the field '" + field->name() + "' is given under both its names");
    }
    const auto* oneof = field->real_containing_oneof();
    if (oneof != nullptr && !(value.is_null() && !TakesNull(*field)) &&
        !chosen.insert(oneof).second) {
      return ProtoMismatch(where, "only one of the fields of '" + oneof->name() +
                                      "' can be given; '" + name + "' is one too many");
    }
    ENTENTE_RETURN_IF_ERROR(
        FillField(value, where + "/" + EscapePointerToken(name), *field, message, reading));
  }
  return Status();
}

Status MessageFromJson(const Json& json, Message& message, JsonReading& reading) {
  ENTENTE_RETURN_IF_ERROR(FillMessage(json, "", message, reading));
  if (!message.IsInitialized()) {
    return ProtoMismatch("", "required fields are missing: " + message.InitializationErrorString());
  }
  return Status();
}

}  // namespace entente::net
