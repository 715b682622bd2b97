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
#include "dsl/schema/pattern.h"

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

// A bound on how many; nothing if `value` is none. No instance holds as many as the largest 64-bit
// number, so that stands for anything larger.
std::optional<uint64_t> CountIn(const Json& value) {
  if (!IsInteger(value) || CompareNumbers(value, Json(0)) < 0) {
    return std::nullopt;
  }
  static constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();
  return CompareNumbers(value, Json(kLargest)) < 0 ? WholeOf(value) : kLargest;
}

}  // namespace

const std::vector<Compiler::KeywordRule>& Compiler::Rules() {
  static const std::vector<KeywordRule> kRules = [] {
    std::vector<KeywordRule> rules = {
        {"$anchor", &Compiler::AnchorRule},
        {"$comment", &Compiler::TextAnnotationRule},
        {"$defs", &Compiler::DefsRule},
        {"$id", &Compiler::IdRule},
        {"$ref", &Compiler::RefRule},
        {"$schema", &Compiler::DialectRule},
        {"additionalProperties", &Compiler::AdditionalPropertiesRule},
        {"allOf", &Compiler::AllOfRule},
        {"anyOf", &Compiler::AnyOfRule},
        {"const", &Compiler::ConstRule},
        {"contains", &Compiler::ContainsRule},
        {"default", &Compiler::DefaultRule},
        {"dependentRequired", &Compiler::DependentRequiredRule},
        {"dependentSchemas", &Compiler::DependentSchemasRule},
        {"deprecated", &Compiler::FlagAnnotationRule},
        {"description", &Compiler::TextAnnotationRule},
        {"else", &Compiler::BranchOfIfRule},
        {"enum", &Compiler::EnumRule},
        {"examples", &Compiler::ExamplesRule},
        {"exclusiveMaximum", &Compiler::BoundRule},
        {"exclusiveMinimum", &Compiler::BoundRule},
        {"format", &Compiler::FormatRule},
        {"if", &Compiler::IfRule},
        {"items", &Compiler::ItemsRule},
        {"maxContains", &Compiler::ContainsBoundRule},
        {"maxItems", &Compiler::CountRule},
        {"maxLength", &Compiler::CountRule},
        {"maxProperties", &Compiler::CountRule},
        {"maximum", &Compiler::BoundRule},
        {"minContains", &Compiler::ContainsBoundRule},
        {"minItems", &Compiler::CountRule},
        {"minLength", &Compiler::CountRule},
        {"minProperties", &Compiler::CountRule},
        {"minimum", &Compiler::BoundRule},
        {"multipleOf", &Compiler::MultipleOfRule},
        {"not", &Compiler::NotRule},
        {"oneOf", &Compiler::OneOfRule},
        {"pattern", &Compiler::PatternRule},
        {"patternProperties", &Compiler::PatternPropertiesRule},
        {"prefixItems", &Compiler::PrefixItemsRule},
        {"properties", &Compiler::PropertiesRule},
        {"propertyNames", &Compiler::PropertyNamesRule},
        {"readOnly", &Compiler::FlagAnnotationRule},
        {"required", &Compiler::RequiredRule},
        {"then", &Compiler::BranchOfIfRule},
        {"title", &Compiler::TextAnnotationRule},
        {"type", &Compiler::TypeRule},
        {"unevaluatedItems", &Compiler::UnevaluatedRule},
        {"unevaluatedProperties", &Compiler::UnevaluatedRule},
        {"uniqueItems", &Compiler::UniqueItemsRule},
        {"sensitive", &Compiler::SensitiveRule},
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
    Problem(site.pointer(),
            "'multipleOf' must be a number greater than zero, of at most 19 digits");
    return;
  }
  site.out.emplace_back(MultipleOfKeyword{site.value});
}

void Compiler::CountRule(const Site& site) {
  const auto limit = CountIn(site.value);
  if (!limit) {
    Problem(site.pointer(), Named(site.keyword) + " must be an integer that is not negative");
    return;
  }
  using Of = CountKeyword::Of;
  const Of of = site.keyword.ends_with("Length")  ? Of::kCodePoints
                : site.keyword.ends_with("Items") ? Of::kItems
                                                  : Of::kProperties;
  site.out.emplace_back(CountKeyword{site.keyword, of, site.keyword.starts_with("min"), *limit});
}

void Compiler::PatternRule(const Site& site) {
  if (!site.value.is_string()) {
    Problem(site.pointer(), "'pattern' must be a string");
    return;
  }
  const auto& pattern = site.value.get_ref<const std::string&>();
  if (auto regex = UsePattern(pattern, site.pointer())) {
    site.out.emplace_back(PatternKeyword{std::move(regex), pattern});
  }
}

std::unique_ptr<const re2::RE2> Compiler::UsePattern(const std::string& pattern,
                                                     const std::string& place) {
  if (pattern.size() > limits::kMaxSchemaPatternBytes) {
    Problem(place, "the pattern is longer than the limit of " +
                       std::to_string(limits::kMaxSchemaPatternBytes) + " bytes");
    return nullptr;
  }
  std::unique_ptr<const re2::RE2> regex = CompilePattern(ToRe2(pattern));
  if (regex == nullptr) {
    Problem(place,
            "the patterns of the schema come to more than the limit of " +
                std::to_string(MaxRegexInstructions()) + " instructions together when compiled",
            "use fewer or simpler ones");
  } else if (!regex->ok()) {
    Problem(place, "the pattern can not be used: " + regex->error(),
            "patterns are ECMAScript's without look-around and back-references");
    return nullptr;
  }
  return regex;
}

void Compiler::FormatRule(const Site& site) {
  if (!site.value.is_string()) {
    Problem(site.pointer(), "'format' must be a string");
    return;
  }
  const auto& name = site.value.get_ref<const std::string&>();
  if (const Format* format = FindFormat(name)) {
    site.out.emplace_back(FormatKeyword{format});
    return;
  }
  if (origin_ == SchemaOrigin::kStored) {
    return;
  }
  std::vector<std::string_view> names;
  std::string list;
  for (const Format& format : Formats()) {
    names.push_back(format.name);
    list += (list.empty() ? "" : ", ") + std::string(format.name);
  }
  const auto closest = Closest(name, names);
  Problem(site.pointer(), "the format '" + Cut(name, kMaxShownBytes) + "' can not be checked",
          closest ? "did you mean '" + std::string(*closest) + "'?"
                  : "use one of " + list + ", or pattern, minimum and maximum");
}

size_t Compiler::MaxRegexInstructions() const {
  return origin_ == SchemaOrigin::kStored ? 4 * limits::kMaxRegexInstructions
                                          : limits::kMaxRegexInstructions;
}

std::unique_ptr<const re2::RE2> Compiler::CompilePattern(const std::string& pattern) {
  if (regex_instructions_ > MaxRegexInstructions()) {
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
  return regex_instructions_ > MaxRegexInstructions() ? nullptr : std::move(regex);
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
  site.out.emplace_back(RequiredKeyword{Names(site.value, site.pointer(), site.keyword)});
}

std::vector<std::string> Compiler::Names(const Json& list, const std::string& place,
                                         std::string_view keyword) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& name = list[i];
    const std::string at = place + "/" + std::to_string(i);
    if (!name.is_string()) {
      Problem(at, "each element of " + Named(keyword) + " must be a string");
    } else if (!seen.insert(name.get<std::string>()).second) {
      Problem(at, "the property " + Cut(DumpJson(name), kMaxShownBytes) + " is named twice");
    } else {
      names.push_back(name.get<std::string>());
    }
  }
  return names;
}

