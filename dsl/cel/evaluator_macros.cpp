// The macros that run over a list or the keys of a map.

#include <utility>

#include "dsl/cel/evaluator.h"
#include "dsl/cel/functions/sorting.h"
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
    case Macro::kSortBy: return "sortBy";
    case Macro::kTransformList: return "transformList";
    case Macro::kTransformMap: return "transformMap";
    case Macro::kTransformMapEntry: return "transformMapEntry";
    case Macro::kOptMap: return "optMap";
    case Macro::kOptFlatMap: return "optFlatMap";
    case Macro::kOr: return "or";
    case Macro::kOrValue: return "orValue";
    case Macro::kBind: return "bind";
  }
  return "";
}

bool TakesOneValue(Macro macro) {
  return macro == Macro::kOptMap || macro == Macro::kOptFlatMap || macro == Macro::kOr ||
         macro == Macro::kOrValue || macro == Macro::kBind;
}

}  // namespace

Evaluator::Items Evaluator::ItemsOf(const Value& range, bool pairs) {
  Items items;
  if (range.kind() == Kind::kMap && !pairs) {
    items.first = range.Keys();
    return items;
  }
  if (range.kind() == Kind::kMap) {
    for (Value::Entry& entry : range.Entries()) {
      items.first.push_back(std::move(entry.first));
      items.second.push_back(std::move(entry.second));
    }
    return items;
  }
  std::vector<Value>& elements = pairs ? items.second : items.first;
  elements.reserve(range.size());
  for (size_t i = 0; i < range.size(); ++i) {
    elements.push_back(range.ElementAt(i));
    if (pairs) {
      items.first.push_back(Value::Int(static_cast<int64_t>(i)));
    }
  }
  return items;
}

void Evaluator::Bind(const Comprehension& node, const Items& items, size_t at) {
  slots_[node.slot] = items.first[at];
  if (node.pairs) {
    slots_[node.slot + 1] = items.second[at];
  }
}

bool Evaluator::Visit(const Comprehension& node, Value* out) {
  Value range;
  if (!Evaluate(*node.range, &range)) {
    return false;
  }
  if (TakesOneValue(node.macro)) {
    return Unwrap(node, std::move(range), out);
  }
  const bool sorts = node.macro == Macro::kSortBy;
  if (range.kind() != Kind::kList && (range.kind() != Kind::kMap || sorts)) {
    return context_.FailOverload(NameOf(node.macro), std::span(&range, 1), true);
  }
  if (!context_.Charge(range.size())) {
    return false;
  }
  const Items items = ItemsOf(range, node.pairs);
  switch (node.macro) {
    case Macro::kAll: return Quantify(node, items, false, out);
    case Macro::kExists: return Quantify(node, items, true, out);
    case Macro::kExistsOne: return CountOne(node, items, out);
    case Macro::kMap:
    case Macro::kFilter:
    case Macro::kTransformList: return Collect(node, items, out);
    case Macro::kTransformMap:
    case Macro::kTransformMapEntry: return CollectMap(node, items, out);
    case Macro::kSortBy: return SortBy(node, items, out);
    default: return false;
  }
}

bool Evaluator::Unwrap(const Comprehension& node, Value value, Value* out) {
  if (node.macro == Macro::kBind) {
    slots_[node.slot] = std::move(value);
    return Evaluate(*node.transform, out);
  }
  if (value.kind() != Kind::kOptional) {
    return context_.FailOverload(NameOf(node.macro), std::span(&value, 1), true);
  }
  const Value* held = value.optional_value();
  if (node.macro == Macro::kOr || node.macro == Macro::kOrValue) {
    if (held == nullptr) {
      return Evaluate(*node.transform, out);
    }
    *out = node.macro == Macro::kOr ? value : *held;
    return true;
  }
  if (held == nullptr) {
    *out = Value::None();
    return true;
  }
  slots_[node.slot] = *held;
  Value made;
  if (!Evaluate(*node.transform, &made)) {
    return false;
  }
  *out = node.macro == Macro::kOptMap ? Value::Optional(std::move(made)) : std::move(made);
  return true;
}

bool Evaluator::Quantify(const Comprehension& node, const Items& items, bool deciding, Value* out) {
  Status first_error;
  for (size_t i = 0; i < items.first.size(); ++i) {
    Bind(node, items, i);
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

bool Evaluator::CountOne(const Comprehension& node, const Items& items, Value* out) {
  size_t count = 0;
  for (size_t i = 0; i < items.first.size(); ++i) {
    Bind(node, items, i);
    bool holds = false;
    if (!Test(*node.predicate, &holds)) {
      return false;
    }
    count += holds ? 1 : 0;
  }
  *out = Value::Bool(count == 1);
  return true;
}

bool Evaluator::Collect(const Comprehension& node, const Items& items, Value* out) {
  std::vector<Value> collected;
  for (size_t i = 0; i < items.first.size(); ++i) {
    Bind(node, items, i);
    bool holds = true;
    if (node.predicate != nullptr && !Test(*node.predicate, &holds)) {
      return false;
    }
    if (!holds) {
      continue;
    }
    Value result = items.first[i];
    if (node.transform != nullptr && !Evaluate(*node.transform, &result)) {
      return false;
    }
    collected.push_back(std::move(result));
  }
  return MakeList(context_, std::move(collected), out);
}

bool Evaluator::CollectMap(const Comprehension& node, const Items& items, Value* out) {
  std::vector<Value::Entry> entries;
  for (size_t i = 0; i < items.first.size(); ++i) {
    Bind(node, items, i);
    bool holds = true;
    if (node.predicate != nullptr && !Test(*node.predicate, &holds)) {
      return false;
    }
    Value made;
    if (!holds) {
      continue;
    }
    if (!Evaluate(*node.transform, &made)) {
      return false;
    }
    if (node.macro == Macro::kTransformMap) {
      entries.emplace_back(items.first[i], std::move(made));
      continue;
    }
    if (made.kind() != Kind::kMap) {
      return context_.FailOverload(NameOf(node.macro), std::span(&made, 1), true);
    }
    if (!context_.Charge(made.size())) {
      return false;
    }
    for (Value::Entry& entry : made.Entries()) {
      entries.push_back(std::move(entry));
    }
  }
  return MakeMap(context_, std::move(entries), out);
}

bool Evaluator::SortBy(const Comprehension& node, const Items& items, Value* out) {
  std::vector<Value> keys(items.first.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    Bind(node, items, i);
    if (!Evaluate(*node.transform, &keys[i])) {
      return false;
    }
  }
  std::vector<size_t> order;
  if (!SortedOrder(context_, keys, &order)) {
    return false;
  }
  std::vector<Value> sorted;
  sorted.reserve(order.size());
  for (const size_t at : order) {
    sorted.push_back(items.first[at]);
  }
  return MakeList(context_, std::move(sorted), out);
}

}  // namespace entente::dsl::cel
