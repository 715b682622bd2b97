#include <cmath>
#include <optional>

#include "base/json_number.h"
#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/text.h"

namespace entente::api {
namespace {

void SetNumber(const Json& number, google::protobuf::Value* value) {
  const std::optional<Json> exact =
      IsNumberText(number) ? ExactNumber(NumberText(number)) : std::optional<Json>(number);
  if (exact) {
    const auto nearest = exact->get<double>();
    if (exact->is_number_float() || Decimal::Of(*exact).Compare(Decimal::Of(nearest)) == 0) {
      value->set_number_value(nearest);
      return;
    }
  }
  value->set_string_value(DumpJson(number));
}

}  // namespace

// Neither direction needs a depth check of its own: the Protobuf parser stops at a nesting of 100
// messages, and JSON that entered through ParseJson is bounded as well.
Json FromValue(const google::protobuf::Value& value) {
  constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53
  switch (value.kind_case()) {
    case google::protobuf::Value::kNullValue:
    case google::protobuf::Value::KIND_NOT_SET: return nullptr;
    case google::protobuf::Value::kBoolValue: return value.bool_value();
    case google::protobuf::Value::kStringValue: return value.string_value();
    case google::protobuf::Value::kNumberValue: {
      const double number = value.number_value();
      if (std::trunc(number) == number && std::abs(number) <= kLargestExactInteger) {
        const auto integer = static_cast<int64_t>(number);
        // Not negative: unsigned, as the JSON parser has it.
        return integer >= 0 ? Json(static_cast<uint64_t>(integer)) : Json(integer);
      }
      return std::isfinite(number) ? Json(number) : Json(nullptr);
    }
    case google::protobuf::Value::kStructValue: {
      Json object = Json::object();
      for (const auto& [key, member] : value.struct_value().fields()) {
        object.emplace(key, FromValue(member));
      }
      return object;
    }
    case google::protobuf::Value::kListValue: {
      Json array = Json::array();
      for (const google::protobuf::Value& element : value.list_value().values()) {
        array.push_back(FromValue(element));
      }
      return array;
    }
  }
  return nullptr;
}

void ToValue(const JsonText& text, google::protobuf::Value* value) {
  ToValue(text.Read(), value);
}

void ToValue(const Json& json, google::protobuf::Value* value) {
  switch (json.type()) {
    case Json::value_t::boolean: value->set_bool_value(json.get<bool>()); return;
    case Json::value_t::string:
      value->set_string_value(ToUtf8(json.get_ref<const std::string&>()));
      return;
    case Json::value_t::binary:
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: SetNumber(json, value); return;
    case Json::value_t::object: {
      auto* fields = value->mutable_struct_value()->mutable_fields();
      for (const auto& [key, member] : json.items()) {
        ToValue(member, &(*fields)[ToUtf8(key)]);
      }
      return;
    }
    case Json::value_t::array: {
      google::protobuf::ListValue* list = value->mutable_list_value();
      for (const Json& element : json) {
        ToValue(element, list->add_values());
      }
      return;
    }
    case Json::value_t::null:
    case Json::value_t::discarded: value->set_null_value(google::protobuf::NULL_VALUE); return;
  }
}

}  // namespace entente::api
