// The rules of the single keywords: what each must look like, and what is compiled from it.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/json_number.h"
#include "base/limits.h"
#include "dsl/schema/closest.h"
#include "dsl/schema/compiler.h"
#include "dsl/schema/json_order.h"
#include "dsl/schema/number.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxShownBytes = 200;
constexpr int64_t kPatternMemoryBytes = int64_t{256} * 1024;

std::optional<TypeKeyword::Type> TypeNamed(const Json& name) {
  static const std::map<std::string, TypeKeyword::Type, std::less<>> kTypes = {
      {"null", TypeKeyword::kNull},       {"boolean", TypeKeyword::kBoolean},
      {"integer", TypeKeyword::kInteger}, {"number", TypeKeyword::kNumber},
      {"string", TypeKeyword::kString},   {"array", TypeKeyword::kArray},
      {"object", TypeKeyword::kObject}};
  if (!name.is_string()) {
    return std::nullopt;
  }
  const auto type = kTypes.find(name.get_ref<const std::string&>());
  return type == kTypes.end() ? std::nullopt : std::optional(type->second);
}

std::string TypeSuggestion(const Json& name) {
  static const std::vector<std::string_view> kNames = {"null",   "boolean", "integer", "number",
                                                       "string", "array",   "object"};
  static const std::map<std::string, std::string_view, std::less<>> kOtherLanguages = {
      {"bool", "boolean"}, {"int", "integer"}, {"float", "number"}, {"double", "number"},
      {"list", "array"},   {"map", "object"},  {"dict", "object"},  {"str", "string"},
      {"nil", "null"},     {"text", "string"}, {"date", "string"}};
  if (name.is_string()) {
    const auto& text = name.get_ref<const std::string&>();
    if (const auto other = kOtherLanguages.find(text); other != kOtherLanguages.end()) {
      return "did you mean '" + std::string(other->second) + "'?";
    }
    if (const auto closest = Closest(text, kNames)) {
      return "did you mean '" + std::string(*closest) + "'?";
    }
  }
  return "use null, boolean, integer, number, string, array or object";
}

// The number of values in `value` and, roughly, the length of its texts.
uint64_t Weight(const Json& value) {
  static constexpr uint64_t kBytesPerStep = 16;
  uint64_t weight = 1;
  if (value.is_string()) {
    weight += value.get_ref<const std::string&>().size() / kBytesPerStep;
  } else if (value.is_structured()) {
    for (const Json& each : value) {
      weight += Weight(each);
    }
  }
  return weight;
}

EnumKeyword MakeEnum(std::string_view name, std::vector<Json> values) {
  EnumKeyword keyword{name, std::move(values), "", 1};
  for (const Json& value : keyword.values) {
    if (keyword.shown.size() < kMaxShownBytes) {
      keyword.shown += (keyword.shown.empty() ? "" : ", ") + DumpJson(value);
    }
    keyword.weight = std::max(keyword.weight, Weight(value));
  }
  keyword.shown = Cut(keyword.shown, kMaxShownBytes);
  for (size_t rest = keyword.values.size(); rest > 1; rest /= 2) {
    ++keyword.weight;
  }
  std::sort(keyword.values.begin(), keyword.values.end(),
            [](const Json& a, const Json& b) { return CompareJson(a, b) < 0; });
  return keyword;
}

std::string Named(std::string_view keyword) {
  return "'" + std::string(keyword) + "'";
}

}  // namespace

const std::vector<Compiler::KeywordRule>& Compiler::Rules() {
  static const std::vector<KeywordRule> kRules = [] {
    std::vector<KeywordRule> rules = {
        {"$comment", &Compiler::TextAnnotationRule},
        {"$defs", &Compiler::DefsRule},
        {"$ref", &Compiler::RefRule},
        {"$schema", &Compiler::DialectRule},
        {"additionalProperties", &Compiler::AdditionalPropertiesRule},
        {"allOf", &Compiler::AllOfRule},
        {"anyOf", &Compiler::AnyOfRule},
        {"const", &Compiler::ConstRule},
        {"default", &Compiler::DefaultRule},
        {"deprecated", &Compiler::FlagAnnotationRule},
        {"description", &Compiler::TextAnnotationRule},
        {"enum", &Compiler::EnumRule},
        {"examples", &Compiler::ExamplesRule},
        {"exclusiveMaximum", &Compiler::BoundRule},
        {"exclusiveMinimum", &Compiler::BoundRule},
        {"format", &Compiler::TextAnnotationRule},
        {"items", &Compiler::ItemsRule},
        {"maxItems", &Compiler::CountRule},
        {"maxLength", &Compiler::CountRule},
        {"maxProperties", &Compiler::CountRule},
        {"maximum", &Compiler::BoundRule},
        {"minItems", &Compiler::CountRule},
        {"minLength", &Compiler::CountRule},
        {"minProperties", &Compiler::CountRule},
        {"minimum", &Compiler::BoundRule},
        {"multipleOf", &Compiler::MultipleOfRule},
        {"not", &Compiler::NotRule},
        {"oneOf", &Compiler::OneOfRule},
        {"pattern", &Compiler::PatternRule},
        {"prefixItems", &Compiler::PrefixItemsRule},
        {"properties", &Compiler::PropertiesRule},
        {"readOnly", &Compiler::FlagAnnotationRule},
        {"required", &Compiler::RequiredRule},
        {"title", &Compiler::TextAnnotationRule},
        {"type", &Compiler::TypeRule},
        {"uniqueItems", &Compiler::UniqueItemsRule},
        {"writeOnly", &Compiler::FlagAnnotationRule},
    };
    std::sort(rules.begin(), rules.end(),
              [](const KeywordRule& a, const KeywordRule& b) { return a.name < b.name; });
    return rules;
  }();
  return kRules;
}

