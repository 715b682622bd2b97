#include "dsl/read/object_reader.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/json_number.h"
#include "dsl/read/foreign_words.h"

namespace entente::dsl {
namespace {

// A number without the noise of six decimals.
std::string Text(double number) {
  return DumpJson(Json(number));
}

}  // namespace

std::string_view TypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::string: return "a string";
    case Json::value_t::array: return "an array";
    case Json::value_t::object: return "an object";
    default: return "a number";
  }
}

bool ObjectReader::IsObject(const Json& value, const std::string& pointer, std::string_view what,
                            ProblemList& problems) {
  if (value.is_object()) {
    return true;
  }
  problems.AtValue(pointer, "wrong_type",
                   std::string(what) + " must be an object, not " + std::string(TypeName(value)));
  return false;
}

void ObjectReader::RefuseUnknownFields(std::span<const ObjectSpec* const> elsewhere) const {
  const std::vector<std::string_view> known(spec_.fields.begin(), spec_.fields.end());
  for (const auto& [name, value] : object_.items()) {
    if (spec_.Has(name)) {
      continue;
    }
    const auto other = std::find_if(elsewhere.begin(), elsewhere.end(),
                                    [&name](const ObjectSpec* spec) { return spec->Has(name); });
    std::string suggestion(AdviceForWord(name));
    if (suggestion.empty()) {
      suggestion = DidYouMean(name, known);
    }
    if (other != elsewhere.end()) {
      suggestion = Quote(name) + " belongs to " + std::string((*other)->what) + "; remove it here";
    } else if (suggestion.empty()) {
      suggestion = "remove it; the fields are " + QuoteAll(known, "and");
    }
    problems_.AtKey(PointerTo(name), "unknown_field",
                    "unknown field " + Quote(name) + " in " + std::string(spec_.what),
                    std::move(suggestion));
  }
}

const Json* ObjectReader::Find(std::string_view field) const {
  const auto member = object_.find(field);
  return member == object_.end() ? nullptr : &*member;
}

const Json* ObjectReader::Require(std::string_view field, std::string suggestion) const {
  const Json* value = Find(field);
  if (value == nullptr) {
    problems_.AtValue(pointer_, "missing_field",
                      std::string(spec_.what) + " needs the field " + Quote(field),
                      std::move(suggestion));
  }
  return value;
}

std::optional<std::string> ObjectReader::String(std::string_view field) const {
  const Json* value = Find(field);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    WrongType(field, "a string", *value);
    return std::nullopt;
  }
  return value->get<std::string>();
}

std::optional<bool> ObjectReader::Bool(std::string_view field) const {
  const Json* value = Find(field);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_boolean()) {
    WrongType(field, "true or false", *value);
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<uint64_t> ObjectReader::Integer(std::string_view field, uint64_t min,
                                              uint64_t max) const {
  const Json* value = Find(field);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number_integer()) {
    WrongType(field, "an integer", *value);
    return std::nullopt;
  }
  const bool negative = !value->is_number_unsigned() && value->get<int64_t>() < 0;
  if (negative || value->get<uint64_t>() < min || value->get<uint64_t>() > max) {
    problems_.AtValue(PointerTo(field), "out_of_range",
                      Quote(field) + " is " + DumpJson(*value) + "; it must be between " +
                          std::to_string(min) + " and " + std::to_string(max));
    return std::nullopt;
  }
  return value->get<uint64_t>();
}

std::optional<double> ObjectReader::Number(std::string_view field, double min, double max) const {
  const Json* value = Find(field);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!IsJsonNumber(*value)) {
    WrongType(field, "a number", *value);
    return std::nullopt;
  }
  // What no double holds exactly is out of every range that a setting has, or as good as its bound.
  const auto exact = IsNumberText(*value) ? ExactNumber(NumberText(*value)) : std::optional(*value);
  const auto number = exact ? exact->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(number >= min && number <= max)) {
    problems_.AtValue(PointerTo(field), "out_of_range",
                      Quote(field) + " is " + DumpJson(*value) + "; it must be between " +
                          Text(min) + " and " + Text(max));
    return std::nullopt;
  }
  return number;
}

std::optional<Duration> ObjectReader::DurationIn(std::string_view field, Duration min,
                                                 Duration max) const {
  const Json* value = Find(field);
  if (value != nullptr && IsJsonNumber(*value)) {
    problems_.AtValue(
        PointerTo(field), "wrong_type", Quote(field) + " must be a duration, not a number",
        "write it with its unit: \"" + DumpJson(*value) + "s\" or \"" + DumpJson(*value) + "ms\"");
    return std::nullopt;
  }
  const std::optional<std::string> text = String(field);
  if (!text) {
    return std::nullopt;
  }
  const Result<Duration> duration = ParseDuration(*text);
  if (!duration.ok()) {
    problems_.AtValue(PointerTo(field), "bad_duration",
                      Quote(field) + ": " + duration.status().message());
    return std::nullopt;
  }
  if (*duration < min || *duration > max) {
    problems_.AtValue(PointerTo(field), "out_of_range",
                      Quote(field) + " is " + Quote(*text) + "; it must be between " +
                          FormatDuration(min) + " and " + FormatDuration(max));
    return std::nullopt;
  }
  return *duration;
}

const Json* ObjectReader::Object(std::string_view field) const {
  const Json* value = Find(field);
  if (value != nullptr && !value->is_object()) {
    WrongType(field, "an object", *value);
    return nullptr;
  }
  return value;
}

const Json* ObjectReader::Array(std::string_view field) const {
  const Json* value = Find(field);
  if (value != nullptr && !value->is_array()) {
    WrongType(field, "an array", *value);
    return nullptr;
  }
  return value;
}

std::string ObjectReader::PointerTo(std::string_view field) const {
  return pointer_ + "/" + EscapePointerToken(field);
}

void ObjectReader::WrongType(std::string_view field, std::string_view expected,
                             const Json& value) const {
  problems_.AtValue(
      PointerTo(field), "wrong_type",
      Quote(field) + " must be " + std::string(expected) + ", not " + std::string(TypeName(value)));
}

}  // namespace entente::dsl