void Compiler::DependentRequiredRule(const Site& site) {
  if (!site.value.is_object()) {
    Problem(site.pointer(), "'dependentRequired' must be an object that maps names to names");
    return;
  }
  DependentRequiredKeyword keyword;
  for (const auto& [name, list] : site.value.get_ref<const Json::object_t&>()) {
    const std::string place = site.pointer() + "/" + EscapePointerToken(name);
    if (!list.is_array()) {
      Problem(place, "must be an array of property names");
      continue;
    }
    keyword.names.emplace(name, Names(list, place, site.keyword));
  }
  site.out.emplace_back(std::move(keyword));
}

// The three keywords about an object's members are compiled together, where the first of them
// stands that is there.
void Compiler::PropertiesRule(const Site& site) {
  site.out.emplace_back(PropertiesKeyword{NamedChildren(site), Patterns(site),
                                          Neighbour(site, "additionalProperties")});
}

void Compiler::PatternPropertiesRule(const Site& site) {
  if (!site.schema.contains("properties")) {
    site.out.emplace_back(
        PropertiesKeyword{{}, Patterns(site), Neighbour(site, "additionalProperties")});
  }
}

void Compiler::AdditionalPropertiesRule(const Site& site) {
  if (!site.schema.contains("properties") && !site.schema.contains("patternProperties")) {
    site.out.emplace_back(PropertiesKeyword{{}, {}, Child(site)});
  }
}

