// Walks a syntax tree. Private to dsl/cel.
#pragma once

#include <vector>

#include "dsl/cel/activation.h"
#include "dsl/cel/eval_context.h"
#include "dsl/cel/syntax/ast.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// One evaluation of one program. Not thread-safe; the program is only read. Recursion is as deep
// as the tree is high, which the parser bounds.
class Evaluator {
 public:
  // Both outlive the evaluator.
  Evaluator(const Program& program, const Activation& activation)
      : activation_(activation), context_(activation.budget()), slots_(program.slot_count) {}

  // Computes `*out`; false after recording why not in context().
  [[nodiscard]] bool Evaluate(const Node& node, Value* out);
  [[nodiscard]] EvalContext& context() { return context_; }

 private:
  bool Visit(const Constant& node, Value* out);
  bool Visit(const Path& node, Value* out);
  bool Visit(const Select& node, Value* out);
  bool Visit(const Index& node, Value* out);
  bool TakeOptional(Value* value, bool* present);
  bool Visit(const ListLiteral& node, Value* out);
  bool Visit(const MapLiteral& node, Value* out);
  bool Visit(const Not& node, Value* out);
  bool Visit(const Negate& node, Value* out);
  bool Visit(const Arithmetic& node, Value* out);
  bool Visit(const Relation& node, Value* out);
  bool Visit(const Logical& node, Value* out);
  bool Visit(const Conditional& node, Value* out);
  bool Visit(const Call& node, Value* out);
  bool Visit(const Match& node, Value* out);
  bool Visit(const Comprehension& node, Value* out);

  bool Resolve(const Path& path, Value* out, size_t* consumed);
  bool ResolveQualified(const Path& path, Value* out, size_t* consumed);
  bool WalkJson(const Path& path, const Json& root, Value* out);
  bool WalkValue(const Path& path, Value value, size_t consumed, Value* out);
  bool FailPath(const Path& path, size_t at, Kind kind);

  // Evaluates a predicate for the element in the macro's slot.
  bool Test(const Node& predicate, bool* out);
  // What && and || (and all and exists, which are chains of them) make of one operand.
  enum class Verdict { kDecided, kUndecided, kFatal };
  Verdict Weigh(const Node& operand, bool deciding, Status* first_error);

  // What a macro runs over: its variable's values, and those of the second one, if there are two.
  struct Items {
    std::vector<Value> first;
    std::vector<Value> second;
  };
  [[nodiscard]] static Items ItemsOf(const Value& range, bool pairs);
  void Bind(const Comprehension& node, const Items& items, size_t at);

  bool Quantify(const Comprehension& node, const Items& items, bool deciding, Value* out);
  bool CountOne(const Comprehension& node, const Items& items, Value* out);
  bool Collect(const Comprehension& node, const Items& items, Value* out);
  bool CollectMap(const Comprehension& node, const Items& items, Value* out);
  bool SortBy(const Comprehension& node, const Items& items, Value* out);
  // A macro of an optional, or cel.bind: `value` is the optional or what is bound.
  bool Unwrap(const Comprehension& node, Value value, Value* out);

  const Activation& activation_;
  EvalContext context_;
  std::vector<Value> slots_;
};

}  // namespace entente::dsl::cel
