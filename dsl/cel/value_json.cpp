// Values as JSON and as text.

#include <cmath>
#include <cstdint>

#include "base/limits.h"
#include "dsl/cel/error.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/timestamp.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {
namespace {

std::string Base64(std::string_view octets) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((octets.size() + 2) / 3 * 4);
  for (size_t i = 0; i < octets.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group =
          (group << 8) | (i + j < octets.size() ? static_cast<unsigned char>(octets[i + j]) : 0);
    }
    for (size_t j = 0; j < 4; ++j) {
      text += i + j <= octets.size() ? kAlphabet[(group >> (18 - 6 * j)) & 0x3F] : '=';
    }
  }
  return text;
}

// Converts while counting: values share their parts, so a small one can be huge when written out.
class JsonWriter {
 public:
  [[nodiscard]] Result<Json> Write(const Value& value) {
    ENTENTE_RETURN_IF_ERROR(Count(1));
    switch (value.kind()) {
      case Kind::kNull: return Json(nullptr);
      case Kind::kBool: return Json(value.bool_value());
      case Kind::kInt: return Json(value.int_value());
      case Kind::kUint: return Json(value.uint_value());
      case Kind::kDouble: return WriteDouble(value.double_value());
      case Kind::kString: return WriteString(value.string_value());
      case Kind::kBytes: return WriteString(Base64(value.bytes_value()));
      case Kind::kList: return WriteList(value);
      case Kind::kMap: return WriteMap(value);
      case Kind::kTimestamp: return Json(FormatTimestamp(value.timestamp_value()));
      case Kind::kDuration: return Json(FormatCelDuration(value.duration_value()));
      case Kind::kType: return Json(std::string(KindName(value.type_value())));
    }
    return EvaluationError("value of an unknown kind");
  }

 private:
  Status Count(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ > limits::kMaxExpressionResultBytes) {
      return EvaluationError("the result is larger than " +
                             std::to_string(limits::kMaxExpressionResultBytes) + " bytes of JSON");
    }
    return Status();
  }

  Status CountJson(const Json& json) {
    ENTENTE_RETURN_IF_ERROR(Count(1));
    if (const std::string* text = json.get_ptr<const std::string*>()) {
      return Count(text->size());
    }
    if (const Json::array_t* elements = json.get_ptr<const Json::array_t*>()) {
      for (const Json& element : *elements) {
        ENTENTE_RETURN_IF_ERROR(CountJson(element));
      }
    }
    if (const Json::object_t* members = json.get_ptr<const Json::object_t*>()) {
      for (const auto& [key, member] : *members) {
        ENTENTE_RETURN_IF_ERROR(Count(key.size()));
        ENTENTE_RETURN_IF_ERROR(CountJson(member));
      }
    }
    return Status();
  }

  static Result<Json> WriteDouble(double number) {
    if (!std::isfinite(number)) {
      return EvaluationError("the double " + FormatDouble(number) + " has no JSON form");
    }
    return Json(number);
  }

  Result<Json> WriteString(const std::string& text) {
    ENTENTE_RETURN_IF_ERROR(Count(text.size()));
    return Json(text);
  }

  Result<Json> WriteList(const Value& list) {
    if (const Json* view = list.json_view()) {
      ENTENTE_RETURN_IF_ERROR(CountJson(*view));
      return Json(*view);
    }
    Json json = Json::array();
    for (size_t i = 0; i < list.size(); ++i) {
      ENTENTE_ASSIGN_OR_RETURN(Json element, Write(list.ElementAt(i)));
      json.push_back(std::move(element));
    }
    return json;
  }

  Result<Json> WriteMap(const Value& map) {
    if (const Json* view = map.json_view()) {
      ENTENTE_RETURN_IF_ERROR(CountJson(*view));
      return Json(*view);
    }
    Json json = Json::object();
    for (const auto& [key, entry] : map.Entries()) {
      if (key.kind() != Kind::kString) {
        return EvaluationError("a map with a key of type " + std::string(KindName(key.kind())) +
                               " has no JSON form; make it a string with string()");
      }
      ENTENTE_RETURN_IF_ERROR(Count(key.string_value().size()));
      ENTENTE_ASSIGN_OR_RETURN(json[key.string_value()], Write(entry));
    }
    return json;
  }

  size_t bytes_ = 0;
};

}  // namespace

Result<Json> ToJson(const Value& value) {
  return JsonWriter().Write(value);
}

Result<std::string> ToText(const Value& value) {
  switch (value.kind()) {
    case Kind::kBool: return std::string(value.bool_value() ? "true" : "false");
    case Kind::kInt: return std::to_string(value.int_value());
    case Kind::kUint: return std::to_string(value.uint_value());
    case Kind::kDouble: return FormatDouble(value.double_value());
    case Kind::kString: return value.string_value();
    case Kind::kBytes: return Base64(value.bytes_value());
    case Kind::kTimestamp: return FormatTimestamp(value.timestamp_value());
    case Kind::kDuration: return FormatCelDuration(value.duration_value());
    case Kind::kType: return std::string(KindName(value.type_value()));
    case Kind::kNull:
    case Kind::kList:
    case Kind::kMap: break;
  }
  ENTENTE_ASSIGN_OR_RETURN(const Json json, ToJson(value));
  return DumpJson(json);
}

}  // namespace entente::dsl::cel
