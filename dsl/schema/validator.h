// Applies a Program to an instance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "dsl/schema/program.h"
#include "dsl/schema/schema.h"

namespace entente::dsl::schema_internal {

// The way from the root of the instance to a value, kept on the stack and written out as a JSON
// Pointer only when a violation is reported.
struct Path {
  const Path* parent;      // Null at the root.
  const std::string* key;  // Null for an element of an array.
  size_t index;
};

// Violations, up to a bound.
struct Report {
  size_t max_violations;
  std::vector<Violation> violations;

  [[nodiscard]] bool full() const { return violations.size() >= max_violations; }
};

// One validation. Not reusable, not thread-safe; `program` and `report` must outlive it.
class Validator {
 public:
  enum class Exhausted { kNothing, kWork, kRecursion };

  // Without a report it stops at the first violation, and costs no allocation.
  Validator(const Program& program, Report* report) : program_(program), report_(report) {}

  // Whether `value`, which stands at `path`, meets node `id`. False once a bound is exhausted; the
  // answer then means nothing.
  bool Visit(NodeId id, const Json& value, const Path& path);

  [[nodiscard]] Exhausted exhausted() const { return exhausted_; }

 private:
  // Which parts of a value, by their place among its members or items, some keyword has looked at.
  using Marks = std::vector<bool>;

  // The value being checked, and the node it is checked against.
  struct Site {
    const Node& node;
    const Json& value;
    const Path& path;
  };

  bool Check(const NeverKeyword& keyword, const Site& site);
  bool Check(const TypeKeyword& keyword, const Site& site);
  bool Check(const EnumKeyword& keyword, const Site& site);
  bool Check(const BoundKeyword& keyword, const Site& site);
  bool Check(const MultipleOfKeyword& keyword, const Site& site);
  bool Check(const CountKeyword& keyword, const Site& site);
  bool Check(const PatternKeyword& keyword, const Site& site);
  bool Check(const FormatKeyword& keyword, const Site& site);
  bool Check(const UniqueItemsKeyword& keyword, const Site& site);
  bool Check(const RequiredKeyword& keyword, const Site& site);
  bool Check(const DependentRequiredKeyword& keyword, const Site& site);
  bool Check(const PropertiesKeyword& keyword, const Site& site);
  bool Check(const PropertyNamesKeyword& keyword, const Site& site);
  bool Check(const ItemsKeyword& keyword, const Site& site);
  bool Check(const ContainsKeyword& keyword, const Site& site);
  bool Check(const AllOfKeyword& keyword, const Site& site);
  bool Check(const AnyOfKeyword& keyword, const Site& site);
  bool Check(const OneOfKeyword& keyword, const Site& site);
  bool Check(const NotKeyword& keyword, const Site& site);
  bool Check(const RefKeyword& keyword, const Site& site);
  bool Check(const IfKeyword& keyword, const Site& site);
  bool Check(const DependentSchemasKeyword& keyword, const Site& site);
  bool Check(const UnevaluatedKeyword& keyword, const Site& site);
  static bool Check(const SensitiveKeyword&, const Site&) { return true; }

  // Whether the member `name`, the `index`th of the object at `site`, meets `keyword`.
  bool CheckProperty(const PropertiesKeyword& keyword, const Site& site, const std::string& name,
                     const Json& value, size_t index);
  // Whether `value` meets node `id`, for the keywords of a node. `Visit` is for the parts of a
  // value, whose marks are their own.
  bool Apply(NodeId id, const Json& value, const Path& path);
  // As Apply, of the value at `site`: what the node looked at is marked if it is met.
  bool ApplyInPlace(NodeId id, const Site& site);
  void Mark(size_t index) {
    if (marks_ != nullptr) {
      (*marks_)[index] = true;
    }
  }
  // Whether a regular expression is found in `text`; false too when that costs too much.
  bool Found(const re2::RE2& regex, const std::string& text);
  bool RequireNames(const std::vector<std::string>& names, std::string_view keyword,
                    const Site& site);
  // Whether `value` meets node `id`; nothing is reported or marked.
  bool Meets(NodeId id, const Json& value, const Path& path);
  // Whether `value` meets `branch`; its violations are not reported. If it does not, and there is a
  // report, the first one is described in `why`.
  bool Try(NodeId branch, const Site& site, std::string* why);

  // Takes `steps` from the budget; false when it is used up.
  bool Spend(uint64_t steps);
  // Whether looking further is useless after a violation.
  [[nodiscard]] bool Done() const;
  // Reports a violation, described by `message()`; always false. Once a bound is exhausted, what
  // looks like a violation may be none.
  template <class Message>
  bool Refuse(std::string_view keyword, const Site& site, const Message& message) {
    if (report_ != nullptr && !report_->full() && exhausted_ == Exhausted::kNothing) {
      AddViolation(keyword, site, message());
    }
    return false;
  }
  void AddViolation(std::string_view keyword, const Site& site, const std::string& message);

  const Program& program_;
  Report* report_;
  Exhausted exhausted_ = Exhausted::kNothing;
  uint64_t work_ = 0;
  size_t recursion_ = 0;
  Marks* marks_ = nullptr;  // Of the value being checked; null: nobody asks for them.
};

}  // namespace entente::dsl::schema_internal
