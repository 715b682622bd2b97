#include "dsl/schema/json_order.h"

#include <cstddef>

#include "dsl/schema/number.h"

namespace entente::dsl::schema_internal {
namespace {

enum class Kind { kNothing, kNull, kBoolean, kNumber, kString, kArray, kObject };

Kind KindOf(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return Kind::kNull;
    case Json::value_t::boolean: return Kind::kBoolean;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
    case Json::value_t::binary: return Kind::kNumber;  // Written out (base/json_number.h).
    case Json::value_t::string: return Kind::kString;
    case Json::value_t::array: return Kind::kArray;
    case Json::value_t::object: return Kind::kObject;
    case Json::value_t::discarded: return Kind::kNothing;  // No JSON text holds these.
  }
  return Kind::kNothing;
}

std::strong_ordering CompareArrays(const Json::array_t& a, const Json::array_t& b) {
  if (const auto order = a.size() <=> b.size(); order != 0) {
    return order;
  }
  for (size_t i = 0; i < a.size(); ++i) {
    if (const auto order = CompareJson(a[i], b[i]); order != 0) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

std::strong_ordering CompareObjects(const Json::object_t& a, const Json::object_t& b) {
  if (const auto order = a.size() <=> b.size(); order != 0) {
    return order;
  }
  for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
    if (const auto order = left->first <=> right->first; order != 0) {
      return order;
    }
    if (const auto order = CompareJson(left->second, right->second); order != 0) {
      return order;
    }
  }
  return std::strong_ordering::equal;
}

}  // namespace

std::strong_ordering CompareJson(const Json& a, const Json& b) {
  const Kind kind = KindOf(a);
  if (const auto order = kind <=> KindOf(b); order != 0) {
    return order;
  }
  switch (kind) {
    case Kind::kNothing:
    case Kind::kNull: break;
    case Kind::kBoolean: return a.get<bool>() <=> b.get<bool>();
    case Kind::kNumber: return CompareNumbers(a, b);
    case Kind::kString: return a.get_ref<const std::string&>() <=> b.get_ref<const std::string&>();
    case Kind::kArray:
      return CompareArrays(a.get_ref<const Json::array_t&>(), b.get_ref<const Json::array_t&>());
    case Kind::kObject:
      return CompareObjects(a.get_ref<const Json::object_t&>(), b.get_ref<const Json::object_t&>());
  }
  return std::strong_ordering::equal;
}

}  // namespace entente::dsl::schema_internal
