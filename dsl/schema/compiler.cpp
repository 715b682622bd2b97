#include "dsl/schema/compiler.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "dsl/schema/closest.h"

namespace entente::dsl::schema_internal {
namespace {

constexpr size_t kMaxProblems = 100;
constexpr std::string_view kDialect = "https://json-schema.org/draft/2020-12/schema";

struct Unsupported {
  std::string_view name;
  std::string_view advice;
};

// Keywords of this and earlier drafts that mean something, and what to write instead.
constexpr std::array<Unsupported, 16> kUnsupported{{
    {"$dynamicAnchor", "use $ref"},
    {"$dynamicRef", "use $ref"},
    {"$recursiveAnchor", "use $ref"},
    {"$recursiveRef", "use $ref"},
    {"$vocabulary", "leave it out"},
    {"additionalItems", "use prefixItems for the first items and items for the rest"},
    {"contentEncoding", ""},
    {"contentMediaType", ""},
    {"contentSchema", ""},
    {"definitions", "use $defs"},
    {"dependencies", "use dependentRequired or dependentSchemas"},
    {"divisibleBy", "use multipleOf"},
    {"extends", "use allOf"},
    {"id", "use $id"},
    {"unique", "use uniqueItems"},
    {"nullable", "add \"null\" to the type"},
}};

}  // namespace

std::string Compiler::Site::pointer() const {
  return node_pointer + "/" + EscapePointerToken(keyword);
}

std::variant<Program, std::vector<SchemaProblem>> Compiler::Run() {
  resources_.push_back({"", "", &document_, {}});
  Subschema(document_, "", 0, 0);
  ResolveReferences();
  if (problems_.empty()) {
    FindReferenceCycles();
  }
  if (!problems_.empty()) {
    return std::move(problems_);
  }
  return Program{std::move(nodes_), has_sensitive_};
}

NodeId Compiler::Subschema(const Json& schema, const std::string& pointer, size_t depth,
                           ResourceId resource) {
  const auto [known, inserted] = ids_by_pointer_.try_emplace(pointer, NodeId(nodes_.size()));
  if (!inserted) {
    return known->second;
  }
  const NodeId id = known->second;
  if (nodes_.size() == limits::kMaxSchemaNodes) {
    Problem(pointer,
            "the schema has more than " + std::to_string(limits::kMaxSchemaNodes) + " subschemas",
            "share repeated parts through $defs and $ref");
  }
  if (nodes_.size() >= limits::kMaxSchemaNodes || problems_.size() >= kMaxProblems) {
    ids_by_pointer_.erase(known);
    return kRootNode;
  }
  nodes_.push_back(Node{pointer, {}});
  if (depth > limits::kMaxJsonDepth) {
    Problem(pointer, "the schema is nested deeper than the limit of " +
                         std::to_string(limits::kMaxJsonDepth) + " levels");
    return id;
  }
  std::vector<Keyword> keywords;
  if (schema.is_object()) {
    resource = ResourceOf(schema, pointer, resource);
    NoteAnchor(schema, pointer, resource);
    Keywords(schema, pointer, depth, resource, keywords);
  } else if (!schema.is_boolean()) {
    Problem(pointer,
            "a schema is an object, true or false, not " + Cut(DumpJson(schema), kMaxShownBytes));
  } else if (!schema.get<bool>()) {
    keywords.emplace_back(NeverKeyword{});
  }
  // Last, as it is about what the others leave.
  const auto unevaluated = std::stable_partition(
      keywords.begin(), keywords.end(),
      [](const Keyword& each) { return !std::holds_alternative<UnevaluatedKeyword>(each); });
  nodes_[id.value()].has_unevaluated = unevaluated != keywords.end();
  nodes_[id.value()].keywords = std::move(keywords);
  return id;
}

void Compiler::Keywords(const Json& schema, const std::string& pointer, size_t depth,
                        ResourceId resource, std::vector<Keyword>& out) {
  const std::vector<KeywordRule>& rules = Rules();
  for (const auto& [name, value] : schema.get_ref<const Json::object_t&>()) {
    const auto rule = std::lower_bound(
        rules.begin(), rules.end(), name,
        [](const KeywordRule& each, const std::string& wanted) { return each.name < wanted; });
    if (rule == rules.end() || rule->name != name) {
      UnknownKeyword(name, pointer);
      continue;
    }
    (this->*rule->handler)(Site{rule->name, value, schema, pointer, depth, resource, out});
  }
}

void Compiler::UnknownKeyword(const std::string& name, const std::string& pointer) {
  const std::string place = pointer + "/" + EscapePointerToken(name);
  const std::string shown = Cut(name, kMaxShownBytes);
  const auto* const unsupported =
      std::find_if(kUnsupported.begin(), kUnsupported.end(),
                   [&name](const Unsupported& each) { return each.name == name; });
  if (unsupported != kUnsupported.end()) {
    Problem(place, "the keyword '" + shown + "' is not supported",
            std::string(unsupported->advice));
    return;
  }
  std::vector<std::string_view> names;
  for (const KeywordRule& rule : Rules()) {
    names.push_back(rule.name);
  }
  const auto closest = Closest(name, names);
  Problem(place, "'" + shown + "' is not a keyword of JSON Schema",
          closest ? "did you mean '" + std::string(*closest) + "'?" : "");
}

NodeId Compiler::Child(const Site& site) {
  return Subschema(site.value, site.pointer(), site.depth + 1, site.resource);
}

std::optional<NodeId> Compiler::Neighbour(const Site& site, const char* keyword) {
  const auto found = site.schema.find(keyword);
  return found == site.schema.end()
             ? std::nullopt
             : std::optional(Subschema(*found, site.node_pointer + "/" + keyword, site.depth + 1,
                                       site.resource));
}

std::vector<NodeId> Compiler::Children(const Site& site) {
  if (!site.value.is_array() || site.value.empty()) {
    Problem(site.pointer(),
            "'" + std::string(site.keyword) + "' must be an array of at least one schema");
    return {};
  }
  std::vector<NodeId> ids;
  for (const Json& each : site.value) {
    ids.push_back(Subschema(each, site.pointer() + "/" + std::to_string(ids.size()), site.depth + 2,
                            site.resource));
  }
  return ids;
}

std::map<std::string, NodeId, std::less<>> Compiler::NamedChildren(const Site& site) {
  std::map<std::string, NodeId, std::less<>> ids;
  if (!site.value.is_object()) {
    Problem(site.pointer(),
            "'" + std::string(site.keyword) + "' must be an object that maps names to schemas");
    return ids;
  }
  for (const auto& [name, schema] : site.value.get_ref<const Json::object_t&>()) {
    ids.emplace(name, Subschema(schema, site.pointer() + "/" + EscapePointerToken(name),
                                site.depth + 2, site.resource));
  }
  return ids;
}

void Compiler::DefsRule(const Site& site) {
  NamedChildren(site);
}

void Compiler::DialectRule(const Site& site) {
  std::string_view dialect;
  if (site.value.is_string()) {
    dialect = site.value.get_ref<const std::string&>();
  }
  if (dialect.ends_with('#')) {
    dialect.remove_suffix(1);
  }
  if (dialect != kDialect) {
    Problem(site.pointer(), "'$schema' names another dialect than the one used here",
            "leave it out or write \"" + std::string(kDialect) + "\"");
  } else if (!site.node_pointer.empty()) {
    Problem(site.pointer(), "'$schema' may stand at the root of the schema only", "leave it out");
  }
}

void Compiler::TextAnnotationRule(const Site& site) {
  if (!site.value.is_string()) {
    Problem(site.pointer(), "'" + std::string(site.keyword) + "' must be a string");
  }
}

void Compiler::FlagAnnotationRule(const Site& site) {
  if (!site.value.is_boolean()) {
    Problem(site.pointer(), "'" + std::string(site.keyword) + "' must be true or false");
  }
}

void Compiler::SensitiveRule(const Site& site) {
  FlagAnnotationRule(site);
  if (site.value == true) {
    has_sensitive_ = true;
    site.out.emplace_back(SensitiveKeyword{});
  }
}

void Compiler::ExamplesRule(const Site& site) {
  if (!site.value.is_array()) {
    Problem(site.pointer(), "'examples' must be an array");
  }
}

void Compiler::DefaultRule(const Site&) {
  // Any value may be a default; like every annotation it does not restrict the instance.
}

void Compiler::Problem(std::string pointer, std::string message, std::string suggestion) {
  if (problems_.size() < kMaxProblems) {
    problems_.push_back({std::move(pointer), std::move(message), std::move(suggestion)});
  }
}

}  // namespace entente::dsl::schema_internal
