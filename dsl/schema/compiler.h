// Turns a schema document into a Program, or into the list of everything that is wrong with it.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
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
  explicit Compiler(const Json& document) : document_(document) {}

  [[nodiscard]] std::variant<Program, std::vector<SchemaProblem>> Run();

 private:
  // One keyword of one subschema, while it is compiled.
  struct Site {
    std::string_view keyword;
    const Json& value;
    const Json& schema;               // The subschema that holds it.
    const std::string& node_pointer;  // Where that one stands,
    size_t depth;                     // and how deep.
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
    std::string text;
  };

  // Compiles `schema`, which stands at `pointer`, unless that has been done. After a problem the
  // id may be any: the program is not used then.
  NodeId Subschema(const Json& schema, const std::string& pointer, size_t depth);
  void Keywords(const Json& schema, const std::string& pointer, size_t depth,
                std::vector<Keyword>& out);
  void UnknownKeyword(const std::string& name, const std::string& pointer);
  NodeId Child(const Site& site);
  // Compiles the elements of an array of schemas; reports one that is no such array.
  std::vector<NodeId> Children(const Site& site);

  void TypeRule(const Site& site);
  void EnumRule(const Site& site);
  void ConstRule(const Site& site);
  void BoundRule(const Site& site);
  void MultipleOfRule(const Site& site);
  void CountRule(const Site& site);
  void PatternRule(const Site& site);
  // Null once the patterns of the schema are too large together.
  std::unique_ptr<const re2::RE2> CompilePattern(const std::string& pattern);
  void UniqueItemsRule(const Site& site);
  void RequiredRule(const Site& site);
  void PropertiesRule(const Site& site);
  void AdditionalPropertiesRule(const Site& site);
  void PrefixItemsRule(const Site& site);
  void ItemsRule(const Site& site);
  void AllOfRule(const Site& site);
  void AnyOfRule(const Site& site);
  void OneOfRule(const Site& site);
  void NotRule(const Site& site);
  void RefRule(const Site& site);
  void DefsRule(const Site& site);
  void DialectRule(const Site& site);
  void TextAnnotationRule(const Site& site);
  void FlagAnnotationRule(const Site& site);
  void ExamplesRule(const Site& site);
  void DefaultRule(const Site& site);

  // The subschemas of an object that maps names to schemas.
  std::map<std::string, NodeId, std::less<>> NamedChildren(const Site& site);

  void ResolveReferences();
  void Resolve(const PendingReference& reference);
  void FindReferenceCycles();
  // `cycle` is a list of nodes, each of which applies the next one, and the last the first.
  void ReportCycle(const std::vector<NodeId>& cycle);

  void Problem(std::string pointer, std::string message, std::string suggestion = "");

  const Json& document_;
  std::vector<Node> nodes_;
  std::unordered_map<std::string, NodeId> ids_by_pointer_;
  std::vector<PendingReference> pending_;
  std::vector<SchemaProblem> problems_;
  size_t regex_instructions_ = 0;  // Of all patterns so far.
};

}  // namespace entente::dsl::schema_internal
