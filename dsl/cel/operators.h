// The operators of CEL on values. Private to dsl/cel.
//
// Like every function body they compute `*out` or record an error in `context` and return false.
#pragma once

#include "dsl/cel/eval_context.h"
#include "dsl/cel/syntax/ast.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

// + - * / % of numbers of one kind; + of strings, bytes and lists; + and - of times.
[[nodiscard]] bool Calculate(EvalContext& context, ArithmeticOp op, const Value& left,
                             const Value& right, Value* out);

// Unary minus.
[[nodiscard]] bool NegateNumber(EvalContext& context, const Value& operand, Value* out);

// == != < <= > >= in.
[[nodiscard]] bool Relate(EvalContext& context, RelationOp op, const Value& left,
                          const Value& right, bool* out);

// Whether two values are equal: numbers on one number line, other values of different kinds never.
[[nodiscard]] bool CompareEqual(EvalContext& context, const Value& left, const Value& right,
                                bool* out);

// container[index].
[[nodiscard]] bool IndexInto(EvalContext& context, const Value& container, const Value& index,
                             Value* out);

// A list or map of values already computed, refused when it nests too deep or repeats a key.
[[nodiscard]] bool MakeList(EvalContext& context, std::vector<Value> elements, Value* out);
[[nodiscard]] bool MakeMap(EvalContext& context, std::vector<Value::Entry> entries, Value* out);

}  // namespace entente::dsl::cel
