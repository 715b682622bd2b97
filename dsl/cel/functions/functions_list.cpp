// Functions of lists and maps: the list extension, sums, merging, and reading JSON.

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/functions/sorting.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/operators.h"

namespace entente::dsl::cel {
namespace {

using Arguments = std::span<const Value>;

// The elements of the receiver, paid for; nothing if it is no list.
bool TakeElements(EvalContext& context, std::string_view name, Arguments arguments,
                  std::vector<Value>* elements) {
  const Value& list = arguments[0];
  if (list.kind() != Kind::kList) {
    return context.FailOverload(name, arguments, true);
  }
  if (!context.Charge(list.size())) {
    return false;
  }
  elements->reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    elements->push_back(list.ElementAt(i));
  }
  return true;
}

bool Distinct(EvalContext& context, Arguments arguments, Value* out) {
  std::vector<Value> elements;
  if (!TakeElements(context, "distinct", arguments, &elements)) {
    return false;
  }
  std::vector<Value> kept;
  for (Value& element : elements) {
    bool known = false;
    for (size_t i = 0; i < kept.size() && !known; ++i) {
      if (!CompareEqual(context, element, kept[i], &known)) {
        return false;
      }
    }
    if (!known) {
      kept.push_back(std::move(element));
    }
  }
  return MakeList(context, std::move(kept), out);
}

// The recursion is bounded by the depth that a value may have.
bool FlattenInto(EvalContext& context, const Value& list, int64_t depth, std::vector<Value>* out) {
  if (!context.Charge(list.size())) {
    return false;
  }
  for (size_t i = 0; i < list.size(); ++i) {
    Value element = list.ElementAt(i);
    if (element.kind() != Kind::kList || depth == 0) {
      out->push_back(std::move(element));
    } else if (!FlattenInto(context, element, depth - 1, out)) {
      return false;
    }
  }
  return true;
}

bool Flatten(EvalContext& context, Arguments arguments, Value* out) {
  const bool stated = arguments.size() > 1;
  if (arguments[0].kind() != Kind::kList || (stated && arguments[1].kind() != Kind::kInt)) {
    return context.FailOverload("flatten", arguments, true);
  }
  const int64_t depth = stated ? arguments[1].int_value() : 1;
  if (depth < 0) {
    return context.Fail("level must be non-negative");
  }
  std::vector<Value> elements;
  return FlattenInto(context, arguments[0], depth, &elements) &&
         MakeList(context, std::move(elements), out);
}

bool Slice(EvalContext& context, Arguments arguments, Value* out) {
  std::vector<Value> elements;
  if (arguments[1].kind() != Kind::kInt || arguments[2].kind() != Kind::kInt) {
    return context.FailOverload("slice", arguments, true);
  }
  if (!TakeElements(context, "slice", arguments, &elements)) {
    return false;
  }
  const int64_t from = arguments[1].int_value();
  const int64_t to = arguments[2].int_value();
  if (from < 0 || to < 0) {
    return context.Fail("cannot slice(" + std::to_string(from) + ", " + std::to_string(to) +
                        "), negative indexes not supported");
  }
  if (from > to) {
    return context.Fail("cannot slice(" + std::to_string(from) + ", " + std::to_string(to) +
                        "), start index must be less than or equal to end index");
  }
  if (static_cast<uint64_t>(to) > elements.size()) {
    return context.Fail("cannot slice(" + std::to_string(from) + ", " + std::to_string(to) +
                        "), list is length " + std::to_string(elements.size()));
  }
  *out = Value::List({elements.begin() + from, elements.begin() + to});
  return true;
}

bool Sort(EvalContext& context, Arguments arguments, Value* out) {
  std::vector<Value> elements;
  std::vector<size_t> order;
  if (!TakeElements(context, "sort", arguments, &elements) ||
      !SortedOrder(context, elements, &order)) {
    return false;
  }
  std::vector<Value> sorted;
  sorted.reserve(order.size());
  for (const size_t at : order) {
    sorted.push_back(elements[at]);
  }
  return MakeList(context, std::move(sorted), out);
}

bool Add(EvalContext& context, const Value& sum, const Value& number, Value* out) {
  if (!IsNumber(number)) {
    return context.Fail(
        "no such overload: 'sum' needs a list of numbers, not of " +
        std::string(KindName(number.kind())) +
        (number.kind() == Kind::kString ? "; convert with list.map(x, double(x)).sum()" : ""));
  }
  return Calculate(context, ArithmeticOp::kAdd, sum, number, out);
}

Value AsDouble(const Value& number) {
  switch (number.kind()) {
    case Kind::kInt: return Value::Double(static_cast<double>(number.int_value()));
    case Kind::kUint: return Value::Double(static_cast<double>(number.uint_value()));
    default: return number;
  }
}

// A sum of ints is an int; with one double among them all are taken as doubles, since whether a
// price of JSON is written as 100 or 99.5 says nothing about what it is.
bool SumOf(EvalContext& context, Arguments arguments, Value* out, bool is_method) {
  if (arguments[0].kind() != Kind::kList) {
    return context.FailOverload("sum", arguments, is_method);
  }
  std::vector<Value> elements;
  if (!TakeElements(context, "sum", arguments, &elements)) {
    return false;
  }
  const auto is = [&elements](Kind kind) {
    return std::any_of(elements.begin(), elements.end(),
                       [kind](const Value& element) { return element.kind() == kind; });
  };
  const bool doubles = is(Kind::kDouble) || (is(Kind::kInt) && is(Kind::kUint));
  *out = elements.empty() ? Value::Int(0) : doubles ? AsDouble(elements[0]) : elements[0];
  if (!elements.empty() && !IsNumber(*out)) {
    Value unused;
    return Add(context, Value::Int(0), *out, &unused);
  }
  for (size_t i = 1; i < elements.size(); ++i) {
    Value next;
    if (!context.Charge(1) ||
        !Add(context, *out, doubles ? AsDouble(elements[i]) : elements[i], &next)) {
      return false;
    }
    *out = std::move(next);
  }
  return true;
}

bool SumFunction(EvalContext& context, Arguments arguments, Value* out) {
  return SumOf(context, arguments, out, false);
}
bool SumMethod(EvalContext& context, Arguments arguments, Value* out) {
  return SumOf(context, arguments, out, true);
}

bool Range(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kInt) {
    return context.FailOverload("lists.range", arguments, false);
  }
  const int64_t size = std::max<int64_t>(arguments[0].int_value(), 0);
  // Paid for before the memory is asked for.
  if (!context.Charge(static_cast<uint64_t>(size))) {
    return false;
  }
  std::vector<Value> numbers;
  numbers.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    numbers.push_back(Value::Int(i));
  }
  *out = Value::List(std::move(numbers));
  return true;
}

