#include "coordinator/api/json/field_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>

#include "base/json_number.h"
#include "coordinator/api/text.h"

namespace entente::api {
namespace {

constexpr size_t kMaxQuotedBytes = 64;
constexpr size_t kMaxParameters = 32;
constexpr size_t kMaxViolations = 50;

// A name as it may stand in a message: bounded, and readable.
std::string Quote(std::string_view name) {
  return "'" + ToUtf8(name.substr(0, kMaxQuotedBytes)) + "'";
}

std::string_view TypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "an array";
    case Json::value_t::string: return "a string";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
    case Json::value_t::binary: return "a number";  // As its text: json_number.h.
    case Json::value_t::null:
    case Json::value_t::discarded: return "null";
  }
  return "null";
}

std::string Expected(std::string_view type, const Json& value) {
  return "must be " + std::string(type) + ", not " + std::string(TypeName(value));
}

// 2.0 is as whole as 2, as JSON Schema and Protobuf have it.
std::optional<uint32_t> WholeNumber(const Json& value) {
  if (!IsJsonNumber(value)) {
    return std::nullopt;
  }
  const Decimal number = Decimal::Of(value);
  if (number.is_zero()) {
    return 0;
  }
  if (number.negative() || !number.is_integer()) {
    return std::nullopt;
  }
  const std::optional<std::string> digits =
      number.WholeDigits(std::numeric_limits<uint32_t>::digits10 + 1);
  return digits ? ParseNumber(*digits) : std::nullopt;
}

void AddViolation(std::vector<Violation>& violations, std::string_view field, std::string message,
                  std::string suggestion = "") {
  if (violations.size() < kMaxViolations) {
    violations.push_back({std::string(field), std::move(message), std::move(suggestion)});
  }
}

std::optional<Error> ErrorOf(std::vector<Violation>& violations) {
  if (violations.empty()) {
    return std::nullopt;
  }
  return InvalidRequest(std::move(violations));
}

}  // namespace

std::optional<uint32_t> ParseNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

BodyReader::BodyReader(Json body) : body_(std::move(body)) {
  if (!body_.is_object()) {
    Fail("", "the body " + Expected("a JSON object", body_));
    body_ = Json::object();
  }
}

void BodyReader::Fail(std::string_view field, std::string message) {
  AddViolation(violations_, field, std::move(message));
}

Json* BodyReader::Find(std::string_view name) {
  ENTENTE_CHECK(name_count_ < kMaxNames);
  names_[name_count_++] = name;
  auto& members = body_.get_ref<Json::object_t&>();
  const auto member = members.find(name);
  if (member == members.end()) {
    return nullptr;
  }
  ++taken_;
  return &member->second;
}

std::optional<std::string> BodyReader::TakeOptionalString(std::string_view name) {
  Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    Fail(name, Expected("a string", *value));
    return std::nullopt;
  }
  return std::move(value->get_ref<std::string&>());
}

std::string BodyReader::TakeString(std::string_view name) {
  return TakeOptionalString(name).value_or("");
}

std::optional<uint32_t> BodyReader::TakeNumber(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  const std::optional<uint32_t> number = WholeNumber(*value);
  if (!number) {
    Fail(name, IsJsonNumber(*value) ? "must be a whole number from 0 to 4294967295"
                                    : Expected("a number", *value));
  }
  return number;
}

std::vector<std::string> BodyReader::TakeStringList(std::string_view name) {
  std::vector<std::string> list;
  const Json* value = Find(name);
  if (value == nullptr) {
    return list;
  }
  if (!value->is_array()) {
    Fail(name, Expected("an array of strings", *value));
    return list;
  }
  for (const Json& member : *value) {
    if (!member.is_string()) {
      Fail(name, Expected("an array of strings", member));
      return list;
    }
    list.push_back(member.get<std::string>());
  }
  return list;
}

std::vector<std::pair<std::string, std::string>> BodyReader::TakeStringMap(std::string_view name) {
  std::vector<std::pair<std::string, std::string>> pairs;
  Json* value = Find(name);
  if (value == nullptr) {
    return pairs;
  }
  if (!value->is_object()) {
    Fail(name, Expected("an object of strings", *value));
    return pairs;
  }
  for (auto& [key, member] : value->get_ref<Json::object_t&>()) {
    if (member.is_string()) {
      pairs.emplace_back(key, std::move(member.get_ref<std::string&>()));
    } else {
      Fail(std::string(name) + "." + key.substr(0, kMaxQuotedBytes), Expected("a string", member));
    }
  }
  return pairs;
}

