#include "dsl/schema/schema.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "dsl/schema/compiler.h"
#include "dsl/schema/program.h"
#include "dsl/schema/sensitive.h"
#include "dsl/schema/validator.h"

namespace entente::dsl {
namespace {

using schema_internal::Report;
using schema_internal::Validator;

Violation TooMuch(Validator::Exhausted bound) {
  if (bound == Validator::Exhausted::kRecursion) {
    return {"", "",
            "the value is nested too deeply for its schema: more than " +
                std::to_string(limits::kMaxSchemaRecursion) +
                " subschemas apply inside one another; nest it less"};
  }
  return {"", "",
          "checking the value takes more than " + std::to_string(limits::kMaxSchemaWork) +
              " steps; make it smaller or its schema simpler"};
}

bool IsAtOrBelow(std::string_view pointer, std::string_view above) {
  return pointer.starts_with(above) &&
         (pointer.size() == above.size() || pointer[above.size()] == '/');
}

// Messages show the value, and those of a choice what its forms say of the parts of a value.
bool ShowsPartOf(const Violation& violation, const SensitivePart& part) {
  const bool chooses = violation.keyword_pointer.ends_with("/anyOf") ||
                       violation.keyword_pointer.ends_with("/oneOf");
  // A long pointer is cut, and may have stood anywhere.
  return violation.pointer.ends_with("...") || IsAtOrBelow(violation.pointer, part.pointer) ||
         (chooses && IsAtOrBelow(part.pointer, violation.pointer));
}

// Whoever may look at a refusal, in a log for example, is not to find what is sensitive in it.
void HideSensitive(const Schema& schema, const Json& instance, std::vector<Violation>& violations) {
  const std::vector<SensitivePart> parts = SensitiveParts(schema, instance);
  for (Violation& violation : violations) {
    const bool hidden = std::any_of(
        parts.begin(), parts.end(),
        [&violation](const SensitivePart& part) { return ShowsPartOf(violation, part); });
    if (hidden) {
      violation.message = "is not as the schema asks for; its value is sensitive and not shown";
    }
  }
}

}  // namespace

Schema::Schema(std::shared_ptr<const schema_internal::Program> program)
    : program_(std::move(program)) {}

std::variant<Schema, std::vector<SchemaProblem>> Schema::Compile(const Json& schema,
                                                                 SchemaOrigin origin) {
  auto compiled = schema_internal::Compiler(schema, origin).Run();
  if (auto* const problems = std::get_if<std::vector<SchemaProblem>>(&compiled)) {
    return std::move(*problems);
  }
  return Schema(std::make_shared<const schema_internal::Program>(
      std::get<schema_internal::Program>(std::move(compiled))));
}

std::vector<Violation> Schema::Validate(const Json& instance, size_t max_violations) const {
  const schema_internal::Path root{nullptr, nullptr, 0};
  // Most instances are valid; only the others are looked at again, to describe what is wrong.
  Validator quick(*program_, nullptr);
  const bool valid = quick.Visit(schema_internal::kRootNode, instance, root);
  if (quick.exhausted() != Validator::Exhausted::kNothing) {
    return {TooMuch(quick.exhausted())};
  }
  if (valid) {
    return {};
  }
  Report report{std::max<size_t>(1, max_violations), {}};
  Validator thorough(*program_, &report);
  thorough.Visit(schema_internal::kRootNode, instance, root);
  if (report.violations.empty()) {  // Looking for all of them took too long to find the first.
    report.violations.push_back(TooMuch(thorough.exhausted()));
  }
  if (program_->has_sensitive) {
    HideSensitive(*this, instance, report.violations);
  }
  return std::move(report.violations);
}

}  // namespace entente::dsl
