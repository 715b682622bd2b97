#include <cmath>

#include <google/protobuf/descriptor.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// One value of a field: the field itself, or an element of a repeated one.
struct Slot {
  const Message& message;
  const FieldDescriptor& field;
  int index;  // Negative: the field is singular.

  template <class Value>
  Value Get(Value (Reflection::*get)(const Message&, const FieldDescriptor*) const,
            Value (Reflection::*get_repeated)(const Message&, const FieldDescriptor*, int)
                const) const {
    const Reflection& reflection = *message.GetReflection();
    return index < 0 ? (reflection.*get)(message, &field)
                     : (reflection.*get_repeated)(message, &field, index);
  }
};

Json NumberToJson(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  return value;
}

// The shortest decimal that reads back as this float, not the digits of its widening to double.
Json FloatToJson(float value) {
  if (!std::isfinite(value)) {
    return NumberToJson(value);
  }
  char text[32];
  snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
  for (int digits = 6; digits < 9; ++digits) {
    char shorter[32];
    snprintf(shorter, sizeof(shorter), "%.*g", digits, static_cast<double>(value));
    if (strtof(shorter, nullptr) == value) {
      return strtod(shorter, nullptr);
    }
  }
  return strtod(text, nullptr);
}

Json EnumToJson(const FieldDescriptor& field, int number) {
  if (field.enum_type()->full_name() == "google.protobuf.NullValue") {
    return nullptr;
  }
  const EnumValueDescriptor* value = field.enum_type()->FindValueByNumber(number);
  return value == nullptr ? Json(number) : Json(value->name());
}

Status TooLarge() {
  return InvalidArgument("proto.too_large", "its answer is too large as JSON");
}

Status Spend(JsonBudget& budget, size_t bytes) {
  if (bytes > budget.bytes) {
    return TooLarge();
  }
  budget.bytes -= bytes;
  return Status();
}

Status Unprintable(const std::string& why) {
  return InvalidArgument("proto.unprintable", "an answer has no JSON form: " + why);
}

