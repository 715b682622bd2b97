#include "dsl/cel/operators.h"

#include <array>
#include <compare>
#include <limits>

#include "base/limits.h"
#include "dsl/cel/error.h"
#include "dsl/cel/numbers.h"
#include "dsl/cel/timestamp.h"

namespace entente::dsl::cel {
namespace {

constexpr std::string_view kOverflow = "return error for overflow";

std::string_view NameOf(ArithmeticOp op) {
  switch (op) {
    case ArithmeticOp::kAdd: return "_+_";
    case ArithmeticOp::kSubtract: return "_-_";
    case ArithmeticOp::kMultiply: return "_*_";
    case ArithmeticOp::kDivide: return "_/_";
    case ArithmeticOp::kModulo: return "_%_";
  }
  return "";
}

std::string_view NameOf(RelationOp op) {
  switch (op) {
    case RelationOp::kEqual: return "_==_";
    case RelationOp::kNotEqual: return "_!=_";
    case RelationOp::kLess: return "_<_";
    case RelationOp::kLessEqual: return "_<=_";
    case RelationOp::kGreater: return "_>_";
    case RelationOp::kGreaterEqual: return "_>=_";
    case RelationOp::kIn: return "@in";
  }
  return "";
}

bool FailBinary(EvalContext& context, std::string_view name, const Value& left,
                const Value& right) {
  const std::array<Value, 2> operands = {left, right};
  context.FailOverload(name, operands, false);
  if (IsNumber(left) && IsNumber(right)) {
    // JSON says 100 and 99.5 for two prices: the one case every author meets.
    return context.Fail(context.TakeError().message() +
                        "; convert one side with int(), uint() or double()");
  }
  return false;
}

// A number of which 64 bits or a double would lose digits: computing with the nearest one would be
// silently wrong, so its author says what is meant.
bool FailInexact(EvalContext& context, const Value& left, const Value& right) {
  const Value& inexact = left.kind() == Kind::kDecimal ? left : right;
  return context.Fail("the number " + Quote(*inexact.written()) +
                      " has more digits than 64 bits or a double hold, and can not be computed or "
                      "compared with; convert it with double(), int() or string() first");
}

bool IsInexact(const Value& left, const Value& right) {
  const bool is_left = left.kind() == Kind::kDecimal;
  const bool is_right = right.kind() == Kind::kDecimal;
  return (is_left && (is_right || IsNumber(right))) || (is_right && IsNumber(left));
}

template <class Integer>
bool CalculateInteger(EvalContext& context, ArithmeticOp op, Integer left, Integer right,
                      Integer* out) {
  bool overflow = false;
  switch (op) {
    case ArithmeticOp::kAdd: overflow = __builtin_add_overflow(left, right, out); break;
    case ArithmeticOp::kSubtract: overflow = __builtin_sub_overflow(left, right, out); break;
    case ArithmeticOp::kMultiply: overflow = __builtin_mul_overflow(left, right, out); break;
    case ArithmeticOp::kDivide:
    case ArithmeticOp::kModulo: {
      const bool is_divide = op == ArithmeticOp::kDivide;
      if (right == 0) {
        return context.Fail(is_divide ? "divide by zero" : "modulus by zero");
      }
      if constexpr (std::numeric_limits<Integer>::is_signed) {
        overflow = left == std::numeric_limits<Integer>::min() && right == -1;
      }
      if (!overflow) {
        *out = is_divide ? left / right : left % right;
      }
      break;
    }
  }
  return !overflow || context.Fail(std::string(kOverflow));
}

bool CalculateDouble(EvalContext& context, ArithmeticOp op, const Value& left, const Value& right,
                     Value* out) {
  const double a = left.double_value();
  const double b = right.double_value();
  switch (op) {
    case ArithmeticOp::kAdd: *out = Value::Double(a + b); return true;
    case ArithmeticOp::kSubtract: *out = Value::Double(a - b); return true;
    case ArithmeticOp::kMultiply: *out = Value::Double(a * b); return true;
    case ArithmeticOp::kDivide: *out = Value::Double(a / b); return true;
    case ArithmeticOp::kModulo: break;
  }
  return FailBinary(context, NameOf(op), left, right);
}

bool Concatenate(EvalContext& context, const Value& left, const Value& right, Value* out) {
  switch (left.kind()) {
    case Kind::kString:
      if (!context.ChargeBytes(left.string_value().size() + right.string_value().size())) {
        return false;
      }
      *out = Value::String(left.string_value() + right.string_value());
      return true;
    case Kind::kBytes:
      if (!context.ChargeBytes(left.bytes_value().size() + right.bytes_value().size())) {
        return false;
      }
      *out = Value::Bytes(left.bytes_value() + right.bytes_value());
      return true;
    default: break;
  }
  if (!context.Charge(left.size() + right.size())) {
    return false;
  }
  std::vector<Value> elements;
  elements.reserve(left.size() + right.size());
  for (const Value* list : {&left, &right}) {
    for (size_t i = 0; i < list->size(); ++i) {
      elements.push_back(list->ElementAt(i));
    }
  }
  return MakeList(context, std::move(elements), out);
}

// Times added and subtracted; says in `*applies` whether the kinds are such.
bool CalculateTime(EvalContext& context, ArithmeticOp op, const Value& left, const Value& right,
                   Value* out, bool* applies) {
  const bool is_add = op == ArithmeticOp::kAdd;
  const Kind a = left.kind();
  const Kind b = right.kind();
  *applies = is_add || op == ArithmeticOp::kSubtract;
  if (*applies && a == Kind::kDuration && b == Kind::kDuration) {
    return context.Take(is_add ? Add(left.duration_value(), right.duration_value())
                               : Subtract(left.duration_value(), right.duration_value()),
                        Value::FromDuration, out);
  }
  if (*applies && a == Kind::kTimestamp && b == Kind::kDuration) {
    return context.Take(is_add ? Add(left.timestamp_value(), right.duration_value())
                               : Subtract(left.timestamp_value(), right.duration_value()),
                        Value::FromTimestamp, out);
  }
  if (is_add && a == Kind::kDuration && b == Kind::kTimestamp) {
    return context.Take(Add(right.timestamp_value(), left.duration_value()), Value::FromTimestamp,
                        out);
  }
  if (!is_add && *applies && a == Kind::kTimestamp && b == Kind::kTimestamp) {
    return context.Take(Difference(left.timestamp_value(), right.timestamp_value()),
                        Value::FromDuration, out);
  }
  *applies = false;
  return false;
}

// How they differ may show in the last byte only.
bool EqualTexts(EvalContext& context, const std::string& left, const std::string& right,
                bool* out) {
  *out = left.size() == right.size();
  if (*out && !context.ChargeBytes(left.size())) {
    return false;
  }
  *out = left == right;
  return true;
}

bool EqualLists(EvalContext& context, const Value& left, const Value& right, bool* out) {
  *out = left.size() == right.size();
  for (size_t i = 0; *out && i < left.size(); ++i) {
    if (!CompareEqual(context, left.ElementAt(i), right.ElementAt(i), out)) {
      return false;
    }
  }
  return true;
}

bool EqualMaps(EvalContext& context, const Value& left, const Value& right, bool* out) {
  *out = left.size() == right.size();
  if (!*out) {
    return true;
  }
  if (!context.Charge(left.size())) {
    return false;
  }
  for (const auto& [key, value] : left.Entries()) {
    if (!context.ChargeContent(key)) {
      return false;
    }
    const std::optional<Value> other = right.Find(key);
    if (!other) {
      *out = false;
      return true;
    }
    if (!CompareEqual(context, value, *other, out)) {
      return false;
    }
    if (!*out) {
      return true;
    }
  }
  return true;
}

// The order of two values that have one, else nothing.
std::optional<std::partial_ordering> Order(const Value& left, const Value& right) {
  if (IsNumber(left) && IsNumber(right)) {
    return CompareNumbers(left, right);
  }
  if (left.kind() != right.kind()) {
    return std::nullopt;
  }
  switch (left.kind()) {
    case Kind::kBool: return left.bool_value() <=> right.bool_value();
    case Kind::kString: return left.string_value() <=> right.string_value();
    case Kind::kBytes: return left.bytes_value() <=> right.bytes_value();
    case Kind::kTimestamp: return left.timestamp_value() <=> right.timestamp_value();
    case Kind::kDuration: return left.duration_value() <=> right.duration_value();
    default: return std::nullopt;
  }
}

bool FindIn(EvalContext& context, const Value& needle, const Value& haystack, bool* out) {
  *out = false;
  if (haystack.kind() == Kind::kMap) {
    if (!context.ChargeContent(needle)) {
      return false;
    }
    *out = haystack.Find(needle).has_value();
    return true;
  }
  if (haystack.kind() != Kind::kList) {
    return FailBinary(context, NameOf(RelationOp::kIn), needle, haystack);
  }
  for (size_t i = 0; i < haystack.size() && !*out; ++i) {
    if (!CompareEqual(context, needle, haystack.ElementAt(i), out)) {
      return false;
    }
  }
  return true;
}

// The position a list index means: any number without a fraction.
std::optional<int64_t> PositionOf(const Value& index) {
  switch (index.kind()) {
    case Kind::kInt: return index.int_value();
    case Kind::kUint:
      return index.uint_value() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
                 ? std::numeric_limits<int64_t>::max()
                 : static_cast<int64_t>(index.uint_value());
    case Kind::kDouble: {
      const double number = index.double_value();
      constexpr double kLargest = 9e15;  // Far past any list, and exact in both types.
      if (number >= -kLargest && number <= kLargest &&
          static_cast<double>(static_cast<int64_t>(number)) == number) {
        return static_cast<int64_t>(number);
      }
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

std::string DescribeKey(const Value& key) {
  if (key.kind() == Kind::kString) {
    return Quote(key.string_value());
  }
  if (IsNumber(key) || key.kind() == Kind::kBool) {
    return *ToText(key);
  }
  return "of type " + std::string(KindName(key.kind()));
}

}  // namespace

bool Calculate(EvalContext& context, ArithmeticOp op, const Value& left, const Value& right,
               Value* out) {
  if (IsInexact(left, right)) {
    return FailInexact(context, left, right);
  }
  if (left.kind() == right.kind()) {
    switch (left.kind()) {
      case Kind::kInt: {
        int64_t number = 0;
        const bool done =
            CalculateInteger(context, op, left.int_value(), right.int_value(), &number);
        *out = Value::Int(number);
        return done;
      }
      case Kind::kUint: {
        uint64_t number = 0;
        const bool done =
            CalculateInteger(context, op, left.uint_value(), right.uint_value(), &number);
        *out = Value::Uint(number);
        return done;
      }
      case Kind::kDouble: return CalculateDouble(context, op, left, right, out);
      case Kind::kString:
      case Kind::kBytes:
      case Kind::kList:
        if (op == ArithmeticOp::kAdd) {
          return Concatenate(context, left, right, out);
        }
        break;
      default: break;
    }
  }
  bool applies = false;
  const bool done = CalculateTime(context, op, left, right, out, &applies);
  return applies ? done : FailBinary(context, NameOf(op), left, right);
}

bool NegateNumber(EvalContext& context, const Value& operand, Value* out) {
  if (operand.kind() == Kind::kDouble) {
    *out = Value::Double(-operand.double_value());
    return true;
  }
  if (operand.kind() == Kind::kDecimal) {
    return FailInexact(context, operand, operand);
  }
  if (operand.kind() != Kind::kInt) {
    return context.FailOverload("-_", std::span(&operand, 1), false);
  }
  if (operand.int_value() == std::numeric_limits<int64_t>::min()) {
    return context.Fail(std::string(kOverflow));
  }
  *out = Value::Int(-operand.int_value());
  return true;
}

bool CompareEqual(EvalContext& context, const Value& left, const Value& right, bool* out) {
  if (!context.Charge(1)) {
    return false;
  }
  if (IsNumber(left) && IsNumber(right)) {
    *out = CompareNumbers(left, right) == 0;
    return true;
  }
  if (IsInexact(left, right)) {
    return FailInexact(context, left, right);
  }
  *out = left.kind() == right.kind();
  if (!*out) {
    return true;
  }
  switch (left.kind()) {
    case Kind::kList: return EqualLists(context, left, right, out);
    case Kind::kMap: return EqualMaps(context, left, right, out);
    case Kind::kType: *out = left.type_value() == right.type_value(); return true;
    case Kind::kString: return EqualTexts(context, left.string_value(), right.string_value(), out);
    case Kind::kBytes: return EqualTexts(context, left.bytes_value(), right.bytes_value(), out);
    case Kind::kNull: return true;
    case Kind::kOptional: {
      const Value* a = left.optional_value();
      const Value* b = right.optional_value();
      *out = a == nullptr && b == nullptr;
      return a == nullptr || b == nullptr || CompareEqual(context, *a, *b, out);
    }
    default: *out = Order(left, right) == std::partial_ordering::equivalent; return true;
  }
}

bool Relate(EvalContext& context, RelationOp op, const Value& left, const Value& right, bool* out) {
  if (op == RelationOp::kEqual || op == RelationOp::kNotEqual) {
    const bool done = CompareEqual(context, left, right, out);
    *out = *out == (op == RelationOp::kEqual);
    return done;
  }
  if (op == RelationOp::kIn) {
    return FindIn(context, left, right, out);
  }
  if (IsInexact(left, right)) {
    return FailInexact(context, left, right);
  }
  if (!context.ChargeContent(left)) {  // No more than the shorter one is compared.
    return false;
  }
  const std::optional<std::partial_ordering> order = Order(left, right);
  if (!order) {
    return FailBinary(context, NameOf(op), left, right);
  }
  switch (op) {
    case RelationOp::kLess: *out = *order < 0; break;
    case RelationOp::kLessEqual: *out = *order <= 0; break;
    case RelationOp::kGreater: *out = *order > 0; break;
    default: *out = *order >= 0; break;
  }
  return true;
}

bool IndexInto(EvalContext& context, const Value& container, const Value& index, Value* out) {
  if (container.kind() == Kind::kMap) {
    if (!context.ChargeContent(index)) {
      return false;
    }
    std::optional<Value> found = container.Find(index);
    if (!found) {
      return context.Fail("no such key: " + DescribeKey(index));
    }
    *out = *std::move(found);
    return true;
  }
  if (container.kind() != Kind::kList) {
    return FailBinary(context, "_[_]", container, index);
  }
  const std::optional<int64_t> position = PositionOf(index);
  if (!position) {
    return context.Fail("invalid_argument: a list has no index " + DescribeKey(index));
  }
  if (*position < 0 || static_cast<uint64_t>(*position) >= container.size()) {
    return context.Fail("invalid_argument: index out of bounds: " + std::to_string(*position) +
                        " in a list of " + std::to_string(container.size()));
  }
  *out = container.ElementAt(static_cast<size_t>(*position));
  return true;
}

bool MakeList(EvalContext& context, std::vector<Value> elements, Value* out) {
  *out = Value::List(std::move(elements));
  return out->depth() <= limits::kMaxJsonDepth ||
         context.Fail("a value nests deeper than " + std::to_string(limits::kMaxJsonDepth) +
                      " levels");
}

bool MakeMap(EvalContext& context, std::vector<Value::Entry> entries, Value* out) {
  for (const auto& [key, value] : entries) {
    const Kind kind = key.kind();
    if (kind != Kind::kBool && kind != Kind::kInt && kind != Kind::kUint && kind != Kind::kString) {
      return context.Fail("unsupported key type: " + std::string(KindName(kind)));
    }
    // Sorting compares each key several times.
    constexpr int kComparisons = 8;
    for (int i = 0; i < kComparisons; ++i) {
      if (!context.ChargeContent(key)) {
        return false;
      }
    }
  }
  *out = Value::Map(std::move(entries));
  if (const std::optional<Value> repeated = out->RepeatedKey()) {
    return context.Fail("Failed with repeated key: " + DescribeKey(*repeated));
  }
  return out->depth() <= limits::kMaxJsonDepth ||
         context.Fail("a value nests deeper than " + std::to_string(limits::kMaxJsonDepth) +
                      " levels");
}

}  // namespace entente::dsl::cel