std::vector<PropertiesKeyword::Pattern> Compiler::Patterns(const Site& site) {
  std::vector<PropertiesKeyword::Pattern> patterns;
  const auto found = site.schema.find("patternProperties");
  if (found == site.schema.end()) {
    return patterns;
  }
  const std::string place = site.node_pointer + "/patternProperties";
  if (!found->is_object()) {
    Problem(place, "'patternProperties' must be an object that maps patterns to schemas");
    return patterns;
  }
  for (const auto& [pattern, schema] : found->get_ref<const Json::object_t&>()) {
    const std::string at = place + "/" + EscapePointerToken(pattern);
    const NodeId node = Subschema(schema, at, site.depth + 2, site.resource);
    if (auto regex = UsePattern(pattern, at)) {
      patterns.push_back({std::move(regex), node});
    }
  }
  return patterns;
}

void Compiler::PropertyNamesRule(const Site& site) {
  site.out.emplace_back(PropertyNamesKeyword{Child(site)});
}

void Compiler::ContainsRule(const Site& site) {
  ContainsKeyword keyword{Child(site), 1, std::nullopt};
  if (const auto least = site.schema.find("minContains"); least != site.schema.end()) {
    keyword.at_least = CountIn(*least).value_or(1);
  }
  if (const auto most = site.schema.find("maxContains"); most != site.schema.end()) {
    keyword.at_most = CountIn(*most);
  }
  site.out.emplace_back(keyword);
}

// Read with contains; without it they mean nothing.
void Compiler::ContainsBoundRule(const Site& site) {
  if (!CountIn(site.value)) {
    Problem(site.pointer(), Named(site.keyword) + " must be an integer that is not negative");
  }
}

void Compiler::UnevaluatedRule(const Site& site) {
  const auto of = site.keyword == "unevaluatedItems" ? UnevaluatedKeyword::Of::kItems
                                                     : UnevaluatedKeyword::Of::kProperties;
  site.out.emplace_back(UnevaluatedKeyword{site.keyword, of, Child(site)});
}

void Compiler::IfRule(const Site& site) {
  site.out.emplace_back(IfKeyword{Child(site), Neighbour(site, "then"), Neighbour(site, "else")});
}

// Read with if; without it they mean nothing.
void Compiler::BranchOfIfRule(const Site& site) {
  Child(site);
}

void Compiler::DependentSchemasRule(const Site& site) {
  site.out.emplace_back(DependentSchemasKeyword{NamedChildren(site)});
}

void Compiler::PrefixItemsRule(const Site& site) {
  ItemsKeyword keyword{Children(site), std::nullopt};
  if (const auto items = site.schema.find("items");
      items != site.schema.end() && !items->is_array()) {
    keyword.rest = Neighbour(site, "items");
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