Result<Json> ValueToJson(const Slot& slot, JsonBudget& budget) {
  constexpr size_t kScalarBytes = 8;
  ENTENTE_RETURN_IF_ERROR(Spend(budget, kScalarBytes));
  using R = Reflection;
  switch (slot.field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Json(slot.Get<int32_t>(&R::GetInt32, &R::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Json(slot.Get<uint32_t>(&R::GetUInt32, &R::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return Json(std::to_string(slot.Get<int64_t>(&R::GetInt64, &R::GetRepeatedInt64)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Json(std::to_string(slot.Get<uint64_t>(&R::GetUInt64, &R::GetRepeatedUInt64)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberToJson(slot.Get<double>(&R::GetDouble, &R::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FloatToJson(slot.Get<float>(&R::GetFloat, &R::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Json(slot.Get<bool>(&R::GetBool, &R::GetRepeatedBool));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumToJson(slot.field, slot.Get<int>(&R::GetEnumValue, &R::GetRepeatedEnumValue));
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = slot.Get<std::string>(&R::GetString, &R::GetRepeatedString);
      ENTENTE_RETURN_IF_ERROR(Spend(budget, text.size()));
      if (slot.field.type() == FieldDescriptor::TYPE_BYTES) {
        return Json(EncodeBase64(text));
      }
      if (ValidUtf8Prefix(text) != text.size()) {  // Protobuf lets it pass in proto2.
        return Unprintable(slot.field.full_name() + " is not UTF-8");
      }
      return Json(std::move(text));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Reflection& reflection = *slot.message.GetReflection();
      return PrintMessage(
          slot.index < 0 ? reflection.GetMessage(slot.message, &slot.field)
                         : reflection.GetRepeatedMessage(slot.message, &slot.field, slot.index),
          budget);
    }
  }
  return Json();
}

// A map key as the name of a member.
std::string KeyName(const Json& key) {
  return key.is_string() ? key.get<std::string>() : DumpJson(key);
}

Result<Json> RepeatedToJson(const FieldDescriptor& field, const Message& message,
                            JsonBudget& budget) {
  const Reflection& reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, &field);
  Json json = field.is_map() ? Json::object() : Json::array();
  for (int i = 0; i < size; ++i) {
    if (field.is_map()) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const Descriptor& type = *entry.GetDescriptor();
      ENTENTE_ASSIGN_OR_RETURN(const Json key, SingularToJson(*type.map_key(), entry, budget));
      ENTENTE_ASSIGN_OR_RETURN(json[KeyName(key)],
                               SingularToJson(*type.map_value(), entry, budget));
    } else {
      ENTENTE_ASSIGN_OR_RETURN(Json element, ValueToJson(Slot{message, field, i}, budget));
      json.push_back(std::move(element));
    }
  }
  return json;
}

Status PrintField(const FieldDescriptor& field, const std::string& name, const Message& message,
                  JsonBudget& budget, Json& json) {
  ENTENTE_RETURN_IF_ERROR(Spend(budget, name.size()));
  const auto [place, is_first] = json.emplace(name, nullptr);
  if (!is_first) {
    return Unprintable("two fields of " + message.GetDescriptor()->full_name() +
                       " have the JSON name '" + name + "'");
  }
  ENTENTE_ASSIGN_OR_RETURN(*place, field.is_repeated() ? RepeatedToJson(field, message, budget)
                                                       : SingularToJson(field, message, budget));
  return Status();
}

// Extensions that are not set show nothing, as optional fields do.
Status PrintExtensions(const Message& message, JsonBudget& budget, Json& json) {
  if (message.GetDescriptor()->extension_range_count() == 0) {
    return Status();
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_extension()) {
      ENTENTE_RETURN_IF_ERROR(
          PrintField(*field, "[" + field->full_name() + "]", message, budget, json));
    }
  }
  return Status();
}

Result<Json> PrintFields(const Message& message, JsonBudget& budget) {
  const Descriptor& type = *message.GetDescriptor();
  const auto count = static_cast<size_t>(type.field_count());
  if (count > budget.fields) {
    return TooLarge();
  }
  budget.fields -= count;
  Json json = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated() || !field.has_presence() ||
        message.GetReflection()->HasField(message, &field)) {
      ENTENTE_RETURN_IF_ERROR(PrintField(field, field.json_name(), message, budget, json));
    }
  }
  ENTENTE_RETURN_IF_ERROR(PrintExtensions(message, budget, json));
  return json;
}

}  // namespace

Result<Json> SingularToJson(const FieldDescriptor& field, const Message& message,
                            JsonBudget& budget) {
  return ValueToJson(Slot{message, field, -1}, budget);
}

Result<Json> MessageToJson(const Message& message, JsonBudget budget) {
  return PrintMessage(message, budget);
}

Result<Json> PrintMessage(const Message& message, JsonBudget& budget) {
  if (budget.depth == 0) {
    return InvalidArgument("proto.too_large", "its answer is nested too deeply");
  }
  --budget.depth;
  const Descriptor& type = *message.GetDescriptor();
  Result<Json> json =
      IsWellKnown(type) ? WellKnownToJson(message, budget) : PrintFields(message, budget);
  ++budget.depth;
  return json;
}

Result<std::string> DecodeBase64(const std::string& text) {
  std::string standard = text;
  for (char& c : standard) {
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  while (!standard.empty() && standard.back() == '=') {
    standard.pop_back();
  }
  const size_t symbols = standard.size();
  const bool plain = standard.find_first_not_of(
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                         "wxyz0123456789+/") == std::string::npos;
  if (!plain || symbols % 4 == 1 || text.size() - symbols > 2) {
    return InvalidArgument("base64.invalid", "not base64");
  }
  standard.append((4 - symbols % 4) % 4, '=');
  std::string bytes(standard.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(standard.data()),
                                   static_cast<int>(standard.size()));
  if (size < 0) {
    return InvalidArgument("base64.invalid", "not base64");
  }
  bytes.resize(symbols * 3 / 4);  // Without the bytes that padding stood for.
  return bytes;
}

}  // namespace entente::net
