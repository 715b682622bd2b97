// A compiled schema: a graph of nodes, one per subschema, each a list of keywords to check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <re2/re2.h>

#include "base/ids.h"
#include "base/json.h"
#include "dsl/schema/formats.h"

namespace entente::dsl::schema_internal {

// The position of a node in its Program.
using NodeId = StrongNumber<struct SchemaNodeTag>;

inline constexpr NodeId kRootNode{0};

// The schema `false`.
struct NeverKeyword {};

// A set of the seven type names.
struct TypeKeyword {
  enum Type : unsigned {
    kNull = 1,
    kBoolean = 2,
    kInteger = 4,
    kNumber = 8,
    kString = 16,
    kArray = 32,
    kObject = 64,
  };
  unsigned types = 0;
  std::string shown;  // "string or null"
};

// `enum`, and `const` as an enum of one.
struct EnumKeyword {
  std::string_view name;
  std::vector<Json> values;  // Sorted by CompareJson.
  std::string shown;
  uint64_t weight = 0;  // Work of one comparison.
};

struct BoundKeyword {
  enum class Relation { kAtLeast, kMoreThan, kAtMost, kLessThan };
  std::string_view name;
  Relation relation;
  Json limit;
};

struct MultipleOfKeyword {
  Json divisor;
};

// minLength, maxLength, minItems, maxItems, minProperties, maxProperties.
struct CountKeyword {
  enum class Of { kCodePoints, kItems, kProperties };
  std::string_view name;
  Of of;
  bool at_least;
  uint64_t limit;
};

struct PatternKeyword {
  std::unique_ptr<const re2::RE2> regex;
  std::string shown;  // As it was written.
};

struct FormatKeyword {
  const Format* format;
};

struct UniqueItemsKeyword {};

struct RequiredKeyword {
  std::vector<std::string> names;
};

// `dependentRequired`: what else must be there where a name is.
struct DependentRequiredKeyword {
  std::map<std::string, std::vector<std::string>, std::less<>> names;
};

// `properties`, `patternProperties`, and `additionalProperties`, which depends on its neighbours.
struct PropertiesKeyword {
  struct Pattern {
    std::unique_ptr<const re2::RE2> regex;
    NodeId node;
  };
  std::map<std::string, NodeId, std::less<>> known;
  std::vector<Pattern> patterns;
  std::optional<NodeId> additional;
};

struct PropertyNamesKeyword {
  NodeId node;
};

// `prefixItems` and `items`, which depends on its neighbour.
struct ItemsKeyword {
  std::vector<NodeId> prefix;
  std::optional<NodeId> rest;
};

// `contains` with minContains and maxContains.
struct ContainsKeyword {
  NodeId node;
  uint64_t at_least = 1;
  std::optional<uint64_t> at_most;
};

// `unevaluatedProperties` and `unevaluatedItems`: what no other keyword of the node has looked at.
// The last keyword of its node.
struct UnevaluatedKeyword {
  enum class Of { kProperties, kItems };
  std::string_view name;
  Of of;
  NodeId node;
};

// Keywords that apply other subschemas to the same value.
struct AllOfKeyword {
  std::vector<NodeId> branches;
};
struct AnyOfKeyword {
  std::vector<NodeId> branches;
};
struct OneOfKeyword {
  std::vector<NodeId> branches;
};
struct NotKeyword {
  NodeId branch;
};
struct RefKeyword {
  NodeId target;
};
// `if`, `then` and `else`.
struct IfKeyword {
  NodeId condition;
  std::optional<NodeId> then_branch;
  std::optional<NodeId> else_branch;
};
struct DependentSchemasKeyword {
  std::map<std::string, NodeId, std::less<>> branches;
};

// `sensitive: true`: an annotation, which any value meets.
struct SensitiveKeyword {};

using Keyword =
    std::variant<NeverKeyword, TypeKeyword, EnumKeyword, BoundKeyword, MultipleOfKeyword,
                 CountKeyword, PatternKeyword, FormatKeyword, UniqueItemsKeyword, RequiredKeyword,
                 DependentRequiredKeyword, PropertiesKeyword, PropertyNamesKeyword, ItemsKeyword,
                 ContainsKeyword, AllOfKeyword, AnyOfKeyword, OneOfKeyword, NotKeyword, RefKeyword,
                 IfKeyword, DependentSchemasKeyword, UnevaluatedKeyword, SensitiveKeyword>;

struct Node {
  std::string pointer;  // Where the subschema stands in the document.
  std::vector<Keyword> keywords;
  bool has_unevaluated = false;  // Then it has to be known what its other keywords looked at.
};

struct Program {
  std::vector<Node> nodes;  // Never empty; the first is the root.
  bool has_sensitive = false;

  [[nodiscard]] const Node& at(NodeId id) const { return nodes[id.value()]; }
};

}  // namespace entente::dsl::schema_internal
