// Activation: what the free names of an expression stand for during one evaluation.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "dsl/cel/budget.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// Answers for names whose content is not one ready-made value: the caller's own state can be read
// in place instead of being gathered into a document first.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // A value and how many names of the path it already stands for.
  struct Resolved {
    Value value;
    size_t consumed;  // 1 (the root alone) up to path.size().
  };

  // Called with the whole static path of a reference: {"steps", "flight", "output", "price"}. The
  // answer stands for its first `consumed` names and the evaluator selects the rest out of it. A
  // member that does not exist is answered by the map that lacks it, with the names up to that
  // map consumed. Nothing means that the root itself is unknown. Views in the answer must stay
  // valid as long as the activation is used and the results of the evaluation live. A resolver that
  // finds the activation's budget spent answers anything: the evaluation ends right after.
  [[nodiscard]] virtual std::optional<Resolved> Resolve(
      std::span<const std::string> path) const = 0;
};

// A short list of bindings, made on the stack for an evaluation and thrown away after it.
//
// Ownership: names and Json documents are borrowed and must outlive the activation and, for
// documents, every Value that an evaluation returned. Thread-safety: may be read by several
// evaluations at once; binding needs outside locking.
class Activation {
 public:
  Activation() = default;

  // Every member of `object` becomes a name. Anything but an object binds nothing.
  explicit Activation(const Json& object) : object_(object.is_object() ? &object : nullptr) {}

  // Binds `name`, which may be qualified ("a.b"). A later binding of the same name hides the
  // earlier one; a qualified name is only tried when its first part is not bound.
  Activation& Bind(std::string_view name, const Json& json);
  Activation& Bind(std::string_view name, Json&& json) = delete;  // It would dangle.
  Activation& Bind(std::string_view name, Value value);

  // Asked for names that are not bound. Not owned.
  Activation& SetResolver(const Resolver* resolver);

  // What evaluations are paid from, and the resolver's own work; several activations may share one.
  // Not owned. Without it each evaluation has a budget of its own.
  Activation& SetBudget(Budget* budget);
  [[nodiscard]] Budget* budget() const { return budget_; }

  // One name's content: borrowed JSON, or a Value. Both null: not bound here.
  struct Binding {
    const Json* json = nullptr;
    const Value* value = nullptr;
  };
  [[nodiscard]] Binding Find(const std::string& name) const;
  [[nodiscard]] const Resolver* resolver() const { return resolver_; }

 private:
  struct Entry {
    std::string_view name;
    const Json* json = nullptr;
    Value value;
  };
  static constexpr size_t kInlineEntries = 6;

  Entry& NextEntry();

  std::array<Entry, kInlineEntries> inline_;
  size_t inline_count_ = 0;
  std::vector<Entry> more_;
  const Json* object_ = nullptr;
  const Resolver* resolver_ = nullptr;
  Budget* budget_ = nullptr;
};

}  // namespace entente::dsl::cel
