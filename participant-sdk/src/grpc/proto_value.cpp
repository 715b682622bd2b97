#include "participant-sdk/src/grpc/proto_value.h"

#include <cmath>

#include "participant-sdk/src/participant/input_numbers.h"

namespace entente::sdk {
namespace {

using google::protobuf::Value;

Status TooDeep() {
  return InvalidArgument("value.too_deep", "the JSON is nested deeper than a gRPC message can be");
}

bool IsExact(const Json& number) {
  if (number.is_number_float()) {
    return true;
  }
  // As integers: the first one that is too large is rounded to the last that is not.
  constexpr auto kLimit = static_cast<int64_t>(kMaxExactWhole);
  if (number.is_number_unsigned()) {
    return number.get<uint64_t>() <= static_cast<uint64_t>(kLimit);
  }
  const auto value = number.get<int64_t>();
  return value >= -kLimit && value <= kLimit;
}

Status NumberTo(const Json& number, Value& value) {
  if (!IsExact(number)) {
    return InvalidArgument("value.inexact", "the integer " + number.dump() +
                                                " is too large for a double, which is all that a "
                                                "gRPC value holds; send it as a string");
  }
  value.set_number_value(number.get<double>());
  return Status();
}

}  // namespace

Status ToProtoValue(const Json& json, int max_depth, Value& value) {
  if (json.is_structured() && max_depth <= 0) {
    return TooDeep();
  }
  switch (json.type()) {
    case Json::value_t::object: {
      auto& fields = *value.mutable_struct_value()->mutable_fields();
      for (const auto& [name, member] : json.items()) {
        ENTENTE_RETURN_IF_ERROR(ToProtoValue(member, max_depth - 1, fields[name]));
      }
      return Status();
    }
    case Json::value_t::array: {
      auto& values = *value.mutable_list_value();
      for (const Json& element : json) {
        ENTENTE_RETURN_IF_ERROR(ToProtoValue(element, max_depth - 1, *values.add_values()));
      }
      return Status();
    }
    case Json::value_t::string: value.set_string_value(json.get<std::string>()); return Status();
    case Json::value_t::boolean: value.set_bool_value(json.get<bool>()); return Status();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: return NumberTo(json, value);
    case Json::value_t::null:
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  value.set_null_value(google::protobuf::NULL_VALUE);
  return Status();
}

Result<Json> FromProtoValue(const Value& value, int max_depth) {
  switch (value.kind_case()) {
    case Value::kStructValue: {
      if (max_depth <= 0) {
        return TooDeep();
      }
      Json object = Json::object();
      for (const auto& [name, member] : value.struct_value().fields()) {
        ENTENTE_ASSIGN_OR_RETURN(object[name], FromProtoValue(member, max_depth - 1));
      }
      return object;
    }
    case Value::kListValue: {
      if (max_depth <= 0) {
        return TooDeep();
      }
      Json array = Json::array();
      for (const Value& element : value.list_value().values()) {
        ENTENTE_ASSIGN_OR_RETURN(Json json, FromProtoValue(element, max_depth - 1));
        array.push_back(std::move(json));
      }
      return array;
    }
    case Value::kStringValue: return Json(value.string_value());
    case Value::kBoolValue: return Json(value.bool_value());
    case Value::kNumberValue:
      if (!std::isfinite(value.number_value())) {
        return InvalidArgument("value.not_finite", "a number of the input is not finite");
      }
      return NumberOf(value.number_value());
    case Value::kNullValue:
    case Value::KIND_NOT_SET: break;
  }
  return Json();
}

}  // namespace entente::sdk