void Compiler::TypeRule(const Site& site) {
  const bool is_list = site.value.is_array();
  if (is_list ? site.value.empty() : !site.value.is_string()) {
    Problem(site.pointer(), "'type' must be the name of a type or an array of such names");
    return;
  }
  TypeKeyword keyword;
  for (size_t i = 0; i < (is_list ? site.value.size() : 1); ++i) {
    const Json& name = is_list ? site.value[i] : site.value;
    const std::string place = site.pointer() + (is_list ? "/" + std::to_string(i) : "");
    const auto type = TypeNamed(name);
    if (!type) {
      Problem(place, Cut(DumpJson(name), kMaxShownBytes) + " is not a type", TypeSuggestion(name));
      continue;
    }
    if ((keyword.types & *type) != 0) {
      Problem(place, "the type " + DumpJson(name) + " is named twice");
    }
    keyword.types |= *type;
    keyword.shown += (keyword.shown.empty() ? "" : " or ") + name.get<std::string>();
  }
  site.out.emplace_back(std::move(keyword));
}

void Compiler::EnumRule(const Site& site) {
  if (!site.value.is_array() || site.value.empty()) {
    Problem(site.pointer(), "'enum' must be an array of at least one value");
    return;
  }
  site.out.emplace_back(MakeEnum(site.keyword, site.value.get<std::vector<Json>>()));
}

void Compiler::ConstRule(const Site& site) {
  std::vector<Json> values;
  values.push_back(site.value);
  site.out.emplace_back(MakeEnum(site.keyword, std::move(values)));
}

void Compiler::BoundRule(const Site& site) {
  using Relation = BoundKeyword::Relation;
  if (!IsJsonNumber(site.value)) {
    Problem(site.pointer(), Named(site.keyword) + " must be a number",
            site.value.is_boolean()
                ? "write the limit itself, as in \"" + std::string(site.keyword) + "\": 10"
                : "");
    return;
  }
  const Relation relation = site.keyword == "minimum"            ? Relation::kAtLeast
                            : site.keyword == "exclusiveMinimum" ? Relation::kMoreThan
                            : site.keyword == "maximum"          ? Relation::kAtMost
                                                                 : Relation::kLessThan;
  site.out.emplace_back(BoundKeyword{site.keyword, relation, site.value});
}

void Compiler::MultipleOfRule(const Site& site) {
  if (!IsDivisor(site.value)) {
    Problem(site.pointer(), "'multipleOf' must be a number greater than zero, of at most 19 digits");
    return;
  }
  site.out.emplace_back(MultipleOfKeyword{site.value});
}

void Compiler::CountRule(const Site& site) {
  if (!IsInteger(site.value) || CompareNumbers(site.value, Json(0)) < 0) {
    Problem(site.pointer(), Named(site.keyword) + " must be an integer that is not negative");
    return;
  }
  using Of = CountKeyword::Of;
  // No instance holds as many as the largest 64-bit number, so that stands for anything larger.
  static constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  const bool fits = CompareNumbers(site.value, Json(kLargest)) < 0;
  const Of of = site.keyword.ends_with("Length")  ? Of::kCodePoints
                : site.keyword.ends_with("Items") ? Of::kItems
                                                  : Of::kProperties;
  site.out.emplace_back(CountKeyword{site.keyword, of, site.keyword.starts_with("min"),
                                     fits ? WholeOf(site.value) : kLargest});
}