bool End(EvalContext& context, std::string_view name, Arguments arguments, bool first, Value* out) {
  const Value& list = arguments[0];
  if (list.kind() != Kind::kList) {
    return context.FailOverload(name, arguments, true);
  }
  *out = list.size() == 0 ? Value::None()
                          : Value::Optional(list.ElementAt(first ? 0 : list.size() - 1));
  return true;
}

bool First(EvalContext& context, Arguments arguments, Value* out) {
  return End(context, "first", arguments, true, out);
}
bool Last(EvalContext& context, Arguments arguments, Value* out) {
  return End(context, "last", arguments, false, out);
}

// Where both have a key, the argument's value counts.
bool Merge(EvalContext& context, Arguments arguments, Value* out) {
  const Value& base = arguments[0];
  const Value& over = arguments[1];
  if (base.kind() != Kind::kMap || over.kind() != Kind::kMap) {
    return context.FailOverload("merge", arguments, true);
  }
  if (!context.Charge(base.size() + over.size())) {
    return false;
  }
  std::vector<Value::Entry> entries;
  for (Value::Entry& entry : base.Entries()) {
    if (!context.ChargeContent(entry.first)) {
      return false;
    }
    if (!over.Find(entry.first)) {
      entries.push_back(std::move(entry));
    }
  }
  for (Value::Entry& entry : over.Entries()) {
    entries.push_back(std::move(entry));
  }
  return MakeMap(context, std::move(entries), out);
}

bool ReadJson(EvalContext& context, Arguments arguments, Value* out) {
  if (arguments[0].kind() != Kind::kString) {
    return context.FailOverload("json", arguments, false);
  }
  const std::string& text = arguments[0].string_value();
  if (!context.Charge(Budget::CostOfJson(text))) {
    return false;
  }
  Result<Json> json = ParseExactJson(text, limits::kPayloadJson);
  if (!json.ok()) {
    return context.Fail("json(): " + json.status().message());
  }
  *out = Value::FromJson(*std::move(json));
  return true;
}

constexpr std::array<Function, 11> kListFunctions = {{
    {"distinct", true, 0, 0, Distinct},
    {"first", true, 0, 0, First},
    {"flatten", true, 0, 1, Flatten},
    {"json", false, 1, 1, ReadJson},
    {"last", true, 0, 0, Last},
    {"lists.range", false, 1, 1, Range},
    {"merge", true, 1, 1, Merge},
    {"slice", true, 2, 2, Slice},
    {"sort", true, 0, 0, Sort},
    {"sum", false, 1, 1, SumFunction},
    {"sum", true, 0, 0, SumMethod},
}};

}  // namespace

bool SortedOrder(EvalContext& context, std::span<const Value> keys, std::vector<size_t>* order) {
  order->resize(keys.size());
  std::iota(order->begin(), order->end(), size_t{0});
  // What can not be ordered with the first can not be sorted, also where no comparison would meet
  // it.
  for (const Value& key : keys) {
    bool unused = false;
    if (!Relate(context, RelationOp::kLess, key, keys.front(), &unused)) {
      return false;
    }
  }
  bool failed = false;
  // Stable: after a failure its answers are of no order, and a merge stays within its bounds.
  std::stable_sort(order->begin(), order->end(), [&](size_t a, size_t b) {
    bool less = false;
    failed = failed || !context.Charge(1) ||
             !Relate(context, RelationOp::kLess, keys[a], keys[b], &less);
    return !failed && less;
  });
  return !failed;
}

std::span<const Function> ListFunctions() {
  return kListFunctions;
}

}  // namespace entente::dsl::cel