bool BodyReader::TakeBool(std::string_view name) {
  const Json* value = Find(name);
  if (value != nullptr && !value->is_boolean()) {
    Fail(name, Expected("a boolean", *value));
    return false;
  }
  return value != nullptr && value->get<bool>();
}

std::optional<Json> BodyReader::TakeValue(std::string_view name) {
  Json* value = Find(name);
  if (value == nullptr) {
    return std::nullopt;
  }
  return std::move(*value);
}

std::optional<Error> BodyReader::Finish() {
  const auto& members = body_.get_ref<const Json::object_t&>();
  if (taken_ != members.size()) {
    const std::span<const std::string_view> known(names_.data(), name_count_);
    for (const auto& [name, value] : members) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        AddViolation(violations_, ToUtf8(name.substr(0, kMaxQuotedBytes)),
                     "unknown field " + Quote(name), SuggestName(name, known));
      }
    }
  }
  return ErrorOf(violations_);
}

QueryReader::QueryReader(std::string_view query) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) {
      continue;
    }
    if (parameters_.size() == kMaxParameters) {
      Fail("", "the query has more than " + std::to_string(kMaxParameters) + " parameters");
      return;
    }
    const size_t equals = pair.find('=');
    const std::string_view raw_value =
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    std::optional<std::string> name = PercentDecode(pair.substr(0, equals), /*in_query=*/true);
    std::optional<std::string> value = PercentDecode(raw_value, /*in_query=*/true);
    if (!name || !value) {
      Fail("", "the query is not percent-encoded UTF-8 at " + Quote(pair));
      continue;
    }
    parameters_.push_back({std::move(*name), std::move(*value)});
  }
}

void QueryReader::Fail(std::string_view field, std::string message) {
  AddViolation(violations_, field, std::move(message));
}

std::optional<std::string> QueryReader::TakeOptionalString(std::string_view name) {
  names_.push_back(name);
  std::optional<std::string> value;
  for (Parameter& parameter : parameters_) {
    if (parameter.name != name) {
      continue;
    }
    if (parameter.taken || value) {
      Fail(name, "the parameter " + Quote(name) + " is given twice");
    }
    parameter.taken = true;
    value = std::move(parameter.value);
  }
  if (value && value->empty()) {
    Fail(name, "must not be empty; leave the parameter " + Quote(name) + " out");
    return std::nullopt;
  }
  return value;
}

std::string QueryReader::TakeString(std::string_view name) {
  return TakeOptionalString(name).value_or("");
}

std::optional<bool> QueryReader::TakeBool(std::string_view name) {
  const std::optional<std::string> value = TakeOptionalString(name);
  if (value && *value != "true" && *value != "false") {
    Fail(name, "must be true or false");
    return std::nullopt;
  }
  return value ? std::optional(*value == "true") : std::nullopt;
}

std::optional<uint32_t> QueryReader::TakeNumber(std::string_view name, uint32_t least) {
  const std::optional<std::string> text = TakeOptionalString(name);
  if (!text) {
    return std::nullopt;
  }
  const std::optional<uint32_t> number = ParseNumber(*text);
  if (!number || *number < least) {
    Fail(name, "must be a whole number from " + std::to_string(least));
    return std::nullopt;
  }
  return number;
}

std::optional<Instant> QueryReader::TakeInstant(std::string_view name) {
  const std::optional<std::string> text = TakeOptionalString(name);
  if (!text) {
    return std::nullopt;
  }
  const Result<Instant> instant = ParseInstant(*text);
  if (!instant.ok()) {
    Fail(name, instant.status().message());
    return std::nullopt;
  }
  return instant.value();
}

std::optional<Error> QueryReader::Finish() {
  for (const Parameter& parameter : parameters_) {
    if (!parameter.taken) {
      AddViolation(violations_, ToUtf8(parameter.name.substr(0, kMaxQuotedBytes)),
                   "unknown query parameter " + Quote(parameter.name),
                   SuggestName(parameter.name, names_));
    }
  }
  return ErrorOf(violations_);
}

}  // namespace entente::api
