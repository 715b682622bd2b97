#include "explore/schema_shape.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace entente::explore {
namespace {

constexpr int kMaxDepth = 16;

const Json& MemberOf(const Json& json, const char* name) {
  static const Json kNothing;
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() ? *found : kNothing;
}

// What a text of this format looks like; empty: any does.
std::string OfFormat(const std::string& format) {
  static const std::map<std::string, std::string> kTexts = {
      {"date", "2030-01-01"},
      {"date-time", "2030-01-01T00:00:00Z"},
      {"time", "12:00:00Z"},
      {"duration", "PT1H"},
      {"email", "ann@example.org"},
      {"idn-email", "ann@example.org"},
      {"hostname", "example.org"},
      {"ipv4", "192.0.2.1"},
      {"ipv6", "2001:db8::1"},
      {"uri", "https://example.org/"},
      {"uri-reference", "/"},
      {"iri", "https://example.org/"},
      {"uuid", "123e4567-e89b-12d3-a456-426614174000"},
      {"json-pointer", "/a"},
  };
  const auto found = kTexts.find(format);
  return found == kTexts.end() ? "" : found->second;
}

class Reader {
 public:
  explicit Reader(const Json& root) : root_(root) {}

  Shape Read(const Json& given, int depth) {
    const Json& schema = Resolve(given);
    if (depth > kMaxDepth || !schema.is_object()) {
      return UnknownShape();
    }
    Shape shape = ReadValues(schema, depth);
    AddSamples(schema, shape);
    return shape;
  }

 private:
  [[nodiscard]] const Json& Resolve(const Json& schema) const {
    const Json* at = &schema;
    for (int i = 0; i < kMaxDepth; ++i) {
      const Json& ref = MemberOf(*at, "$ref");
      if (!ref.is_string() || !ref.get_ref<const std::string&>().starts_with("#")) {
        return *at;
      }
      const std::string pointer = ref.get<std::string>().substr(1);
      const bool is_pointer = pointer.empty() || pointer.front() == '/';
      if (!is_pointer || !root_.contains(Json::json_pointer(pointer))) {
        return *at;
      }
      at = &root_.at(Json::json_pointer(pointer));
    }
    return *at;
  }

  Shape ReadValues(const Json& schema, int depth) {
    Shape shape;
    if (const Json& constant = MemberOf(schema, "const"); !constant.is_null()) {
      shape.values = {constant};
      return shape;
    }
    if (const Json& list = MemberOf(schema, "enum"); list.is_array() && !list.empty()) {
      shape.values = list.get<std::vector<Json>>();
      return shape;
    }
    for (const char* keyword : {"oneOf", "anyOf"}) {
      if (const Json& ways = MemberOf(schema, keyword); ways.is_array() && !ways.empty()) {
        return Read(ways.front(), depth + 1);
      }
    }
    const std::string type = TypeOf(schema);
    if (type == "object") {
      return ReadObject(schema, depth);
    }
    if (type == "array") {
      return ReadList(schema, depth);
    }
    return ReadScalar(schema, type);
  }

  [[nodiscard]] static std::string TypeOf(const Json& schema) {
    const Json& type = MemberOf(schema, "type");
    if (type.is_string()) {
      return type.get<std::string>();
    }
    if (type.is_array() && !type.empty() && type.front().is_string()) {
      return type.front().get<std::string>();
    }
    if (schema.contains("properties") || schema.contains("required") || schema.contains("allOf")) {
      return "object";
    }
    return schema.contains("items") ? "array" : "";
  }

  Shape ReadObject(const Json& schema, int depth) {
    Shape shape;
    AddMembers(schema, depth, shape);
    if (const Json& all = MemberOf(schema, "allOf"); all.is_array()) {
      for (const Json& part : all) {
        AddMembers(Resolve(part), depth + 1, shape);
      }
    }
    const Json& more = MemberOf(schema, "additionalProperties");
    shape.open = !(more.is_boolean() && !more.get<bool>());
    if (shape.members.empty()) {
      shape.values = {Json::object()};
    }
    return shape;
  }

