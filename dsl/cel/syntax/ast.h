// The syntax tree of an expression. Private to dsl/cel.
//
// Immutable once parsed. Chains of one precedence and of selections are flat, so that the height
// of the tree, which bounds the recursion of evaluation, counts real nesting only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <re2/re2.h>

#include "dsl/cel/expression.h"
#include "dsl/cel/functions/functions.h"
#include "dsl/cel/value.h"

namespace entente::dsl::cel {

struct Node;
using NodePtr = std::unique_ptr<Node>;

struct Constant {
  Value value;
};

// A name and constant selections: a.b["c"].
struct Path {
  std::vector<std::string> names;
  size_t reference = 0;           // The place of a free path in Parser::references_.
  std::optional<size_t> slot;     // The macro variable it starts from, unless it is free.
  std::optional<Kind> type_name;  // What a lone, unbound name like `int` denotes.
  bool presence_test = false;     // Inside has(): whether the last name exists.
};

struct Select {
  NodePtr operand;
  std::string field;
  bool presence_test = false;
  bool optional = false;  // .?field
};

struct Index {
  NodePtr operand;
  NodePtr index;
  bool optional = false;  // [?index]
};

// [a, ?b]: an element that is marked is an optional, and left out if it is absent.
struct ListLiteral {
  std::vector<NodePtr> elements;
  std::vector<bool> optional;  // By element.
};

struct MapLiteral {
  std::vector<std::pair<NodePtr, NodePtr>> entries;
  std::vector<bool> optional;
};

struct Not {
  NodePtr operand;
};

struct Negate {
  NodePtr operand;
};

enum class ArithmeticOp { kAdd, kSubtract, kMultiply, kDivide, kModulo };

// first op operand op operand ..., from left to right, all of one precedence.
struct Arithmetic {
  NodePtr first;
  std::vector<std::pair<ArithmeticOp, NodePtr>> rest;
};

enum class RelationOp { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn };

struct Relation {
  RelationOp op;
  NodePtr left;
  NodePtr right;
};

// && or || of two or more operands.
struct Logical {
  bool is_or;
  std::vector<NodePtr> operands;
};

struct Conditional {
  NodePtr condition;
  NodePtr when_true;
  NodePtr when_false;
};

// For a method the receiver is the first argument.
struct Call {
  const Function* function;
  std::vector<NodePtr> arguments;
};

// matches() with a constant pattern.
struct Match {
  NodePtr subject;
  std::unique_ptr<const RE2> pattern;
};

enum class Macro {
  kAll,
  kExists,
  kExistsOne,
  kMap,
  kFilter,
  kSortBy,
  // Over places and elements, or keys and values.
  kTransformList,
  kTransformMap,
  kTransformMapEntry,
  // Of an optional: its value in a variable.
  kOptMap,
  kOptFlatMap,
  // Of an optional, without a variable: what there is instead.
  kOr,
  kOrValue,
  // cel.bind: any value in a variable.
  kBind,
};

struct Comprehension {
  Macro macro;
  size_t slot;  // Of the macro's variable; the second one, if there are two, is the next.
  NodePtr range;
  NodePtr predicate;   // Null where there is none.
  NodePtr transform;   // What is made of each element, or of the value.
  bool pairs = false;  // Two variables: place and element, or key and value.
};

struct Node {
  std::variant<Constant, Path, Select, Index, ListLiteral, MapLiteral, Not, Negate, Arithmetic,
               Relation, Logical, Conditional, Call, Match, Comprehension>
      content;
  size_t offset = 0;  // In the text.
  size_t height = 1;  // Of the tree from here down.
};

struct Program {
  NodePtr root;
  std::vector<ReferencePath> references;
  size_t slot_count = 0;  // Macro variables alive at once.
};

}  // namespace entente::dsl::cel
