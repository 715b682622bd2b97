// Turns a schema document into a Program, or into the list of everything that is wrong with it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/json.h"
#include "dsl/schema/program.h"
#include "dsl/schema/schema.h"

namespace entente::dsl::schema_internal {

// Compiles one document; used once. `document` must outlive the compiler.
class Compiler {
 public:
  Compiler(const Json& document, SchemaOrigin origin) : document_(document), origin_(origin) {}

  [[nodiscard]] std::variant<Program, std::vector<SchemaProblem>> Run();

 private:
  // A part of the document with a URI of its own ($id), by which references reach it.
  struct Resource {
    std::string uri;      // Without a fragment; empty for a document that has none.
    std::string pointer;  // Where it stands.
    const Json* schema;
    std::map<std::string, std::string, std::less<>> anchors;  // $anchor: the subschema's pointer.
  };
  using ResourceId = size_t;

  // One keyword of one subschema, while it is compiled.
  struct Site {
    std::string_view keyword;
    const Json& value;
    const Json& schema;               // The subschema that holds it.
    const std::string& node_pointer;  // Where that one stands,
    size_t depth;                     // how deep,
    ResourceId resource;              // and in which resource.
    std::vector<Keyword>& out;

    [[nodiscard]] std::string pointer() const;
  };

  using Handler = void (Compiler::*)(const Site&);
  struct KeywordRule {
    std::string_view name;
    Handler handler;
  };
  static const std::vector<KeywordRule>& Rules();

  // A $ref, resolved after everything that stands in the document is compiled.
  struct PendingReference {
    NodeId node;
    size_t keyword_index;
    ResourceId resource;
    std::string text;
  };

  // Compiles `schema`, which stands at `pointer`, unless that has been done. After a problem the
  // id may be any: the program is not used then.
  NodeId Subschema(const Json& schema, const std::string& pointer, size_t depth,
                   ResourceId resource);
  void Keywords(const Json& schema, const std::string& pointer, size_t depth, ResourceId resource,
                std::vector<Keyword>& out);
  // The resource that `schema` belongs to: `around` unless it begins one of its own.
  ResourceId ResourceOf(const Json& schema, const std::string& pointer, ResourceId around);
  void NoteAnchor(const Json& schema, const std::string& pointer, ResourceId resource);
  void UnknownKeyword(const std::string& name, const std::string& pointer);
  NodeId Child(const Site& site);
  // The subschema that a neighbour of the keyword holds; nothing if there is none.
  std::optional<NodeId> Neighbour(const Site& site, const char* keyword);
  // Compiles the elements of an array of schemas; reports one that is no such array.
  std::vector<NodeId> Children(const Site& site);

  void TypeRule(const Site& site);
  void EnumRule(const Site& site);
  void ConstRule(const Site& site);
  void BoundRule(const Site& site);
  void MultipleOfRule(const Site& site);
  void CountRule(const Site& site);
  void PatternRule(const Site& site);
  void FormatRule(const Site& site);
  // Compiles `pattern`, which stands at `place`. Null after a problem.
  std::unique_ptr<const re2::RE2> UsePattern(const std::string& pattern, const std::string& place);
  // Null once the patterns of the schema are too large together.
  std::unique_ptr<const re2::RE2> CompilePattern(const std::string& pattern);
  void UniqueItemsRule(const Site& site);
  void RequiredRule(const Site& site);
  void DependentRequiredRule(const Site& site);
  std::vector<std::string> Names(const Json& list, const std::string& place,
                                 std::string_view keyword);
  void PropertiesRule(const Site& site);
  void PatternPropertiesRule(const Site& site);
  void AdditionalPropertiesRule(const Site& site);
  std::vector<PropertiesKeyword::Pattern> Patterns(const Site& site);
  void PropertyNamesRule(const Site& site);
  void ContainsRule(const Site& site);
  void ContainsBoundRule(const Site& site);
  void UnevaluatedRule(const Site& site);
  void IfRule(const Site& site);
  void BranchOfIfRule(const Site& site);
  void DependentSchemasRule(const Site& site);
  void PrefixItemsRule(const Site& site);
  void ItemsRule(const Site& site);
  void AllOfRule(const Site& site);
  void AnyOfRule(const Site& site);
  void OneOfRule(const Site& site);
  void NotRule(const Site& site);
  void RefRule(const Site& site);
  void IdRule(const Site& site);
  void AnchorRule(const Site& site);
  void DefsRule(const Site& site);
  void DialectRule(const Site& site);
  void TextAnnotationRule(const Site& site);
  void FlagAnnotationRule(const Site& site);
  void SensitiveRule(const Site& site);
  void ExamplesRule(const Site& site);
  void DefaultRule(const Site& site);

  // The subschemas of an object that maps names to schemas.
  std::map<std::string, NodeId, std::less<>> NamedChildren(const Site& site);

  void ResolveReferences();
  void Resolve(const PendingReference& reference);
  // The JSON Pointer that `reference` names, from the root of the document, and the resource in
  // which it stands. Nothing after a problem.
  std::optional<std::pair<std::string, ResourceId>> Locate(const PendingReference& reference,
                                                           const std::string& place);
  const Json* Walk(const std::string& pointer, const std::string& place, const std::string& shown);
  void FindReferenceCycles();
  // `cycle` is a list of nodes, each of which applies the next one, and the last the first.
  void ReportCycle(const std::vector<NodeId>& cycle);

  void Problem(std::string pointer, std::string message, std::string suggestion = "");

  // Of all patterns together.
  [[nodiscard]] size_t MaxRegexInstructions() const;

  const Json& document_;
  const SchemaOrigin origin_;
  std::vector<Node> nodes_;
  std::vector<Resource> resources_;  // The first is the document's.
  std::unordered_map<std::string, NodeId> ids_by_pointer_;
  std::vector<PendingReference> pending_;
  std::vector<SchemaProblem> problems_;
  size_t regex_instructions_ = 0;  // Of all patterns so far.
  bool has_sensitive_ = false;
};

}  // namespace entente::dsl::schema_internal