  void AddMembers(const Json& schema, int depth, Shape& shape) {
    const Json& required = MemberOf(schema, "required");
    const auto is_required = [&required](const std::string& name) {
      return required.is_array() &&
             std::find(required.begin(), required.end(), Json(name)) != required.end();
    };
    if (const Json& members = MemberOf(schema, "properties"); members.is_object()) {
      for (const auto& [name, member] : members.items()) {
        Shape& made = shape.members[name];
        made = Read(member, depth + 1);
        made.optional = !is_required(name);
      }
    }
    for (const Json& name : required.is_array() ? required : Json::array()) {
      if (name.is_string()) {
        shape.members.try_emplace(name.get<std::string>(), UnknownShape());
      }
    }
  }

  Shape ReadList(const Json& schema, int depth) {
    Shape shape = ListShape(Read(MemberOf(schema, "items"), depth + 1));
    const Json& least = MemberOf(schema, "minItems");
    const Json& most = MemberOf(schema, "maxItems");
    const size_t from = least.is_number_unsigned() ? least.get<size_t>() : 0;
    const size_t to = most.is_number_unsigned() ? most.get<size_t>() : from + 2;
    std::erase_if(shape.sizes, [&](size_t size) { return size < from || size > to; });
    if (shape.sizes.empty()) {
      shape.sizes = {from};
    }
    shape.open = false;
    return shape;
  }

  [[nodiscard]] static Shape ReadScalar(const Json& schema, const std::string& type) {
    Shape shape;
    shape.open = type.empty();
    if (type == "boolean") {
      shape.values = {true, false};
    } else if (type == "integer" || type == "number") {
      ReadNumber(schema, type == "integer", shape);
    } else if (type == "string") {
      ReadText(schema, shape);
    } else if (type == "null") {
      shape.values = {nullptr};
    } else {
      shape = UnknownShape();
    }
    return shape;
  }

  static void ReadNumber(const Json& schema, bool whole, Shape& shape) {
    const auto bound = [&](const char* inclusive, const char* exclusive, double step) {
      const Json& at = MemberOf(schema, inclusive);
      const Json& past = MemberOf(schema, exclusive);
      return at.is_number()     ? std::optional(at.get<double>())
             : past.is_number() ? std::optional(past.get<double>() + step)
                                : std::nullopt;
    };
    const auto least = bound("minimum", "exclusiveMinimum", 1);
    const auto most = bound("maximum", "exclusiveMaximum", -1);
    const double first = least.value_or(most ? std::min(1.0, *most) : 1.0);
    for (const double value :
         {std::max(first, std::min(1.0, most.value_or(1.0))), first, most.value_or(first + 100)}) {
      if (std::abs(value) < 1e15 && value == std::floor(value)) {
        AddValue(shape, Json(static_cast<int64_t>(value)));
      } else if (!whole) {
        AddValue(shape, Json(value));
      }
    }
    if (!whole) {
      AddValue(shape, Json(first + 0.5));
    }
  }

  static void ReadText(const Json& schema, Shape& shape) {
    const Json& format = MemberOf(schema, "format");
    std::string text = format.is_string() ? OfFormat(format.get<std::string>()) : "";
    const bool free = text.empty();
    const Json& least = MemberOf(schema, "minLength");
    const size_t length = least.is_number_unsigned() ? least.get<size_t>() : 1;
    if (text.empty()) {
      text.assign(std::clamp<size_t>(length, 1, 1000), 'x');
    }
    AddValue(shape, text);
    if (free && !schema.contains("pattern")) {
      for (const char* other : {"1h", "7", "2030-01-01T00:00:00Z"}) {
        AddValue(shape, other);
      }
    }
  }

  // What the author wrote down as a good value goes before what is made up.
  static void AddSamples(const Json& schema, Shape& shape) {
    if (shape.is_map() || shape.is_list()) {
      return;
    }
    std::vector<Json> samples;
    if (const Json& examples = MemberOf(schema, "examples"); examples.is_array()) {
      samples = examples.get<std::vector<Json>>();
    }
    if (const Json& usual = MemberOf(schema, "default"); !usual.is_null()) {
      samples.push_back(usual);
    }
    for (const Json& value : shape.values) {
      if (std::find(samples.begin(), samples.end(), value) == samples.end()) {
        samples.push_back(value);
      }
    }
    shape.values = std::move(samples);
  }

  const Json& root_;
};

}  // namespace

Shape ShapeOfSchema(const Json& schema) {
  return Reader(schema).Read(schema, 0);
}

}  // namespace entente::explore