void Compiler::PatternRule(const Site& site) {
  if (!site.value.is_string()) {
    Problem(site.pointer(), "'pattern' must be a string");
    return;
  }
  const auto& pattern = site.value.get_ref<const std::string&>();
  if (pattern.size() > limits::kMaxSchemaPatternBytes) {
    Problem(site.pointer(), "the pattern is longer than the limit of " +
                                std::to_string(limits::kMaxSchemaPatternBytes) + " bytes");
    return;
  }
  std::unique_ptr<const re2::RE2> regex = CompilePattern(pattern);
  if (regex == nullptr) {
    Problem(site.pointer(),
            "the patterns of the schema come to more than the limit of " +
                std::to_string(limits::kMaxRegexInstructions) +
                " instructions together when compiled",
            "use fewer or simpler ones");
  } else if (!regex->ok()) {
    Problem(site.pointer(), "the pattern can not be used: " + regex->error(),
            "patterns have RE2 syntax: no look-around, no back-references, \\x{e9} for a code "
            "point");
  } else {
    site.out.emplace_back(PatternKeyword{std::move(regex)});
  }
}

std::unique_ptr<const re2::RE2> Compiler::CompilePattern(const std::string& pattern) {
  if (regex_instructions_ > limits::kMaxRegexInstructions) {
    return nullptr;
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemoryBytes);
  auto regex = std::make_unique<const re2::RE2>(pattern, options);
  if (regex->ok()) {
    regex_instructions_ += static_cast<size_t>(regex->ProgramSize());
  } else if (regex->error_code() == re2::RE2::ErrorPatternTooLarge) {
    // It took as much as it may: two thirds of its memory, of 16 bytes an instruction.
    regex_instructions_ += kPatternMemoryBytes * 2 / 3 / 16;
  }
  return regex_instructions_ > limits::kMaxRegexInstructions ? nullptr : std::move(regex);
}

void Compiler::UniqueItemsRule(const Site& site) {
  if (!site.value.is_boolean()) {
    Problem(site.pointer(), "'uniqueItems' must be true or false");
  } else if (site.value.get<bool>()) {
    site.out.emplace_back(UniqueItemsKeyword{});
  }
}

void Compiler::RequiredRule(const Site& site) {
  if (!site.value.is_array()) {
    Problem(site.pointer(), "'required' must be an array of property names",
            site.value.is_boolean()
                ? "list the required names in the object that has them: \"required\": [\"name\"]"
                : "");
    return;
  }
  RequiredKeyword keyword;
  std::set<std::string> seen;
  for (size_t i = 0; i < site.value.size(); ++i) {
    const Json& name = site.value[i];
    const std::string place = site.pointer() + "/" + std::to_string(i);
    if (!name.is_string()) {
      Problem(place, "each element of 'required' must be a string");
    } else if (!seen.insert(name.get<std::string>()).second) {
      Problem(place, "the property " + Cut(DumpJson(name), kMaxShownBytes) + " is named twice");
    } else {
      keyword.names.push_back(name.get<std::string>());
    }
  }
  site.out.emplace_back(std::move(keyword));
}

void Compiler::PropertiesRule(const Site& site) {
  PropertiesKeyword keyword{NamedChildren(site), std::nullopt};
  if (const auto additional = site.schema.find("additionalProperties");
      additional != site.schema.end()) {
    keyword.additional =
        Subschema(*additional, site.node_pointer + "/additionalProperties", site.depth + 1);
  }
  site.out.emplace_back(std::move(keyword));
}

void Compiler::AdditionalPropertiesRule(const Site& site) {
  if (!site.schema.contains("properties")) {  // Else it is part of that keyword.
    site.out.emplace_back(PropertiesKeyword{{}, Child(site)});
  }
}

void Compiler::PrefixItemsRule(const Site& site) {
  ItemsKeyword keyword{Children(site), std::nullopt};
  if (const auto items = site.schema.find("items");
      items != site.schema.end() && !items->is_array()) {
    keyword.rest = Subschema(*items, site.node_pointer + "/items", site.depth + 1);
  }
  site.out.emplace_back(std::move(keyword));
}

void Compiler::ItemsRule(const Site& site) {
  if (site.value.is_array()) {
    Problem(site.pointer(), "'items' must be one schema, which every item after prefixItems meets",
            "use prefixItems for a list of schemas");
  } else if (!site.schema.contains("prefixItems")) {  // Else it is part of that keyword.
    site.out.emplace_back(ItemsKeyword{{}, Child(site)});
  }
}

void Compiler::AllOfRule(const Site& site) {
  site.out.emplace_back(AllOfKeyword{Children(site)});
}

void Compiler::AnyOfRule(const Site& site) {
  site.out.emplace_back(AnyOfKeyword{Children(site)});
}

void Compiler::OneOfRule(const Site& site) {
  site.out.emplace_back(OneOfKeyword{Children(site)});
}

void Compiler::NotRule(const Site& site) {
  site.out.emplace_back(NotKeyword{Child(site)});
}

}  // namespace entente::dsl::schema_internal
