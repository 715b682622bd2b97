// JSON Schema (draft 2020-12), the part of it that says what an input may be.
//
//   any value   type, enum, const, allOf, anyOf, oneOf, not, if, then, else; $defs, $id, $anchor,
//               $ref (inside the document: a JSON Pointer, an anchor, the $id of a part of it)
//   numbers     minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
//   strings     minLength, maxLength (in code points), pattern (unanchored), format
//   arrays      items, prefixItems, minItems, maxItems, uniqueItems, contains, minContains,
//               maxContains, unevaluatedItems
//   objects     properties, patternProperties, additionalProperties, propertyNames, required,
//               minProperties, maxProperties, dependentRequired, dependentSchemas,
//               unevaluatedProperties
//   sensitive   true: what the value is, nobody is shown (dsl/schema/sensitive.h); our own word
//   annotations title, description, default, examples, deprecated, readOnly, writeOnly, $comment
//               and, at the root, $schema
//
// `true` and `false` are schemas. `format` is asserted, of strings (formats.h names them all); one
// that can not be checked is a problem at compilation, as is every other keyword, so no constraint
// is ever silently ignored. Patterns are ECMAScript's (pattern.h).
//
// Numbers compare by value: 1.0 is an integer and equals 1; integers of 64 bits compare exactly,
// also with fractions. multipleOf computes in decimal: 19.99 is a multiple of 0.01.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"

namespace entente::dsl {

// What is wrong with a schema. `pointer` is the JSON Pointer of the keyword inside the schema.
// `suggestion` is empty or a sentence on what to write instead.
struct SchemaProblem {
  std::string pointer;
  std::string message;
  std::string suggestion;

  friend bool operator==(const SchemaProblem&, const SchemaProblem&) = default;
};

// What is wrong with an instance. `pointer` is the JSON Pointer of the offending value,
// `keyword_pointer` that of the keyword in the schema that refuses it. A pointer longer than 1 KiB
// is cut and ends in "...".
struct Violation {
  std::string pointer;
  std::string keyword_pointer;
  std::string message;

  friend bool operator==(const Violation&, const Violation&) = default;
};

// Where a schema comes from. One that was stored was accepted when less was refused: a format that
// can not be checked checks nothing, and its patterns may come to four times as much.
enum class SchemaOrigin { kGiven, kStored };

namespace schema_internal {
struct Program;
}
struct SensitivePart;

// A compiled schema. Immutable; a copy is a reference to the same program. Safe to use from many
// threads at once. Never blocks, never throws, keeps no reference to the Json it was compiled from.
class Schema {
 public:
  // Compiles `schema`, or returns every problem found (at least one, at most 100). A $ref outside
  // the document, a cycle of $refs that never descends into the instance, and a schema beyond
  // kMaxSchemaNodes or kMaxJsonDepth are problems.
  [[nodiscard]] static std::variant<Schema, std::vector<SchemaProblem>> Compile(
      const Json& schema, SchemaOrigin origin = SchemaOrigin::kGiven);

  // The violations of `instance`, at most `max_violations` of them; none means it is valid.
  // `instance` is at most kMaxJsonDepth deep, as ParseJson ensures. Work is bounded by
  // kMaxSchemaWork and kMaxSchemaRecursion; what exceeds them is invalid and says so. What is
  // sensitive is in no message. With
  // `max_violations` zero the answer would be lost, so one is reported.
  [[nodiscard]] std::vector<Violation> Validate(const Json& instance,
                                                size_t max_violations = 20) const;

 private:
  friend bool HasSensitive(const Schema& schema);
  friend std::vector<SensitivePart> SensitiveParts(const Schema& schema, const Json& instance);

  explicit Schema(std::shared_ptr<const schema_internal::Program> program);

  // Shared because every plan made from a definition, and every copy of one, uses the same program.
  std::shared_ptr<const schema_internal::Program> program_;
};

}  // namespace entente::dsl
