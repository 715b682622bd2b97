// Values as JSON and as text.

#include <cmath>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/json_number.h"
#include "base/limits.h"
#include "dsl/cel/error.h"
#include "dsl/cel/json_writer.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/timestamp.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {
namespace {

// The bytes of `text` between quotes, as DumpJson escapes it.
size_t QuotedBytes(std::string_view text) {
  size_t bytes = text.size() + 2;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t') {
      bytes += 1;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      bytes += std::string_view("\\u0000").size() - 1;
    }
  }
  return bytes;
}

}  // namespace

Result<Json> JsonWriter::Write(const Value& value) {
  if (const auto written = value.written()) {
    ENTENTE_RETURN_IF_ERROR(Count(written->size()));
    return MakeNumberText(*written);
  }
  switch (value.kind()) {
    case Kind::kNull: return Scalar(Json(nullptr));
    case Kind::kBool: return Scalar(Json(value.bool_value()));
    case Kind::kInt: return Scalar(Json(value.int_value()));
    case Kind::kUint: return Scalar(Json(value.uint_value()));
    case Kind::kDouble: return WriteDouble(value.double_value());
    case Kind::kString:
      ENTENTE_RETURN_IF_ERROR(Count(QuotedBytes(value.string_value())));
      return Json(value.string_value());
    case Kind::kBytes: return WriteString(EncodeBase64(value.bytes_value()));
    case Kind::kList: return WriteList(value);
    case Kind::kMap: return WriteMap(value);
    case Kind::kTimestamp: return WriteString(FormatTimestamp(value.timestamp_value()));
    case Kind::kDuration: return WriteString(FormatCelDuration(value.duration_value()));
    case Kind::kType: return WriteString(std::string(KindName(value.type_value())));
    case Kind::kDecimal: break;  // Written.
    case Kind::kOptional:
      return value.optional_value() == nullptr ? Scalar(Json(nullptr))
                                               : Write(*value.optional_value());
  }
  return EvaluationError("value of an unknown kind");
}

Result<Json> JsonWriter::Write(const Json& literal) {
  ENTENTE_RETURN_IF_ERROR(CountJson(literal));
  return Json(literal);
}

Result<Json> JsonWriter::WriteString(std::string text) {
  ENTENTE_RETURN_IF_ERROR(Count(QuotedBytes(text)));
  return Json(std::move(text));
}

Status JsonWriter::Open(size_t parts) {
  if (++depth_ > limits_.max_depth) {
    return EvaluationError("the result nests deeper than the limit of " +
                           std::to_string(limits_.max_depth) + " levels");
  }
  constexpr size_t kBrackets = 2;
  return Count(kBrackets + (parts == 0 ? 0 : parts - 1));
}

Status JsonWriter::CountKey(std::string_view key) {
  return Count(QuotedBytes(key) + 1);
}

Status JsonWriter::Count(size_t bytes) {
  bytes_ += bytes;
  ++values_;
  if (bytes_ > limits_.max_bytes) {
    return EvaluationError("the result is larger than the limit of " +
                           std::to_string(limits_.max_bytes) + " bytes of JSON");
  }
  return {};
}

// The recursion is bounded by Open.
Status JsonWriter::CountJson(const Json& json) {
  if (const std::string* text = json.get_ptr<const std::string*>()) {
    return Count(QuotedBytes(*text));
  }
  if (IsNumberText(json)) {
    return Count(NumberText(json).size());
  }
  if (!json.is_structured()) {
    return Count(DumpJson(json).size());
  }
  ENTENTE_RETURN_IF_ERROR(Open(json.size()));
  if (const Json::array_t* elements = json.get_ptr<const Json::array_t*>()) {
    for (const Json& element : *elements) {
      ENTENTE_RETURN_IF_ERROR(CountJson(element));
    }
  } else {
    for (const auto& [key, member] : json.get_ref<const Json::object_t&>()) {
      ENTENTE_RETURN_IF_ERROR(CountKey(key));
      ENTENTE_RETURN_IF_ERROR(CountJson(member));
    }
  }
  Close();
  return {};
}

Result<Json> JsonWriter::Scalar(Json json) {
  ENTENTE_RETURN_IF_ERROR(CountJson(json));
  return json;
}

Result<Json> JsonWriter::WriteDouble(double number) {
  if (!std::isfinite(number)) {
    return EvaluationError("the double " + FormatDouble(number) + " has no JSON form");
  }
  return Scalar(Json(number));
}

Result<Json> JsonWriter::WriteList(const Value& list) {
  if (const Json* view = list.json_view()) {
    return Write(*view);
  }
  ENTENTE_RETURN_IF_ERROR(Open(list.size()));
  Json json = Json::array();
  for (size_t i = 0; i < list.size(); ++i) {
    ENTENTE_ASSIGN_OR_RETURN(Json element, Write(list.ElementAt(i)));
    json.push_back(std::move(element));
  }
  Close();
  return json;
}

Result<Json> JsonWriter::WriteMap(const Value& map) {
  if (const Json* view = map.json_view()) {
    return Write(*view);
  }
  ENTENTE_RETURN_IF_ERROR(Open(map.size()));
  Json json = Json::object();
  for (const auto& [key, entry] : map.Entries()) {
    if (key.kind() != Kind::kString) {
      return EvaluationError("a map with a key of type " + std::string(KindName(key.kind())) +
                             " has no JSON form; make it a string with string()");
    }
    ENTENTE_RETURN_IF_ERROR(CountKey(key.string_value()));
    ENTENTE_ASSIGN_OR_RETURN(json[key.string_value()], Write(entry));
  }
  Close();
  return json;
}

Result<Json> ToJson(const Value& value) {
  return JsonWriter({limits::kMaxExpressionResultBytes, limits::kMaxJsonDepth}).Write(value);
}

Result<std::string> ToText(const Value& value) {
  if (const auto written = value.written()) {
    return std::string(*written);
  }
  if (value.kind() == Kind::kOptional && value.optional_value() != nullptr) {
    return ToText(*value.optional_value());
  }
  switch (value.kind()) {
    case Kind::kBool: return std::string(value.bool_value() ? "true" : "false");
    case Kind::kInt: return std::to_string(value.int_value());
    case Kind::kUint: return std::to_string(value.uint_value());
    case Kind::kDouble: return FormatDouble(value.double_value());
    case Kind::kString: return value.string_value();
    case Kind::kBytes: return EncodeBase64(value.bytes_value());
    case Kind::kTimestamp: return FormatTimestamp(value.timestamp_value());
    case Kind::kDuration: return FormatCelDuration(value.duration_value());
    case Kind::kType: return std::string(KindName(value.type_value()));
    case Kind::kNull:
    case Kind::kList:
    case Kind::kMap:
    case Kind::kOptional:
    case Kind::kDecimal: break;
  }
  ENTENTE_ASSIGN_OR_RETURN(const Json json, ToJson(value));
  return DumpJson(json);
}

}  // namespace entente::dsl::cel
