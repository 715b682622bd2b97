// The macros that run over a list or the keys of a map.

#include <utility>

#include "dsl/cel/evaluator.h"
#include "dsl/cel/operators.h"

namespace entente::dsl::cel {
namespace {

std::string_view NameOf(Macro macro) {
  switch (macro) {
    case Macro::kAll: return "all";
    case Macro::kExists: return "exists";
    case Macro::kExistsOne: return "exists_one";
    case Macro::kMap: return "map";
    case Macro::kFilter: return "filter";
  }
  return "";
}

}  // namespace

bool Evaluator::Visit(const Comprehension& node, Value* out) {
  Value range;
  if (!Evaluate(*node.range, &range)) {
    return false;
  }
  if (range.kind() != Kind::kList && range.kind() != Kind::kMap) {
    return context_.FailOverload(NameOf(node.macro), std::span(&range, 1), true);
  }
  if (!context_.Charge(range.size())) {
    return false;
  }
  std::vector<Value> elements;
  if (range.kind() == Kind::kMap) {
    elements = range.Keys();
  } else {
    elements.reserve(range.size());
    for (size_t i = 0; i < range.size(); ++i) {
      elements.push_back(range.ElementAt(i));
    }
  }
  switch (node.macro) {
    case Macro::kAll: return Quantify(node, elements, false, out);
    case Macro::kExists: return Quantify(node, elements, true, out);
    case Macro::kExistsOne: return CountOne(node, elements, out);
    case Macro::kMap:
    case Macro::kFilter: return Collect(node, elements, out);
  }
  return false;
}

bool Evaluator::Quantify(const Comprehension& node, const std::vector<Value>& elements,
                         bool deciding, Value* out) {
  Status first_error;
  for (const Value& element : elements) {
    slots_[node.slot] = element;
    switch (Weigh(*node.predicate, deciding, &first_error)) {
      case Verdict::kDecided: *out = Value::Bool(deciding); return true;
      case Verdict::kFatal: return false;
      case Verdict::kUndecided: break;
    }
  }
  *out = Value::Bool(!deciding);
  return first_error.ok() || context_.Fail(std::move(first_error));
}

bool Evaluator::Test(const Node& predicate, bool* out) {
  Value value;
  if (!Evaluate(predicate, &value)) {
    return false;
  }
  if (value.kind() != Kind::kBool) {
    return context_.FailOverload("_?_:_", std::span(&value, 1), false);
  }
  *out = value.bool_value();
  return true;
}

bool Evaluator::CountOne(const Comprehension& node, const std::vector<Value>& elements,
                         Value* out) {
  size_t count = 0;
  for (const Value& element : elements) {
    slots_[node.slot] = element;
    bool holds = false;
    if (!Test(*node.predicate, &holds)) {
      return false;
    }
    count += holds ? 1 : 0;
  }
  *out = Value::Bool(count == 1);
  return true;
}

bool Evaluator::Collect(const Comprehension& node, const std::vector<Value>& elements, Value* out) {
  std::vector<Value> collected;
  for (const Value& element : elements) {
    slots_[node.slot] = element;
    bool holds = true;
    if (node.predicate != nullptr && !Test(*node.predicate, &holds)) {
      return false;
    }
    if (!holds) {
      continue;
    }
    Value result = element;
    if (node.transform != nullptr && !Evaluate(*node.transform, &result)) {
      return false;
    }
    collected.push_back(std::move(result));
  }
  return MakeList(context_, std::move(collected), out);
}

}  // namespace entente::dsl::cel
